"""Every check of an argument by itself: what it takes, what it gives back, and what it says of the rest."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from minimal_gd._runtime import validate


def refused(error, message):
    return pytest.raises(error, match=f"^{re.escape(message)}")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "int 3"),
        ("tanh", "str 'tanh'"),
        (None, "NoneType None"),
        (np.ones((2, 3), np.float32), "an array of shape (2, 3) and dtype float32"),
        ("x" * 58, f"str '{'x' * 58}'"),  # 60 characters
        ("x" * 59, f"str '{'x' * 56}..."),
        (list(range(100)), f"list {str(list(range(100)))[:57]}..."),
    ],
)
def test_a_value_is_described_by_its_type_and_at_most_60_characters(value, words):
    assert validate.describe(value) == words


# ---------------------------------------------------------------------- numbers


NO_NUMBERS = ["3", None, True, np.True_, [1], np.array([1]), np.array([1.0]), 1j, np.complex64(1)]


@pytest.mark.parametrize("value", [1, 2, 10**30, np.int8(3), np.uint64(2**64 - 1)])
def test_an_integer_of_at_least_1_comes_back_as_an_int(value):
    result = validate.integer("n", value)
    assert (type(result), result) == (int, int(value))


@pytest.mark.parametrize("value", [*NO_NUMBERS, 2.0, np.float64(2), Fraction(2)], ids=repr)
def test_what_is_no_integer_is_refused(value):
    with refused(TypeError, f"n must be an integer ≥ 1, got {validate.describe(value)}"):
        validate.integer("n", value)


def test_an_integer_below_the_least_is_refused():
    assert validate.integer("n", 0, least=0) == 0
    assert validate.integer("n", 5, least=5) == 5
    for value, least in ((0, 1), (-1, 0), (np.int64(4), 5)):
        with refused(ValueError, f"n must be an integer ≥ {least}, got {value}"):
            validate.integer("n", value, least)
    with refused(ValueError, "n must be an integer ≥ 1, got 0"):
        validate.integer("n", 0)


REAL = {
    "real_number": (validate.real_number, "a finite number"),
    "positive_number": (validate.positive_number, "a finite number > 0"),
    "fraction": (validate.fraction, "a number between 0 and 1"),
}


@pytest.mark.parametrize(("check", "wanted"), REAL.values(), ids=REAL)
def test_any_real_number_comes_back_as_a_float(check, wanted):
    for value in (1, 0.5, np.float32(0.25), np.int8(1), Fraction(1, 4), np.array(0.5), np.array(1), 1e-300):
        result = check("x", value)
        assert (type(result), result) == (float, float(value))
    for value in NO_NUMBERS:
        with refused(TypeError, f"x must be {wanted}, got {validate.describe(value)}"):
            check("x", value)
    for value in (math.nan, math.inf, -math.inf, np.float32("inf"), 10**400, -(10**400)):
        with refused(ValueError, f"x must be {wanted}, got {validate.describe(value)}"):
            check("x", value)


def test_numbers_out_of_range_are_refused():
    for value in (-2.5, 0.0, 7):
        assert validate.real_number("x", value) == value
    with refused(TypeError, "x must be a number of sheep, got str '3'"):
        validate.real_number("x", "3", "a number of sheep")
    assert validate.positive_number("x", 5e-324) == 5e-324
    assert validate.positive_number("x", 1e308) == 1e308
    for value in (0, -0.0, -1):
        with refused(ValueError, f"x must be a finite number > 0, got {value}"):
            validate.positive_number("x", value)
    assert [validate.fraction("x", value) for value in (0, 0.5, 1)] == [0, 0.5, 1]
    for value in (-5e-324, math.nextafter(1, 2), 1.5, 2, -1):
        with refused(ValueError, f"x must be a number between 0 and 1, got {value}"):
            validate.fraction("x", value)


# ---------------------------------------------------------------------- choices


def test_only_true_and_false_are_booleans():
    assert [validate.boolean("flag", value) for value in (True, False, np.True_, np.False_)] == [True, False] * 2
    assert type(validate.boolean("flag", np.True_)) is bool
    for value in (1, 0, "True", None, np.array(True)):
        with refused(TypeError, f"flag must be True or False, got {validate.describe(value)}"):
            validate.boolean("flag", value)


def test_one_of_a_few_strings_comes_back_and_all_others_are_refused_with_a_list():
    assert validate.one_of("kind", "b", ("a", "b")) == "b"
    with refused(ValueError, "kind must be one of 'a', 'b', got 'c'"):
        validate.one_of("kind", "c", ("a", "b"))
    with refused(TypeError, "kind must be one of 'a', 'b', got int 3"):
        validate.one_of("kind", 3, ("a", "b"))


def test_a_seed_stands_for_its_generator_and_a_generator_for_itself():
    rng = np.random.default_rng(3)
    assert validate.generator(rng) is rng
    for seed in (0, 1, 7, np.int64(7), 2**70):
        assert validate.generator(seed).integers(2**62) == np.random.default_rng(int(seed)).integers(2**62)
    wanted = "seed must be an integer ≥ 0 or a numpy.random.Generator, got"
    for seed in (*NO_NUMBERS, 1.0, np.random.RandomState(0)):
        with refused(TypeError, f"{wanted} {validate.describe(seed)}"):
            validate.generator(seed)
    with refused(ValueError, f"{wanted} -1"):
        validate.generator(-1)


# ---------------------------------------------------------------------- arrays


@pytest.mark.parametrize("given", ["f4", "f8", ">f4", ">f8", np.float32, float, None, np.dtype("<f8")])
def test_two_dtypes_are_taken_and_come_back_in_native_order(given):
    result = validate.floating_dtype("dtype", given)
    assert result in (np.dtype(np.float32), np.dtype(np.float64))
    assert result.isnative
    assert result == np.dtype(given).newbyteorder("=")


# NumPy raises TypeError, ValueError and SyntaxError for what it cannot read
@pytest.mark.parametrize("given", ["double trouble", 3, {"a": 1}, "f4,,", "f4(", "(1+)f4"], ids=repr)
def test_what_is_no_dtype_is_refused(given):
    with refused(TypeError, f"dtype must be float32 or float64, got {validate.describe(given)}"):
        validate.floating_dtype("dtype", given)


@pytest.mark.parametrize("given", ["f2", "i4", "i8", "c8", "c16", "U1", "U2", "?", "O", "m8"])
def test_every_other_dtype_is_refused(given):
    with refused(ValueError, f"dtype must be float32 or float64, got {np.dtype(given)}"):
        validate.floating_dtype("dtype", given)


@pytest.mark.parametrize("given", ["f2", "f4", ">f4", "f8", ">f8", "g", "i1", "i4", "u4", "i8", "?"])
def test_float32_stays_and_all_other_real_arrays_become_float64(given):
    array = np.array([[1, 0, 1]]).astype(given)
    result = validate.real_array("X", array)
    assert result.dtype == (np.float32 if given in ("f4", ">f4") else np.float64)
    assert result.dtype.isnative
    np.testing.assert_array_equal(result, array)
    for dtype in (np.float32, np.float64):
        assert validate.real_array("X", array, dtype).dtype == dtype


def test_an_array_that_is_fine_comes_back_as_it_is_and_one_that_is_not_aligned_as_a_copy():
    for dtype in (np.float32, np.float64):
        array = np.arange(6, dtype=dtype).reshape(2, 3)
        assert validate.real_array("X", array) is array
        crooked = np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(dtype)
        assert not crooked.flags.aligned
        result = validate.real_array("X", crooked)
        assert result.flags.aligned
        assert not np.shares_memory(result, crooked)
        np.testing.assert_array_equal(result, array.reshape(-1))
    assert validate.real_array("X", [[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]


class Unready:
    """As an array on another device."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("not ready")


