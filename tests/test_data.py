"""Points on the sphere, the packaged digits, and labels."""

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimal_gd import data

EPS = np.finfo(float).eps


@given(n=st.integers(1, 50), d=st.integers(1, 50), seed=st.integers(0, 2**70))
def test_points_on_the_sphere_have_unit_norm_and_depend_on_the_seed_alone(n, d, seed):
    X = data.sphere(n, d, seed)
    assert X.shape == (n, d)
    assert X.dtype == np.float64
    # a sum of d squares and a root: at most d + 2 roundings
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=(d + 4) * EPS)
    np.testing.assert_array_equal(X, data.sphere(n, d, seed))
    np.testing.assert_array_equal(X, data.sphere(n, d, np.random.default_rng(seed)))


@pytest.mark.parametrize("d", [2, 3, 10])
def test_points_on_the_sphere_are_uniform(d):
    n = 40_000
    X = data.sphere(n, d, 0)
    # E x_k = 0, E x_k² = 1/d, E x_j x_k = 0, E x_k⁴ = 3/(d (d + 2)) and E x_k⁸ = 105/(d (d + 2)(d + 4)(d + 6)), so that
    # these are six standard deviations or more (the seed is fixed, so this passes always or never). The third is where
    # other laws of the same symmetry differ: a normalised cube has fewer large entries.
    fourth = 3 / (d * (d + 2))
    eighth = 35 * fourth / ((d + 4) * (d + 6))
    six = 6 / np.sqrt(n)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=six / np.sqrt(d))
    np.testing.assert_allclose(X.T @ X / n, np.eye(d) / d, atol=six * np.sqrt(fourth))
    np.testing.assert_allclose((X**4).mean(axis=0), fourth, atol=six * np.sqrt(eighth - fourth**2))


def test_a_generator_goes_on_where_it_was():
    rng = np.random.default_rng(0)
    assert not np.array_equal(data.sphere(3, 3, rng), data.sphere(3, 3, rng))
    assert not np.array_equal(data.sphere(3, 3, 0), data.sphere(3, 3, 1))


def test_the_packaged_file_is_the_documented_one():
    with np.load(files("minimal_gd").joinpath("data/digits.npz"), allow_pickle=False) as stored:
        X, y = stored["X"], stored["y"]
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((1797, 64), np.uint8, (1797,), np.uint8)
    assert (X.min(), X.max()) == (0, 16)
    # how many there are of each digit in the test part of Alpaydin and Kaynak's data, and its first image
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert y[:10].tolist() == list(range(10))
    assert X[0, :16].tolist() == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    assert "CC BY 4.0" in files("minimal_gd").joinpath("data/README.md").read_text(encoding="utf-8")


def test_the_packaged_file_is_read_without_pickle(monkeypatch):
    load, options = np.load, []
    monkeypatch.setattr(np, "load", lambda *arguments, **named: options.append(named) or load(*arguments, **named))
    data._all_digits.__wrapped__()
    assert options == [{"allow_pickle": False}]


def test_all_digits_are_centred_images_of_unit_norm_with_their_own_labels():
    X, y = data.digits(1797, 3)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=70 * EPS)
    with np.load(files("minimal_gd").joinpath("data/digits.npz"), allow_pickle=False) as stored:
        centred = stored["X"] - stored["X"].astype(float).mean(axis=0)
        digit = stored["y"]
    cosines = X @ (centred / np.linalg.norm(centred, axis=1)[:, None]).T
    source = cosines.argmax(axis=1)  # which image each one is, told by the picture alone
    assert sorted(source) == list(range(1797))
    np.testing.assert_allclose(X, (centred / np.linalg.norm(centred, axis=1)[:, None])[source], atol=1e-13)
    np.testing.assert_allclose(y, (2.0 * digit[source] - 9) / 9, rtol=EPS)
    assert np.abs(y).max() == 1
    assert data.parallel_pairs(X) == []
    data.require_no_parallel(X)


def test_the_same_seed_with_more_digits_keeps_the_first_ones():
    X, y = data.digits(100, 5)
    more, labels = data.digits(1000, 5)
    assert X.shape == (100, 64)
    assert X.dtype == y.dtype == np.float64
    np.testing.assert_array_equal(X, more[:100])
    np.testing.assert_array_equal(y, labels[:100])
    assert not np.array_equal(X, data.digits(100, 6)[0])
    np.testing.assert_array_equal(X, data.digits(100, np.random.default_rng(5))[0])


def test_images_are_the_vectors_row_by_row():
    X, y = data.digits(7, 0)
    images, labels = data.digits(7, 0, images=True)
    assert images.shape == (7, 1, 8, 8)
    np.testing.assert_array_equal(images[:, 0, 2, 3], X[:, 19])
    np.testing.assert_array_equal(y, labels)


