"""Equality by content, and a text of three lines at most, for results that hold arrays.

NumPy compares arrays entry by entry, so the == of a tuple or a dataclass of arrays raises, and it prints them in full.
"""

import textwrap
from typing import Any, TypeVar

import numpy as np

from minimal_gd._runtime.arrays import Array

Kind = TypeVar("Kind", bound=type)

_LINE, _LINES, _SHOWN = 110, 3, 3


def by_content(kind: Kind) -> Kind:
    """Add to a dataclass or a NamedTuple an == that compares what it holds, and a `repr` that fits on three lines."""
    kind.__eq__, kind.__ne__, kind.__repr__ = _eq, _ne, _repr  # type: ignore[assignment]  # of any class
    kind.__hash__ = None  # type: ignore[assignment]  # as Python says that it has none
    return kind


def equal(one: Any, other: Any) -> bool:
    """Whether both hold the same: arrays of the same dtype, shape and entries, and NaN for NaN.

    An object without an == of its own, a network say, is compared attribute by attribute.
    """
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return _equal_arrays(one, other)
    if type(one) is type(other):
        if names := _names(one):
            return all(equal(getattr(one, name), getattr(other, name)) for name in names)
        if isinstance(one, tuple | list):
            return len(one) == len(other) and all(map(equal, one, other))
        if isinstance(one, dict):
            return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
        is_plain = type(one).__eq__ is object.__eq__  # type: ignore[comparison-overlap]  # it takes one for bound
        if is_plain and hasattr(one, "__dict__") and not callable(one):
            return one is other or equal(vars(one), vars(other))
    return one is other or bool(one == other) or bool(one != one and other != other)  # NaN differs from itself


def short(value: Any) -> str:
    """Say in a few words what `value` is."""
    if isinstance(value, np.ndarray):
        return _short_array(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if type(value) in (tuple, list):
        shown = value if len(value) <= _SHOWN else (value[0], value[-1])
        texts = [short(entry) for entry in shown]
        return f"({', '.join(texts)})" if shown is value else f"({len(value)} of them: {texts[0]}, …, {texts[1]})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {short(entry)}' for name, entry in value.items())}}}"
    return " ".join(textwrap.shorten(repr(value), 2 * _LINE, placeholder=" …").split())


def _equal_arrays(one: Any, other: Any) -> bool:
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype == other.dtype):
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def _short_array(array: Array) -> str:
    if array.ndim == 0:
        return short(array.item())
    if array.ndim == 1 and array.dtype.kind in "iuf" and array.size > 0:
        first, last = f"{array[0]:.6g}", f"{array[-1]:.6g}"
        return f"[{first}{', …' * (array.size > 2)}{f', {last}' * (array.size > 1)}] of {array.size}"
    return f"array{array.shape} of {array.dtype}"


def _names(value: Any) -> tuple[str, ...]:
    """The names of the fields of a dataclass or a NamedTuple."""
    return tuple(getattr(value, "__dataclass_fields__", ())) or getattr(value, "_fields", ())


def _eq(self: Any, other: Any) -> bool:
    if type(self) is type(other):
        return equal(self, other)
    return False if isinstance(other, tuple) else NotImplemented


def _ne(self: Any, other: Any) -> bool:
    same = _eq(self, other)
    return same if same is NotImplemented else not same


def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={short(getattr(self, name))}" for name in _names(self))
    wrapped = textwrap.wrap(
        f"{type(self).__name__}({fields})", _LINE, subsequent_indent="    ", max_lines=_LINES, placeholder=" …)"
    )
    return "\n".join(wrapped)
