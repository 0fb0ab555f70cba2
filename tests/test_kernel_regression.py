"""Kernel regression with the summed limits is where wide networks end, and with near relatives of them it is not."""

import doctest
import sys
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning
from slow_limits import inputs

import minimal_gd as mgd

# Three widths for the slope. With norms from 1 to 4 every layer's limit has a shape of its own; c_res = 2, or the
# branch of the ResNet would hardly count.
NETS = {
    "FullyConnected": (lambda m, sigma="sincos": mgd.FullyConnected(4, m, 2, sigma), (64, 256, 1024)),
    "ResNet": (lambda m, sigma="sincos": mgd.ResNet(4, m, 2, sigma, c_res=2.0), (64, 256, 1024)),
    "ConvResNet": (lambda m, sigma="sincos": mgd.ConvResNet((1, 4), m, 2, (3,), sigma, c_res=1.0), (32, 128, 512)),
}
SEEDS = 16
SAMPLES, NEW = 6, 8
# Of sixty problems the one where the wrong kernels' predictions are farthest away, by half of the right ones or more.
PROBLEM = 49


class Trained(NamedTuple):
    """Wide networks, before and after training.

    Attributes
    ----------
    kernel, other : pairs of arrays
        The limits of every layer between samples, and between new ones and samples; and those of another activation.
    widths : tuple of ints
    y : (n,) array
    u_start : (widths, seeds, n) array
    start, end : (widths, seeds, k) arrays
        Predictions for the new samples.
    """

    kernel: tuple[NDArray, NDArray]
    other: tuple[NDArray, NDArray]
    widths: tuple[int, ...]
    y: NDArray
    u_start: NDArray
    start: NDArray
    end: NDArray


def with_layers(layers, kernel="kernel"):
    """Kernel regression from where the network starts, with the limits of some layers."""

    def predictor(trained, u_start, start):
        K, K_new = (limits[layers].sum(axis=0) for limits in getattr(trained, kernel))
        return start + mgd.kernel_regression(K, trained.y - u_start, K_new)

    return predictor


right = with_layers(slice(None))
WRONG = {
    "the paper's K^(H) alone": with_layers(slice(-2, -1)),
    "the output layer alone": with_layers(slice(-1, None)),
    "the hidden layers alone": with_layers(slice(None, -1)),
    "another activation": with_layers(slice(None), "other"),
    "u(0) = 0": lambda trained, u_start, start: right(trained, 0 * u_start, 0 * start),
    "u(0) = 0 on new samples": lambda trained, u_start, start: right(trained, u_start, 0 * start),
}


@pytest.fixture(scope="module", params=NETS)
def trained(request) -> Trained:
    """Networks of three widths, trained to a residual below 0.005, far below any distance on new samples."""
    make, widths = NETS[request.param]
    rng = np.random.default_rng(PROBLEM)
    X = rng.permutation(inputs(make(1), SAMPLES + NEW, seed=PROBLEM, low=1, high=4))
    X, X_new, y = X[:SAMPLES], X[SAMPLES:], rng.choice([-1.0, 1.0], SAMPLES)
    kernel, other = (
        tuple(mgd.gram.limiting(make(1, sigma), rows, X)[0] for rows in (X, X_new)) for sigma in ("sincos", "tanh")
    )
    u_start, start, end = [], [], []
    for m in widths:
        for seed in range(SEEDS):
            net = make(m)
            # float32 halves the time, and rounds far below any distance
            params = net.init(np.random.default_rng([m, seed]), dtype=np.float32)
            step_size = 1.8 * mgd.stable_step_size(net, params, X)
            run = mgd.gradient_descent(net, params, X, y, step_size, 2000, target_loss=1e-5)
            assert run.loss[-1] <= 1e-5
            u_start.append(net.predict(params, X))
            start.append(net.predict(params, X_new))
            end.append(net.predict(run.params, X_new))
    arrays = (np.reshape(array, (len(widths), SEEDS, -1)).astype(float) for array in (u_start, start, end))
    return Trained(kernel, other, widths, y, *arrays)


