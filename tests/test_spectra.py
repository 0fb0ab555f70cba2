"""Eigenvalues with an error, and why the smallest vanishes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

import minimal_gd as mgd
from minimal_gd import spectra
from minimal_gd.spectra import spectrum


def with_eigenvalues(values: np.ndarray, seed: int) -> np.ndarray:
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))
    K = Q * values @ Q.T
    return (K + K.T) / 2


@given(st.integers(1, 12), seeds)
def test_the_eigenvalues_lie_within_the_stated_error(n, seed):
    """K is perturbed by up to `error` in every entry: the eigenvalues of the exact matrix are within the bound."""
    rng = np.random.default_rng(seed)
    values = np.sort(10 ** rng.uniform(-3, 2, n))
    exact, error = with_eigenvalues(values, seed), 10 ** rng.uniform(-8, -3)
    noise = rng.uniform(-error, error, (n, n))
    known = spectrum(exact + np.triu(noise) + np.triu(noise, 1).T, error)
    assert abs(known.smallest - values[0]) <= known.error
    assert abs(known.largest - values[-1]) <= known.error
    assert np.abs(known.eigenvalues - values).max() <= known.error


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


def test_parallel_samples_are_named():
    X = mgd.data.sphere(6, 4, 0)
    X[5] = -X[1]
    net = mgd.FullyConnected(4, 50, 1, "tanh")
    G = mgd.gram.empirical(net, net.init(0), X)[0]
    known = spectrum(G, net=net, X=X)
    assert known.smallest <= known.error
    assert known.reason == "samples 1 and 5 are parallel"


def test_a_polynomial_activation_is_named():
    net = mgd.FullyConnected(2, 400, 1, "square")
    X = mgd.data.sphere(8, 2, 0)
    G = mgd.gram.empirical(net, net.init(0), X)[1]  # squares of 2 coordinates span 3 dimensions
    assert spectrum(G, net=net, X=X).reason == "the activation is a polynomial of degree 2"
    assert "not known" in spectrum(G).reason
    good = mgd.gram.empirical(mgd.FullyConnected(2, 400, 1, "relu"), net.init(0), X)[0]
    assert spectrum(good, net=net, X=X).reason is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"K": np.ones((2, 3))}, r"K must have shape \(n, n\)"),
        ({"K": np.zeros((0, 0))}, r"K must have shape \(n, n\)"),
        ({"K": [[1, 2], [3, 1]]}, "K must be symmetric"),
        ({"K": [[1, np.nan], [np.nan, 1]]}, "K must be finite"),
        ({"K": np.eye(2), "error": -1}, "error must be a finite number ≥ 0"),
        ({"K": np.eye(2), "error": "0"}, "error must be a finite number ≥ 0"),
    ],
)
def test_what_is_no_symmetric_matrix_is_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        spectrum(**arguments)


# ---------------------------------------------------------------------- kernel regression


def test_kernel_regression_interpolates_and_is_linear_in_y():
    K = with_eigenvalues(np.array([0.5, 1.0, 2.0, 3.0]), 0)
    y = np.array([1.0, -1.0, 2.0, 0.5])
    np.testing.assert_allclose(mgd.kernel_regression(K, y, K), y, rtol=1e-13)
    new = np.random.default_rng(0).standard_normal((3, 4))
    expected = new @ np.linalg.solve(K, y)
    np.testing.assert_allclose(mgd.kernel_regression(K, y, new), expected, rtol=1e-12)


def test_kernel_regression_refuses_what_it_cannot_solve():
    K, y = np.eye(3), np.ones(3)
    for arguments, message in [
        ((K - 1, y, K), "K must be positive definite"),
        ((K, y[:2], K), "y must have shape"),
        ((K, y[:, None], K), "y must have shape"),
        ((K, y, K[:, :2]), r"K_new must have shape \(k, 3\)"),
        ((K[:2], y, K), r"K must have shape \(n, n\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            mgd.kernel_regression(*arguments)
