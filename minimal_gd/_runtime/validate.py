"""Arguments checked before any work: each error names the argument, what came, and what was wanted."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# What overflows on the way gives no warning: what is not finite in the end is refused. Nothing here depends on the
# caller's own np.seterr: all four kinds of floating-point error are set.
QUIET: dict[str, Any] = {"divide": "warn", "over": "ignore", "under": "ignore", "invalid": "ignore"}
quietly = np.errstate(**QUIET)


def describe(value: Any) -> str:
    """Say in a few words what `value` is, for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if _is_table(value):
        return f"{type(value).__name__} of shape {value.shape}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _is_table(value: Any) -> bool:
    """Whether it has named columns, as a DataFrame of pandas or any other does."""
    return hasattr(value, "columns") and hasattr(value, "shape")


def _not_numbers(table: Any) -> str:
    """Name the columns that hold no numbers, with the dtype of each."""
    dtypes = {column: np.asarray(table[column]).dtype for column in table.columns}
    return ", ".join(f"{column!r} ({dtype})" for column, dtype in dtypes.items() if dtype.kind not in "iuf")


def integer(name: str, value: Any, least: int = 1) -> int:
    """Return `value` as an int of at least `least`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer ≥ {least}, got {describe(value)}")
    if value < least:
        raise ValueError(f"{name} must be an integer ≥ {least}, got {value}")
    return int(value)


def real_number(name: str, value: Any, wanted: str = "a finite number") -> float:
    """Return `value` as a finite float."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {wanted}, got {describe(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be {wanted}, got {describe(value)}")
    return number


def positive_number(name: str, value: Any) -> float:
    """Return `value` as a finite float > 0."""
    number = real_number(name, value, "a finite number > 0")
    if number <= 0:
        raise ValueError(f"{name} must be a finite number > 0, got {value}")
    return number


def fraction(name: str, value: Any) -> float:
    """Return `value` as a float in [0, 1]."""
    number = real_number(name, value, "a number between 0 and 1")
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be a number between 0 and 1, got {value}")
    return number


def boolean(name: str, value: Any) -> bool:
    """Return `value` as a bool."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {describe(value)}")
    return bool(value)


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return `value`, one of the strings in `choices`."""
    wanted = "one of " + ", ".join(repr(choice) for choice in choices)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {wanted}, got {describe(value)}")
    if value not in choices:
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return value


def generator(seed: Any) -> np.random.Generator:
    """Return the generator that `seed`, an int ≥ 0 or a `numpy.random.Generator`, stands for."""
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, Integral):
        raise TypeError(f"seed must be an integer ≥ 0 or a numpy.random.Generator, got {describe(seed)}")
    if seed < 0:
        raise ValueError(f"seed must be an integer ≥ 0 or a numpy.random.Generator, got {seed}")
    return np.random.default_rng(int(seed))


def floating_dtype(name: str, value: Any) -> np.dtype:
    """Return `value` as the dtype float32 or float64, in the machine's own byte order."""
    try:
        dtype = np.dtype(value)
    except (TypeError, ValueError, SyntaxError) as error:
        raise TypeError(f"{name} must be float32 or float64, got {describe(value)}") from error
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise ValueError(f"{name} must be float32 or float64, got {dtype}")
    return dtype.newbyteorder("=")


def real_array(name: str, value: Any, dtype: DTypeLike | None = None) -> NDArray:
    """Return `value` as a finite array of `dtype`; without one, float32 stays float32 and the rest becomes float64.

    Never writes to `value`; returns it as it is where nothing has to change.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be an array of real numbers without a mask, got a masked array")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of real numbers, got {describe(value)} ({error})") from error
    if array.dtype.kind not in "biuf":
        if _is_table(value):
            raise TypeError(
                f"{name} must be an array of real numbers, got {describe(value)} whose column(s) {_not_numbers(value)} "
                "are not numbers: convert them, or leave them out"
            )
        raise TypeError(f"{name} must be an array of real numbers, got {describe(value)} of dtype {array.dtype}")
    if dtype is None:
        is_single = array.dtype.kind == "f" and array.dtype.itemsize == 4
        dtype = np.float32 if is_single else np.float64
    with np.errstate(**QUIET):
        array = np.asarray(array, dtype=dtype)
    if not array.flags.aligned:
        array = array.copy()  # not every library takes it
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name} must be finite in {array.dtype}, got {array[where]} at index {where} "
            f"(in {array.size - int(finite.sum())} of {array.size} places)"
        )
    return array


def shaped_array(name: str, value: Any, shape: tuple[int, ...], why: str, dtype: DTypeLike | None = None) -> NDArray:
    """Return `value` as a finite array of the given shape; `why` says where that shape comes from."""
    array = real_array(name, value, dtype)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape} ({why}), got shape {array.shape}")
    return array


def finite_result(result: Any, what: str, causes: str) -> None:
    """Refuse a `result` that is not finite though its `causes`, the names of the arguments, are: they are too large."""
    result = np.asarray(result)
    finite = np.isfinite(result)
    if not finite.all():
        raise ValueError(
            f"{causes} must give finite {what}, got {result[~finite][0]}: a product or a sum on the way overflows "
            f"{result.dtype}"
        )


def symmetric_matrix(name: str, value: Any) -> NDArray:
    """Return `value` as a finite, symmetric (n, n) array, n ≥ 1."""
    K = real_array(name, value)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or K.size == 0:
        raise ValueError(f"{name} must have shape (n, n) with n ≥ 1, got shape {K.shape}")
    with np.errstate(**QUIET):
        asymmetry = np.abs(K - K.T).max()
        allowed = 100 * np.finfo(K.dtype).eps * np.abs(K).max()
    if asymmetry > allowed:
        raise ValueError(
            f"{name} must be symmetric, got entries that differ from their mirror images by {asymmetry:.3g}"
        )
    return K
