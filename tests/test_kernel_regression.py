"""Kernel regression with the summed limits is where wide networks end, and with near relatives of them it is not."""

import doctest
import re
import sys
import warnings
from itertools import pairwise
from typing import NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning
from slow_limits import inputs

import minimal_gd as mgd
from minimal_gd.testing.strategies import seeds

# Three widths for the slope. With norms from 1 to 4 every layer's limit has a shape of its own; c_res = 2, or the
# branch of the ResNet would hardly count.
NETS = {
    "FullyConnected": (lambda m, sigma="sincos": mgd.FullyConnected(4, m, 2, sigma), (64, 256, 1024)),
    "ResNet": (lambda m, sigma="sincos": mgd.ResNet(4, m, 2, sigma, c_res=2.0), (64, 256, 1024)),
    "ConvResNet": (lambda m, sigma="sincos": mgd.ConvResNet((1, 4), m, 2, (3,), sigma, c_res=1.0), (32, 128, 512)),
}
SEEDS = 16
SAMPLES, NEW = 6, 8
# Times are in units of 1/λ_max, and a step is 1.5 of them, so that the first coordinate overshoots.
STEPS, TIMES = (1, 3, 15), (0.5, 1.0, 2.0)
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
    after_steps, at_times : (widths, seeds, 3, k) arrays
        Those on the way, by descent from the same start and by gradient flow.
    """

    kernel: tuple[NDArray, NDArray]
    other: tuple[NDArray, NDArray]
    widths: tuple[int, ...]
    y: NDArray
    u_start: NDArray
    start: NDArray
    end: NDArray
    after_steps: NDArray
    at_times: NDArray

    @property
    def unit(self) -> float:
        """1/λ_max of the limit."""
        return 1 / np.linalg.norm(self.kernel[0].sum(axis=0), 2)


def with_layers(layers, kernel="kernel", moment=lambda unit: {}):
    """Kernel regression from where the network starts, with the limits of some layers, at some moment."""

    def predictor(trained, u_start, start):
        K, K_new = (limits[layers].sum(axis=0) for limits in getattr(trained, kernel))
        return start + mgd.kernel_regression(K, trained.y - u_start, K_new, **moment(trained.unit))

    return predictor


def new_predictions(net, X_new):
    return lambda k, params: net.predict(params, X_new)


def flow(net, params, X, y, times, unit):
    """Follow θ′ = -∂L/∂θ by the classical method of Runge and Kutta; λh ≤ 1/2 leaves it 2⁻⁵/120 a step."""

    def moved(slope, h):
        return mgd.Parameters(tuple(W - h * dW for W, dW in zip(theta.W, slope.W, strict=True)), theta.a - h * slope.a)

    theta, h = params, float(unit) / 2  # a float leaves float32 as it is
    for before, time in pairwise((0.0, *times)):
        for _ in range(round(2 * (time - before))):
            first = net.gradient(theta, X, y)
            second = net.gradient(moved(first, h / 2), X, y)
            third = net.gradient(moved(second, h / 2), X, y)
            last = net.gradient(moved(third, h), X, y)
            for slope, weight in ((first, 1), (second, 2), (third, 2), (last, 1)):
                theta = moved(slope, h * weight / 6)
        yield theta


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
    unit = 1 / np.linalg.norm(kernel[0].sum(axis=0), 2)
    u_start, start, end, after_steps, at_times = [], [], [], [], []
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
            begun = mgd.gradient_descent(net, params, X, y, 1.5 * unit, STEPS[-1], observe=new_predictions(net, X_new))
            after_steps.append([begun.observed[steps] for steps in STEPS])
            at_times.append([net.predict(theta, X_new) for theta in flow(net, params, X, y, TIMES, unit)])
    arrays = (np.reshape(array, (len(widths), SEEDS, -1)).astype(float) for array in (u_start, start, end))
    on_the_way = (np.reshape(array, (len(widths), SEEDS, 3, NEW)).astype(float) for array in (after_steps, at_times))
    return Trained(kernel, other, widths, y, *arrays, *on_the_way)


def log_distances(trained, predictor, there=None):
    """The logarithm of ‖u_new - predicted‖, one row a width, one column a seed; at the end, or with u_new `there`."""
    predicted = [
        [predictor(trained, u_start, start) for u_start, start in zip(*of_a_width, strict=True)]
        for of_a_width in zip(trained.u_start, trained.start, strict=True)
    ]
    return np.log(np.linalg.norm((trained.end if there is None else there) - predicted, axis=2))


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


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("way", ["after_steps", "at_times"])
def test_on_the_way_too_the_distance_to_a_wide_net_falls_as_the_root_of_its_width(trained, way, which):
    """At three moments. Of a wrong formula the distance stays where it is, and the slope is 0."""

    def moment(unit):
        if way == "at_times":
            return {"time": unit * TIMES[which]}
        return {"step_size": 1.5 * unit, "steps": STEPS[which]}

    there = getattr(trained, way)[:, :, which]
    slope, error = fitted_slope(trained.widths, log_distances(trained, with_layers(slice(None), moment=moment), there))
    assert 3 * error <= 0.25
    assert abs(slope + 0.5) <= 3 * error


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
        ((K, y[:, None, None], K), "y must have shape"),
        ((K, y, K[:, :2]), r"K_new must have shape \(k, 3\)"),
        ((K, y, K[0]), r"K_new must have shape \(k, 3\)"),
        ((K[:2], y, K), r"K must have shape \(n, n\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            mgd.kernel_regression(*arguments)


def test_the_example_of_the_docstring_holds():
    tried = doctest.testmod(sys.modules[mgd.kernel_regression.__module__])
    assert tried.attempted > 0
    assert tried.failed == 0


# ---------------------------------------------------------------------- how sure it is

MOMENTS = st.one_of(
    st.just({}),
    st.floats(-3, 12).map(lambda power: {"time": 10.0**power}),
    # η up to 1.99/λ_max ≥ 1.99/trace, filled in by the test
    st.tuples(st.floats(0.01, 1.99), st.integers(0, 10**6)).map(lambda of: {"step_size": of[0], "steps": of[1]}),
)


def told(call):
    """The predictions, and the largest error that a warning leaves to them; None without a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predicted = call()
    if not caught:
        return predicted, None
    (warning,) = caught
    assert warning.category is LinAlgWarning
    assert warning.filename == __file__
    return predicted, float(re.search(r"within (\S+) of the exact", str(warning.message))[1])