def log_distances(trained, predictor):
    """The logarithm of ‖u_new - predicted‖, one row a width, one column a seed."""
    predicted = [
        [predictor(trained, u_start, start) for u_start, start in zip(*of_a_width, strict=True)]
        for of_a_width in zip(trained.u_start, trained.start, strict=True)
    ]
    return np.log(np.linalg.norm(trained.end - predicted, axis=2))


def fitted_slope(widths, logs):
    """d log(distance) / d log(m) by least squares, and its standard error, from the spread over the seeds."""
    centred = np.log(widths) - np.log(widths).mean()
    weights = centred / (centred @ centred)
    errors = logs.std(axis=1, ddof=1) / np.sqrt(logs.shape[1])
    return weights @ logs.mean(axis=1), np.linalg.norm(weights * errors)


def test_the_distance_to_a_wide_net_falls_as_the_root_of_its_width(trained):
    """The slope is -1/2 up to three standard errors; those are small enough to rule out 0 and -1."""
    slope, error = fitted_slope(trained.widths, log_distances(trained, right))
    assert 3 * error <= 0.25
    assert abs(slope + 0.5) <= 3 * error


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_predictor_is_left_behind(trained, wrong):
    """Net by net, the right one is nearer to the widest, and the more so the wider: both by three standard errors."""
    lead = log_distances(trained, wrong) - log_distances(trained, right)
    slope, error = fitted_slope(trained.widths, lead)
    assert slope > 3 * error
    assert lead[-1].mean() > 3 * lead[-1].std(ddof=1) / np.sqrt(SEEDS)


def positive_definite(n, seed):
    A = np.random.default_rng(seed).standard_normal((n, n))
    return A @ A.T + np.eye(n)


def test_it_interpolates_and_is_linear_in_y():
    K, y = positive_definite(4, seed=0), np.array([1.0, -1.0, 2.0, 0.5])
    np.testing.assert_allclose(mgd.kernel_regression(K, y, K), y, rtol=1e-13)
    new = np.random.default_rng(1).standard_normal((3, 4))
    expected = new @ np.linalg.solve(K, y)
    np.testing.assert_allclose(mgd.kernel_regression(K, y, new), expected, rtol=1e-12)


@pytest.mark.parametrize("of_K", [1e-250, 3.0, 1e250])
@pytest.mark.parametrize("of_y", [1e-250, 1e250])
def test_its_size_is_that_of_the_new_rows_and_the_targets_over_that_of_the_kernel(of_K, of_y):
    """Nothing over- or underflows on the way: the sizes of K and of K_new cancel."""
    K, y = positive_definite(4, seed=0), np.array([1.0, -1.0, 2.0, 0.5])
    new = np.random.default_rng(1).standard_normal((3, 4))
    predicted = mgd.kernel_regression(of_K * K, of_y * y, 7 * of_K * new)
    np.testing.assert_allclose(predicted, 7 * of_y * mgd.kernel_regression(K, y, new), rtol=1e-12)


def test_what_it_cannot_solve_is_refused():
    K, y = np.eye(3), np.ones(3)
    for arguments, message in [
        ((K - 1, y, K), "K must be positive definite"),
        ((K, y[:2], K), "y must have shape"),
        ((K, y[:, None], K), "y must have shape"),
        ((K, y, K[:, :2]), r"K_new must have shape \(k, 3\)"),
        ((K, y, K[0]), r"K_new must have shape \(k, 3\)"),
        ((K[:2], y, K), r"K must have shape \(n, n\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            mgd.kernel_regression(*arguments)


def test_a_nearly_singular_kernel_is_warned_of():
    K = np.diag([1.0, 1.0, 1e-17])
    with pytest.warns(LinAlgWarning, match="rcond"):
        mgd.kernel_regression(K, np.ones(3), K)


def test_the_example_of_the_docstring_holds():
    tried = doctest.testmod(sys.modules[mgd.kernel_regression.__module__])
    assert tried.attempted > 0
    assert tried.failed == 0
