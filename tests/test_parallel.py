"""Samples that lie on one line through the origin: which are found, and how they are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_data import BAD_ARRAYS

from minimal_gd import data


@given(
    d=st.integers(1, 6),
    sign=st.sampled_from([-1, 1]),
    exponent=st.integers(-150, 150),
    mantissa=st.floats(1, 10),
    seed=st.integers(0, 2**32),
)
def test_a_multiple_of_a_sample_is_found_whatever_its_length(d, sign, exponent, mantissa, seed):
    X = data.sphere(4, d, seed)
    X[2] = sign * mantissa * 10.0**exponent * X[0]
    if d == 1:
        assert data.parallel_pairs(X) == [(i, j) for i in range(4) for j in range(i + 1, 4)]
    else:
        assert data.parallel_pairs(X) == [(0, 2)]
    with pytest.raises(ValueError, match=r"X .*samples 0 and .* are parallel"):
        data.require_no_parallel(X)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("angle", "found"), [(0, True), (1e-13, True), (1e-9, False), (1e-11, False)])
def test_angles_are_told_apart_far_below_what_a_cosine_resolves(scale, sign, angle, found):
    first, orthogonal = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 2)))[0].T
    X = np.array([first, sign * scale * (np.cos(angle) * first + np.sin(angle) * orthogonal)])
    assert data.parallel_pairs(X) == ([(0, 1)] if found else [])


@pytest.mark.parametrize(
    ("tolerance", "angle"), [(0.1, 0.09), (0.9, 0.8), (1.2, 1.1), (1.5, 1.3), (2.0, np.pi / 2), (6.3, 1.0)]
)
def test_a_wide_tolerance_finds_every_pair_within_it(tolerance, angle):
    X = np.array([[1, 0], [np.cos(angle), np.sin(angle)], [-np.cos(angle), np.sin(angle)]])
    assert {(0, 1), (0, 2)} <= set(data.parallel_pairs(X, tolerance))


@pytest.mark.parametrize("tolerance", [1e-9, 0.1, 0.9, 1.2, 1.5])
def test_a_pair_is_found_up_to_the_tolerance_and_not_beyond(tolerance):
    for angle, found in ((0.99 * tolerance, True), (1.01 * tolerance, False)):
        X = np.array([[1, 0], [np.cos(angle), np.sin(angle)]])
        assert data.parallel_pairs(X, tolerance) == [(0, 1)] * found
        assert data.parallel_pairs(-X * [[1], [-1]], tolerance) == [(0, 1)] * found


def test_a_pair_at_the_tolerance_counts():
    X = np.array([[1.0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]])  # 60° apart, and 1, without a rounding
    assert data.parallel_pairs(X, 2 * np.arcsin(0.5)) == [(0, 1)]


def test_one_sample_has_no_pair():
    assert data.parallel_pairs([[2.0]]) == []
    data.require_no_parallel([[2.0]])


def test_a_zero_sample_is_parallel_to_all():
    X = np.array([[1.0, 0], [0, 0], [0, 1]])
    assert data.parallel_pairs(X) == [(0, 1), (1, 2)]
    with pytest.raises(ValueError, match=r"X .*zero sample.* at 1"):
        data.require_no_parallel(X)
    with pytest.raises(ValueError, match=r"X .*zero sample"):
        data.require_no_parallel(np.zeros((1, 3)))


def test_parallel_images_and_integers_are_found_and_inputs_left_alone():
    X = np.random.default_rng(0).integers(1, 9, (5, 2, 3, 3)).astype(np.int8)
    X[4] = -X[1]
    X.flags.writeable = False
    before = X.copy()
    assert data.parallel_pairs(X) == [(1, 4)]
    np.testing.assert_array_equal(X, before)
    assert data.parallel_pairs([[1, 2], [2, 4], [3, 5]]) == [(0, 1)]


def test_a_sample_and_its_opposite_are_found_in_float32():
    X = data.sphere(10, 8, 0).astype(np.float32)
    X[7], X[8] = -X[2], X[3]
    assert data.parallel_pairs(X) == [(2, 7), (3, 8)]


def refusal(X):
    with pytest.raises(ValueError, match=r"^X must hold no ") as error:
        data.require_no_parallel(X)
    return str(error.value)


def test_of_many_parallel_pairs_the_first_five_are_named_and_the_others_counted():
    lines, names = np.eye(3), "samples {} and {} are parallel".format
    five = np.repeat(lines, [3, 2, 2], axis=0)
    of_five = [(0, 1), (0, 2), (1, 2), (3, 4), (5, 6)]
    said = "X must hold no two parallel samples, but "
    assert refusal(five) == said + "; ".join(names(*pair) for pair in of_five)
    of_six = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    assert refusal(lines[[0] * 4]) == said + "; ".join(names(*pair) for pair in of_six) + "; and 1 pairs more"
    of_ten = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2)]
    assert refusal(lines[[0] * 5]) == said + "; ".join(names(*pair) for pair in of_ten) + "; and 5 pairs more"


def test_of_many_zero_samples_the_first_five_are_named():
    assert refusal(np.zeros((7, 2))) == "X must hold no zero sample, got one at 0, 1, 2, 3, 4"


@pytest.mark.parametrize(
    ("X", "error"),
    [
        *(([row, [1, 2]], error) for row, error in BAD_ARRAYS),
        ([1.0, 2.0], ValueError),
        (np.zeros((0, 3)), ValueError),
        (np.zeros((3, 0)), ValueError),
        ([[1, 2], [3]], ValueError),
        (None, TypeError),
    ],
)
def test_inputs_that_are_no_finite_samples_are_refused(X, error):
    for function in (data.parallel_pairs, data.require_no_parallel):
        with pytest.raises(error, match=r"^X must .* got"):
            function(X)


@pytest.mark.parametrize(
    ("tolerance", "error"),
    [(0, ValueError), (-1e-12, ValueError), (np.inf, ValueError), ("1", TypeError), (None, TypeError)],
)
def test_a_tolerance_that_is_not_finite_and_positive_is_refused(tolerance, error):
    for function in (data.parallel_pairs, data.require_no_parallel):
        with pytest.raises(error, match=r"^tolerance must be a finite number > 0, got"):
            function(np.eye(3), tolerance)