def exact_predictions(features, y, new, ridge, time=None, step_size=None, steps=None):
    """With 50 digits: through the eigenvectors of K = features featuresᵀ, in the formulas as they stand."""
    with mpmath.workdps(50):
        F, G, targets = (mpmath.matrix(array.tolist()) for array in (features, new, y))
        values, Q = mpmath.eigsy(F * F.T)
        values = [value + ridge for value in values]
        if time is not None:
            phi = [(1 - mpmath.exp(-value * time)) / value for value in values]
        elif steps is not None:
            phi = [(1 - (1 - mpmath.mpf(step_size) * value) ** steps) / value for value in values]
        else:
            phi = [1 / value for value in values]
        exact = (G * F.T) * Q * mpmath.diag(phi) * Q.T * targets
        return np.array([[float(entry) for entry in row] for row in exact.tolist()]), float(min(values))


@given(st.integers(1, 4), st.floats(-9, 0), st.floats(-16, 1), st.sampled_from([0.0, 1e-9, 1e-4]), MOMENTS,
       st.sampled_from([np.float64, np.float32]), seeds)  # fmt: skip
def test_every_prediction_is_as_near_as_is_said(n, apart, ridge, error, moment, dtype, seed):
    """The last two samples are near twins, entries are off by up to `error`: 50 digits say what is right."""
    rng = np.random.default_rng(seed)
    features, new = rng.standard_normal((n, 6)), rng.standard_normal((3, 6))
    features[-1] = features[max(n - 2, 0)] + 10**apart * features[-1]
    y, ridge = rng.choice([-1.0, 1.0], (n, 2)), 0.0 if ridge < -15 else 10**ridge
    noise, noise_new = np.triu(rng.choice([-error, error], (n, n))), rng.choice([-error, error], (3, n))
    K = features @ features.T + noise + np.triu(noise, 1).T
    if "step_size" in moment:
        moment = moment | {"step_size": moment["step_size"] / np.linalg.eigvalsh(K + ridge * np.eye(n) + n * error)[-1]}
    arguments = K.astype(dtype), y, (new @ features.T + noise_new).astype(dtype)
    exact, smallest = exact_predictions(features, y, new, ridge, **moment)
    error += 2e-14  # six products of a sum of 25 round
    largest = np.linalg.norm(K, 2) + ridge
    delta = 1.001 * n * (error + np.finfo(dtype).eps * largest)
    try:
        predicted, stated = told(lambda: mgd.kernel_regression(*arguments, error=error, ridge=ridge, **moment))
    except ValueError as refusal:
        if "step_size must be below" in str(refusal):
            assert moment["step_size"] * (largest + delta) >= 2
        else:
            assert smallest <= 2 * delta  # what is seen is off by one of them
        return
    if stated is None:
        stated = promised(delta / largest, y, predicted)
    assert (np.abs(predicted - exact) <= stated).all()