def test_what_is_no_array_of_real_numbers_is_refused():
    for value, error, came in [
        ([[1, 2], [3]], ValueError, "list [[1, 2], [3]] (setting an array element"),
        (Unready(), ValueError, "Unready <"),
        (np.array([1j]), TypeError, "an array of shape (1,) and dtype complex128 of dtype complex128"),
        ("X", TypeError, "str 'X' of dtype <U1"),
        (None, TypeError, "NoneType None of dtype object"),
        (np.array(["2020"], "M8[Y]"), TypeError, "an array of shape (1,) and dtype datetime64[Y] of dtype"),
    ]:
        with refused(error, f"X must be an array of real numbers, got {came}"):
            validate.real_array("X", value)
    with refused(TypeError, "X must be an array of real numbers without a mask, got a masked array"):
        validate.real_array("X", np.ma.masked_array([1.0]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_entry_that_is_not_finite_is_named_with_their_number(bad):
    array = np.arange(6.0).reshape(2, 3)
    array[1, 0] = bad
    with refused(ValueError, f"X must be finite in float64, got {bad} at index (1, 0) (in 1 of 6 places)"):
        validate.real_array("X", array)
    array[1, 1:] = np.nan
    with refused(ValueError, f"X must be finite in float64, got {bad} at index (1, 0) (in 3 of 6 places)"):
        validate.real_array("X", array)
    with refused(ValueError, "X must be finite in float32, got inf at index () (in 1 of 1 places)"):
        validate.real_array("X", 1e39, np.float32)


def test_an_array_of_another_shape_is_refused_with_the_reason():
    array = np.arange(3.0)
    assert validate.shaped_array("y", array, (3,), "n of X") is array
    assert validate.shaped_array("y", array, (3,), "n of X", np.float32).dtype == np.float32
    for shape in ((2,), (3, 1), ()):
        with refused(ValueError, f"y must have shape {shape} (n of X), got shape (3,)"):
            validate.shaped_array("y", array, shape, "n of X")


def test_a_result_that_is_not_finite_is_refused_with_its_causes():
    validate.finite_result([1.0, 1e308], "products", "X and y")
    validate.finite_result(2.0, "products", "X and y")
    for result, came, dtype in [
        ([1.0, np.inf, 2.0], "inf", "float64"),
        (np.array([[0, np.nan], [np.inf, 0]], np.float32), "nan", "float32"),
        (-np.inf, "-inf", "float64"),
    ]:
        with refused(ValueError, f"X and y must give finite products, got {came}: a product or a sum on the way"):
            validate.finite_result(result, "products", "X and y")
        with pytest.raises(ValueError, match=f"overflows {dtype}$"):
            validate.finite_result(result, "products", "X and y")


# ---------------------------------------------------------------------- symmetric matrices


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (3, 2), (0, 0), (1, 1, 1), (2, 2, 2), (2, 2, 3)])
def test_what_is_not_square_is_refused(shape):
    with refused(ValueError, f"K must have shape (n, n) with n ≥ 1, got shape {shape}"):
        validate.symmetric_matrix("K", np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1.0, 4.0, 2.0**-20])