def test_what_a_caller_does_to_the_digits_stays_with_the_caller():
    X, y = data.digits(5, 0)
    before, labels = X.copy(), y.copy()
    X[...], y[...] = 0, 0
    again, labels_again = data.digits(5, 0)
    np.testing.assert_array_equal(again, before)
    np.testing.assert_array_equal(labels_again, labels)


def test_random_labels_are_uniform_over_the_ten():
    y = data.random_labels(50_000, 0)
    values, counts = np.unique(y, return_counts=True)
    np.testing.assert_allclose(values, np.arange(-9, 10, 2) / 9, rtol=EPS)
    assert np.abs(counts - 5000).max() < 6 * np.sqrt(50_000 * 0.1 * 0.9)  # six standard deviations
    np.testing.assert_array_equal(data.random_labels(9, 1), data.random_labels(9, np.random.default_rng(1)))


@given(n=st.integers(1, 60), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_exactly_the_share_of_the_labels_is_drawn_again(n, share, seed):
    y = np.arange(10.0, 10 + n)  # none is a label, so that every one drawn again shows
    y.flags.writeable = False
    corrupted = data.corrupted_labels(y, share, seed)
    changed = corrupted != y
    assert changed.sum() == round(share * n)
    assert np.isin(corrupted[changed], data.LABELS).all()
    np.testing.assert_array_equal(y, np.arange(10.0, 10 + n))
    np.testing.assert_array_equal(corrupted, data.corrupted_labels(y, share, seed))
    assert not np.shares_memory(corrupted, y)


def test_corrupted_labels_are_chosen_anywhere_and_drawn_uniformly():
    corrupted = data.corrupted_labels(np.full(40_000, 7), 0.5, 0)
    changed = corrupted != 7
    assert corrupted.dtype == np.float64  # integers become float64
    assert np.abs(changed.reshape(4, -1).sum(axis=1) - 5000).max() < 6 * 50  # six standard deviations, √(10⁴/4)
    assert np.abs(np.unique(corrupted[changed], return_counts=True)[1] - 2000).max() < 6 * np.sqrt(1800)


NOT_SIZES = [(0, ValueError), (-1, ValueError), (2.5, TypeError), (3.0, TypeError), ("3", TypeError), (True, TypeError)]
NOT_SEEDS = [
    (-1, ValueError),
    (1.5, TypeError),
    (None, TypeError),
    ("0", TypeError),
    (True, TypeError),
    ([1], TypeError),
]


@pytest.mark.parametrize(("size", "error"), [*NOT_SIZES, (None, TypeError), (np.array([3]), TypeError)])
def test_sizes_that_are_no_integers_of_at_least_one_are_refused(size, error):
    wanted = r"must be an integer ≥ 1, got"
    for name, call in [
        ("n", lambda: data.sphere(size, 3, 0)),
        ("d", lambda: data.sphere(3, size, 0)),
        ("n", lambda: data.digits(size, 0)),
        ("n", lambda: data.random_labels(size, 0)),
    ]:
        with pytest.raises(error, match=f"^{name} {wanted}"):
            call()


@pytest.mark.parametrize(("seed", "error"), NOT_SEEDS)
def test_bad_seeds_are_refused(seed, error):
    for call in [
        lambda: data.sphere(3, 3, seed),
        lambda: data.digits(3, seed),
        lambda: data.random_labels(3, seed),
        lambda: data.corrupted_labels(np.ones(3), 0.5, seed),
    ]:
        with pytest.raises(error, match=r"^seed must be an integer ≥ 0 or a numpy.random.Generator, got"):
            call()


def test_more_digits_than_there_are_and_images_that_is_no_bool_are_refused():
    with pytest.raises(ValueError, match=r"^n must be an integer from 1 to 1797.*got 1798"):
        data.digits(1798, 0)
    for images in (1, "yes", None):
        with pytest.raises(TypeError, match=r"^images must be True or False, got"):
            data.digits(3, 0, images)


@pytest.mark.parametrize(
    ("share", "error"),
    [
        (-0.1, ValueError),
        (1.1, ValueError),
        (np.nan, ValueError),
        ("0.5", TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_a_share_outside_0_to_1_is_refused(share, error):
    with pytest.raises(error, match=r"^share must be a number between 0 and 1, got"):
        data.corrupted_labels(np.ones(3), share, 0)


BAD_ARRAYS = [([1j, 0], TypeError), (["a", "b"], TypeError), ([None, 1], TypeError), ([np.nan, 1], ValueError)]


@pytest.mark.parametrize(
    ("y", "error"), [*BAD_ARRAYS, ([[1.0], [2.0]], ValueError), ([], ValueError), (3.0, ValueError), (None, TypeError)]
)
def test_labels_that_are_no_finite_vector_are_refused(y, error):
    with pytest.raises(error, match=r"^y must .* got"):
        data.corrupted_labels(y, 0.5, 0)