def promised(share, y, predicted):
    """What holds without a warning, of a K that is known but for a share of λ_max."""
    return np.sqrt(share) * np.maximum(np.abs(y).max(axis=0), np.abs(predicted).max(axis=0))


@given(st.floats(-6, -2), st.sampled_from([{}, {"ridge": 1e-10}, {"time": 1e9}]), seeds)
def test_two_orders_of_the_samples_agree_within_what_is_said(apart, options, seed):
    """Pairs of near twins with other labels, where rounding and little else tells the two results apart."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((8, 12))
    features[4:] = features[:4] + 10**apart * features[4:]
    y, K, K_new = np.repeat([1.0, -1.0], 4), features @ features.T, rng.standard_normal((5, 12)) @ features.T
    order = rng.permutation(8)
    one, stated = told(lambda: mgd.kernel_regression(K, y, K_new, **options))
    other, stated_too = told(
        lambda: mgd.kernel_regression(K[np.ix_(order, order)], y[order], K_new[:, order], **options)
    )
    unsaid = promised(8 * 1.001 * np.finfo(float).eps, y, one)
    assert np.abs(one - other).max() <= sum(unsaid if bound is None else bound for bound in (stated, stated_too))


@pytest.mark.parametrize("activation", ["softplus", "tanh", "silu"])
def test_twins_are_named_with_what_to_do_about_them(activation):
    X, y = mgd.data.sphere(20, 5, seed=0), mgd.data.random_labels(20, seed=0)
    X, y = np.vstack([X, X[:3]]), np.append(y, -y[:3])
    order = np.random.default_rng(0).permutation(23)
    K, error = mgd.gram.limiting(mgd.FullyConnected(5, 1, 2, activation), X)
    K, error = K.sum(axis=0), 3 * error
    for rows in (np.arange(23), order):
        here, at = K[np.ix_(rows, rows)], np.argsort(rows)
        with pytest.raises(ValueError, match=r"nearly so.*Merge such samples into one.*ridge= above") as refused:
            mgd.kernel_regression(here, y[rows], here, error=error)
        for twins in ((0, 20), (1, 21), (2, 22)):
            i, j = sorted(at[list(twins)])
            assert f"rows {i} and {j} of K are parallel" in str(refused.value)
    advised = float(re.search(r"ridge= above (\S+),", str(refused.value))[1])
    assert told(lambda: mgd.kernel_regression(K, y, K, error=error, ridge=1.01 * advised))[1] is not None
    # the least squares give twins the mean of their labels, 0
    np.testing.assert_allclose(mgd.kernel_regression(K, y, K, ridge=1e-4)[:3], 0, atol=1e-2)
    merged = mgd.kernel_regression(K[:20, :20], y[:20], K[:20, :20], error=error)
    np.testing.assert_allclose(merged, y[:20], atol=1e-6)


def test_rows_that_depend_on_each_other_are_told_from_twins():
    features = np.random.default_rng(0).standard_normal((5, 3))
    K = features @ features.T
    for kernel, message in [
        (K, "no two rows of K are nearly parallel, but more of them"),
        (np.diag([1.0, 0.0, 1.0]), "row 1 of K nearly vanishes"),
        (np.zeros((2, 2)), "row 0, 1 of K nearly vanishes"),
    ]:
        with pytest.raises(ValueError, match=message):
            mgd.kernel_regression(kernel, np.ones(len(kernel)), kernel)


def test_a_bad_condition_is_warned_of_and_a_good_one_is_not():
    def warned(smallest, **options):
        K = np.diag([1.0, 1.0, smallest])
        return told(lambda: mgd.kernel_regression(K, np.ones(3), K, **options))[1] is not None

    half = 1 / np.sqrt(3 * np.finfo(float).eps)
    assert warned(0.5 / half)
    assert not warned(10 / half)
    assert not warned(0.5 / half, ridge=10 / half)
    assert not warned(0.5 / half, time=1e3)
    # of a K with ten digits, five may go
    assert warned(0.5e-5, error=1e-10 / 3)
    assert not warned(1e-4, error=1e-10 / 3)


# ---------------------------------------------------------------------- the way there


@given(st.integers(1, 6), st.integers(0, 40), st.floats(0.05, 1.95), st.sampled_from([0.0, 0.5]), seeds)
def test_steps_are_those_of_descent_on_a_linear_model_with_a_penalty(n, steps, share, ridge, seed):
    """θ ← θ - η (Jᵀ(Jθ - y) + ridge θ), as it stands: no direction grows, so each step adds its own rounding only."""
    rng = np.random.default_rng(seed)
    J, J_new, y = rng.standard_normal((n, 8)), rng.standard_normal((n, 8)), rng.standard_normal((n, 2))
    step_size = share / (np.linalg.norm(J @ J.T, 2) + ridge)
    theta = np.zeros((8, 2))
    for _ in range(steps):
        theta -= step_size * (J.T @ (J @ theta - y) + ridge * theta)
    predicted = mgd.kernel_regression(J @ J.T, y, J_new @ J.T, ridge=ridge, step_size=step_size, steps=steps)
    size = max(1, np.linalg.norm(J_new) * np.linalg.norm(theta), np.linalg.norm(y))
    np.testing.assert_allclose(predicted, J_new @ theta, rtol=0, atol=1e3 * (steps + 1) * np.finfo(float).eps * size)


def test_training_begins_at_nothing_and_ends_at_the_solution():
    K, y = positive_definite(4, seed=0), np.array([1.0, -1.0, 2.0, 0.5])
    new = np.random.default_rng(1).standard_normal((4, 4))  # square, and not symmetric
    end = mgd.kernel_regression(K, y, new)
    np.testing.assert_allclose(end, new @ np.linalg.solve(K, y), rtol=1e-12)
    for nothing in ({"time": 0}, {"step_size": 1e-3, "steps": 0}):
        assert not mgd.kernel_regression(K, y, new, **nothing).any()
    step_size = 1.5 / np.linalg.norm(K, 2)
    for late in ({"time": 1e6}, {"time": np.inf}, {"step_size": step_size, "steps": 10**30}):
        np.testing.assert_allclose(mgd.kernel_regression(K, y, new, **late), end, rtol=1e-12)
    for once in ({"time": 1e-20}, {"step_size": 1e-20, "steps": 1}):
        np.testing.assert_allclose(mgd.kernel_regression(K, y, new, **once), 1e-20 * new @ y, rtol=1e-12)


def test_outputs_are_independent_and_may_be_none():
    K, y = positive_definite(4, seed=0), np.random.default_rng(2).standard_normal((4, 3)) * [1e-200, 1, 1e200]
    new = np.random.default_rng(1).standard_normal((2, 4))
    apart = [mgd.kernel_regression(K, column, new, time=0.1) for column in y.T]
    np.testing.assert_allclose(mgd.kernel_regression(K, y, new, time=0.1), np.transpose(apart), rtol=1e-12)
    assert mgd.kernel_regression(K, y[:, :0], new).shape == (2, 0)
    assert mgd.kernel_regression(K, y, new[:0]).shape == (0, 3)
    assert mgd.kernel_regression(K, y[:, 0], new[:0]).shape == (0,)


@pytest.mark.parametrize("power", [-1000, -400, 400, 960])
@pytest.mark.parametrize("moment", [{"time": 3.0}, {"time": 1e-9}, {"step_size": 0.01, "steps": 7}])
def test_time_runs_as_fast_as_the_kernel_is_large(power, moment):
    K, y = positive_definite(4, seed=0), np.array([1.0, -1.0, 2.0, 0.5])
    scaled = {name: value if name == "steps" else np.ldexp(value, -power) for name, value in moment.items()}
    for ridge in (0.0, 0.5):
        expected = mgd.kernel_regression(K, y, K, ridge=ridge, **moment)
        K_2 = np.ldexp(K, power)
        there = mgd.kernel_regression(K_2, y, K_2, error=np.ldexp(1e-15, power), ridge=np.ldexp(ridge, power), **scaled)
        np.testing.assert_allclose(there, expected, rtol=1e-12)


def test_a_moment_that_nearly_underflows_keeps_its_digits():
    K, y = positive_definite(3, seed=0), np.array([1.0, -1.0, 2.0])
    predicted = mgd.kernel_regression(np.ldexp(K, -1000), 1e250 * y, np.ldexp(K, 50), time=1e-100)
    np.testing.assert_allclose(predicted, 1e150 * np.ldexp(K, 50) @ y, rtol=1e-12)


def test_a_step_too_large_and_a_kernel_that_is_none_are_refused():
    K, y = np.diag([1.0, 4.0]), np.ones(2)
    with pytest.raises(ValueError, match=r"step_size must be below 2/λ_max\(K\) = 0\.5, .*got 0\.6"):
        mgd.kernel_regression(K, y, K, step_size=0.6, steps=3)
    for options in ({"ridge": 10.0}, {"time": 1.0}, {"error": 0.1}):
        with pytest.raises(ValueError, match=r"λ_min = -0\.5, which an error of .* does not explain"):
            mgd.kernel_regression(np.diag([1.0, -0.5]), y, K, **options)
    np.testing.assert_allclose(
        told(lambda: mgd.kernel_regression(np.diag([1.0, -0.5]), y, K, error=0.3, time=1e-3))[0],
        1e-3 * K @ y,
        rtol=1e-3,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"error": -1.0}, "error must be a finite number ≥ 0"),
        ({"ridge": np.nan}, "ridge must be a finite number ≥ 0"),
        ({"ridge": -1e-3}, "ridge must be a finite number ≥ 0"),
        ({"time": -1.0}, "time must be a finite number ≥ 0"),
        ({"time": "1"}, "time must be a finite number ≥ 0"),
        ({"steps": 3}, "step_size and steps must come together"),
        ({"step_size": 0.1}, "step_size and steps must come together"),
        ({"step_size": 0.1, "steps": 3, "time": 1.0}, "time must come without step_size and steps"),
        ({"step_size": 0.0, "steps": 3}, "step_size must be a finite number > 0"),
        ({"step_size": 0.1, "steps": 1.5}, "steps must be an integer ≥ 0"),
        ({"step_size": 0.1, "steps": 10**400}, "steps must be a finite number"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        mgd.kernel_regression(np.eye(2), np.ones(2), np.eye(2), **options)