def test_mirror_images_may_differ_by_100_roundings_of_the_largest_entry(size, dtype):
    eps = np.finfo(dtype).eps
    for roundings in (0, 1, 100, -100):
        K = size * np.array([[1, 0.5], [0.5 + roundings * eps, -0.25]], dtype)
        assert validate.symmetric_matrix("K", K) is K
    wanted = "K must be symmetric, got entries that differ from their mirror images by"
    for roundings in (100.5, -100.5, 1000):
        K = size * np.array([[1, 0.5], [0.5 + roundings * eps, -0.25]], dtype)
        with refused(ValueError, f"{wanted} {abs(roundings) * size * eps:.3g}"):
            validate.symmetric_matrix("K", K)


def test_a_single_number_and_zeros_are_symmetric_and_what_overflows_is_not():
    for K in (np.ones((1, 1)), np.zeros((3, 3))):
        assert validate.symmetric_matrix("K", K) is K
    with refused(ValueError, "K must be symmetric, got entries that differ from their mirror images by inf"):
        validate.symmetric_matrix("K", [[0, 1e308], [-1e308, 0]])


class Table:
    """What a DataFrame shows of itself: columns by name, a shape, and an array of objects where they are mixed."""

    def __init__(self, **columns):
        self.data = {name: np.array(column) for name, column in columns.items()}
        self.columns, self.shape = list(columns), (len(next(iter(self.data.values()))), len(columns))

    def __getitem__(self, name):
        return self.data[name]

    def __array__(self, dtype=None, copy=None):
        kinds = {column.dtype.kind for column in self.data.values()}
        mixed = object if len(kinds) > 1 else None
        return np.array([column.astype(mixed or column.dtype) for column in self.data.values()]).T

    def __repr__(self):
        return "   a      b\n0  1.0  True\n" * 30


def test_the_columns_of_a_table_that_are_no_numbers_are_named():
    table = Table(a=[1.0, 2.0], flag=[True, False], b=[1, 2], name=["x", "y"])
    message = (
        "X must be an array of real numbers, got Table of shape (2, 4) whose column(s) 'flag' (bool), 'name' (<U1) are "
        "not numbers: convert them, or leave them out"
    )
    with refused(TypeError, message):
        validate.real_array("X", table)
    numbers = Table(a=[1.0, 2.0], b=[3.0, 4.0])
    np.testing.assert_array_equal(validate.real_array("X", numbers), [[1, 3], [2, 4]])
    with refused(TypeError, "n must be an integer ≥ 1, got Table of shape (2, 2)"):
        validate.integer("n", numbers)
