"""Eigenvalues with an error, and why the smallest vanishes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd import spectra
from minimal_gd.spectra import spectrum
from minimal_gd.testing.strategies import seeds


def with_eigenvalues(values: np.ndarray, seed: int) -> np.ndarray:
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))
    K = Q * values @ Q.T
    return (K + K.T) / 2


@pytest.fixture(params=[False, True], ids=["small", "large"])
def is_large(request, monkeypatch) -> bool:
    """Run a test with all eigenvalues, and with the two ends alone."""
    if request.param:
        monkeypatch.setattr(spectra, "FULL_SPECTRUM_LIMIT", 2)
    return request.param


@given(st.integers(3, 12), st.booleans(), st.booleans(), seeds)
def test_the_eigenvalues_lie_within_the_stated_error(n, is_large, is_worst, seed):
    """K is off by up to `error` in every entry, at random or all against λ_min: the exact ends are within the bound."""
    rng = np.random.default_rng(seed)
    values = np.sort(10 ** rng.uniform(-3, 2, n))
    exact, error = with_eigenvalues(values, seed), 10 ** rng.uniform(-8, -2)
    if is_worst:
        signs = np.sign(np.linalg.eigh(exact)[1][:, 0])
        noise = -error * np.outer(signs, signs)
    else:
        noise = np.triu(rng.uniform(-error, error, (n, n)))
        noise += np.triu(noise, 1).T
    with pytest.MonkeyPatch.context() as patch:
        if is_large:
            patch.setattr(spectra, "FULL_SPECTRUM_LIMIT", 2)
        known = spectrum(exact + noise, error)
    assert abs(known.smallest - values[0]) <= known.error
    assert abs(known.largest - values[-1]) <= known.error
    assert known.eigenvalues is None if is_large else np.abs(known.eigenvalues - values).max() <= known.error


@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("kind", [mgd.FullyConnected, mgd.ResNet])
def test_the_error_of_a_limit_covers_its_eigenvalues(is_large, kind, tolerance):
    """The ends of a limit that is known roughly, against those of the same one known to rounding."""
    net, X = kind(3, 1, 2, "tanh"), mgd.data.sphere(9, 3, 0)
    K, error = mgd.gram.limiting(net, X, tolerance=tolerance)
    exact, _ = mgd.gram.limiting(net, X)
    for rough, fine in zip(K, exact, strict=True):
        known, values = spectrum(rough, error), np.linalg.eigvalsh(fine)
        assert abs(known.smallest - values[0]) <= known.error
        assert abs(known.largest - values[-1]) <= known.error


def test_the_bound_is_reached():
    """All entries off by the error, in one direction: λ_max is off by n times as much."""
    known = spectrum(np.full((5, 5), 1.01), error=0.01)
    assert known.largest - 5 == pytest.approx(0.05)
    assert known.error == pytest.approx(0.05)


@pytest.mark.parametrize("smallest", [1.0, 1e-6])
def test_a_large_matrix_gives_the_two_ends(monkeypatch, smallest):
    values = np.geomspace(smallest, 50.0, 60)
    K = with_eigenvalues(values, 0)
    full = spectrum(K)
    monkeypatch.setattr(spectra, "FULL_SPECTRUM_LIMIT", 20)
    ends = spectrum(K)
    assert ends.eigenvalues is None
    assert ends.smallest == pytest.approx(full.smallest, rel=1e-6)
    assert ends.largest == pytest.approx(50, rel=1e-12)
    assert ends.condition == pytest.approx(50 / smallest, rel=1e-6)


def test_a_large_singular_matrix_has_its_two_ends_too(monkeypatch):
    monkeypatch.setattr(spectra, "FULL_SPECTRUM_LIMIT", 20)
    values = np.concatenate([[-1e-3], np.geomspace(1e-2, 1, 39)])
    ends = spectrum(with_eigenvalues(values, 0))
    assert ends.smallest == pytest.approx(-1e-3)
    assert not ends.is_positive_definite
    assert ends.condition == np.inf


def test_the_eigenvalues_of_nothing_are_zero(is_large):
    known = spectrum(np.zeros((5, 5)))
    assert (known.smallest, known.largest, known.error) == (0, 0, 0)
    assert "not known" in known.reason
    assert not known.is_positive_definite


def test_the_error_is_that_of_n_entries_and_of_rounding_in_the_dtype(is_large):
    for K in (np.diag([1.0, 2, 3, 4, 7]), np.diag([-7.0, 2, 3, 4, 5])):
        assert spectrum(K).error == pytest.approx(5 * 7 * np.finfo(np.float64).eps, rel=1e-12)
        assert spectrum(K.astype(np.float32)).error == pytest.approx(5 * 7 * np.finfo(np.float32).eps, rel=1e-6)
        assert spectrum(K, error=0.25).error == pytest.approx(1.25, rel=1e-12)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_eigenvalues_as_small_or_large_as_numbers_can_be_keep_their_digits(is_large, size):
    known = spectrum(size * np.diag([1.0, 2, 3, 4, 7]))
    assert (known.smallest / size, known.largest / size) == pytest.approx((1, 7), rel=1e-12)
    assert known.is_positive_definite


def test_all_eigenvalues_are_given_up_to_a_thousand_samples(monkeypatch):
    assert spectra.FULL_SPECTRUM_LIMIT == 1000
    monkeypatch.setattr(spectra, "FULL_SPECTRUM_LIMIT", 5)
    assert spectrum(np.eye(5)).eigenvalues.shape == (5,)
    assert spectrum(np.diag(np.arange(1.0, 7))).eigenvalues is None


def test_two_samples_have_two_ends(monkeypatch):
    """As few as Lanczos takes."""
    monkeypatch.setattr(spectra, "FULL_SPECTRUM_LIMIT", 1)
    known = spectrum(np.array([[2.0, 1], [1, 2]]))
    assert (known.smallest, known.largest) == pytest.approx((1, 3), rel=1e-12)


def last_limit(net, X):
    """K^(H) and its error; of ReLU, parallel samples are known to √ε only."""
    K, error = mgd.gram.limiting(net, X, tolerance=1e-7 if net.activation.name == "relu" else 1e-12)
    return K[net.depth - 1], error


def with_parallel(X, i, j, sign):
    X[j] = sign * X[i]
    return X


PARALLEL = [
    (mgd.FullyConnected(4, 1, 2, "softplus"), 1),
    (mgd.FullyConnected(4, 1, 2, "tanh"), -1),  # odd, so that -x is as good as x
    (mgd.ResNet(4, 1, 3, "sincos"), 1),
    (mgd.ResNet(4, 1, 3, "erf"), -1),
    (mgd.ConvResNet((1, 2, 2), 1, 2, (3, 3), "sigmoid"), 1),
    (mgd.TwoLayerReLU(4, 1), 1),
]


@pytest.mark.parametrize(("net", "sign"), PARALLEL, ids=lambda case: str(case).replace(" ", ""))
def test_parallel_samples_are_named(is_large, net, sign):
    X = mgd.data.sphere(20, 4, 0).reshape(20, *net.input_shape)
    apart = spectrum(*last_limit(net, X), net, X)
    assert apart.reason is None
    assert apart.is_positive_definite
    X = with_parallel(X, 3, 17, sign)
    known = spectrum(*last_limit(net, X), net, X)
    assert known.reason == "samples 3 and 17 are parallel"
    assert not known.is_positive_definite
    assert known.condition == np.inf
    assert (known.eigenvalues is None) == is_large


def test_of_many_parallel_samples_three_pairs_are_named(is_large):
    net, X = mgd.TwoLayerReLU(4, 1), mgd.data.sphere(7, 4, 0)
    X[3:] = X[2]
    known = spectrum(*last_limit(net, X), net, X)
    assert known.reason == "; ".join(f"samples 2 and {j} are parallel" for j in (3, 4, 5))


def test_a_parallel_pair_that_does_no_harm_is_not_named(is_large):
    """λ_min > 0 for x and -x with relu, and for x and 2x with softplus: parallel inputs may, not must, make it 0."""
    for net, factor in ((mgd.TwoLayerReLU(4, 1), -1), (mgd.FullyConnected(4, 1, 2, "softplus"), 2)):
        X = with_parallel(mgd.data.sphere(20, 4, 0), 3, 17, factor)
        assert spectrum(*last_limit(net, X), net, X).reason is None


def test_twins_that_single_precision_holds_apart_are_named():
    """x and -3x rounded to float32 lie within some 1e-7 of one line: too far for float64, not for what they are."""
    net, X = mgd.FullyConnected(4, 1, 2, "tanh"), mgd.data.sphere(9, 4, 0)
    X = with_parallel(X.astype(np.float32), 3, 7, -3)
    X[7] = X[7] / np.linalg.norm(X[7])
    K, _ = last_limit(net, X)
    error = 1e-6  # that of the data
    named = "samples 3 and 7 are parallel"
    assert spectrum(K, error, net, X).reason == named
    X = X.astype(np.float64)
    assert mgd.data.parallel_pairs(X) == []
    assert "not known" in spectrum(K, error, net, X).reason
    assert spectrum(K, error, net, X, tolerance=1e-6).reason == named


# K^(H) with σ(z) = z² is a polynomial of <x_i, x_j>, of degree 2 for H = 1 and of degree 4 for H = 2; of unit vectors,
# they span what the monomials of that degree do.
@pytest.mark.parametrize(
    ("net", "monomials"),
    [
        (mgd.FullyConnected(3, 1, 1, "square"), 6),
        (mgd.FullyConnected(3, 1, 2, "square"), 15),
        (mgd.ResNet(4, 1, 1, "square"), 10),
        (mgd.FullyConnected(5, 1, 3, "identity"), 5),
    ],
    ids=lambda case: str(case).replace(" ", ""),
)
def test_a_polynomial_activation_is_named_from_the_first_sample_too_many(is_large, net, monomials):
    X = mgd.data.sphere(monomials + 1, *net.input_shape, 0)
    K, error = last_limit(net, X)
    known = spectrum(K, error, net, X)
    assert known.reason == f"the activation is a polynomial of degree {net.activation.polynomial_degree}"
    assert (known.eigenvalues is None) == is_large
    assert spectrum(K[:-1, :-1], error, net, X[:-1]).reason is None
    assert "not known" in spectrum(K, error).reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"K": np.ones((2, 3))}, r"K must have shape \(n, n\)"),
        ({"K": np.zeros((0, 0))}, r"K must have shape \(n, n\)"),
        ({"K": [[1, 2], [3, 1]]}, "K must be symmetric"),
        ({"K": [[1, np.nan], [np.nan, 1]]}, "K must be finite"),
        ({"K": np.eye(2), "error": -1}, "error must be a finite number ≥ 0"),
        ({"K": np.eye(2), "error": "0"}, "error must be a finite number ≥ 0"),
        ({"K": np.eye(2), "net": "ResNet"}, "net must be a Network, got str"),
        ({"K": np.eye(2), "X": np.ones((3, 2))}, r"X must hold the 2 samples of K, got shape \(3, 2\)"),
        ({"K": np.eye(2), "tolerance": 0.0}, "tolerance must be a finite number > 0"),
        ({"K": np.eye(2), "X": np.ones(2)}, r"X must hold the 2 samples of K, got shape \(2,\)"),
    ],
)
def test_what_is_no_symmetric_matrix_is_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        spectrum(**arguments)
