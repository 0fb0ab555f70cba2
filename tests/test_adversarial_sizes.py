"""Sizes, angles and depths that break programs, in matrices, expectations, points, derivatives and the limits.

A power of two as a factor is exact: results must follow it to the bit, but for what leaves the range of a float64.
"""

import re
import warnings

import numpy as np
import pytest
from exact_limits import exact_limits

import minimal_gd as mgd
from minimal_gd import gaussian, gradcheck, gram, spectra
from minimal_gd.testing import check_network

POWERS = [-1020, -1000, -500, 500, 1000]
every_power = pytest.mark.parametrize("power", POWERS)
SUBNORMAL = 2.0**-1070  # what is lost below the smallest normal number, some times over


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def positive_definite(n, seed=0):
    A = np.random.default_rng(seed).standard_normal((n, 2 * n)) / np.sqrt(n)
    return A @ A.T


# ---------------------------------------------------------------------- matrices


@every_power
@pytest.mark.parametrize("limit", [spectra.FULL_SPECTRUM_LIMIT, 3])
def test_the_spectrum_scales_with_the_matrix(power, limit, monkeypatch):
    monkeypatch.setattr(spectra, "FULL_SPECTRUM_LIMIT", limit)
    K = positive_definite(8)
    scaled, plain = spectra.spectrum(np.ldexp(K, power)), spectra.spectrum(K)
    for name in ("smallest", "largest", "error"):
        expected = np.ldexp(getattr(plain, name), power)
        assert getattr(scaled, name) == pytest.approx(expected, rel=1e-12, abs=8 * SUBNORMAL)
    assert scaled.is_positive_definite


@every_power
@pytest.mark.parametrize("n", [8, 510])
def test_the_largest_eigenvalue_scales_with_the_matrix(power, n):
    G = positive_definite(n)
    scaled = gram.largest_eigenvalue(np.ldexp(G, power))
    assert scaled == pytest.approx(np.ldexp(gram.largest_eigenvalue(G), power), rel=1e-12, abs=SUBNORMAL)


@pytest.mark.parametrize("function", [gram.largest_eigenvalue, spectra.spectrum])
def test_an_eigenvalue_beyond_the_range_is_refused(function):
    with pytest.raises(ValueError, match=r"^[GK] must give finite eigenvalues, got inf"):
        function(np.full((4, 4), 1e308))


@pytest.mark.parametrize("opposite", [False, True])
def test_entries_that_differ_by_more_than_the_range_are_not_symmetric(opposite):
    with pytest.raises(ValueError, match=r"^K must be symmetric"):
        spectra.spectrum(np.array([[1.0, 1e308], [-1e308 if opposite else 0.0, 1.0]]))


@every_power
@pytest.mark.parametrize("of_y", [-1000, -500, 0, 500, 1000])
def test_kernel_regression_follows_the_sizes_of_its_kernel_and_targets(power, of_y):
    K, y, K_new = positive_definite(5), np.arange(1.0, 6.0), positive_definite(7, seed=1)[:2, :5]
    expected = mgd.kernel_regression(K, y, K_new)
    result = mgd.kernel_regression(np.ldexp(K, power), np.ldexp(y, of_y), np.ldexp(K_new, power))
    # 2^-1020 K has lost a hundredth of its digits' last places to subnormal numbers
    np.testing.assert_allclose(result, np.ldexp(expected, of_y), rtol=1e-9 if power == -1020 else 1e-12, atol=SUBNORMAL)


def test_a_kernel_regression_beyond_the_range_is_refused():
    with pytest.raises(ValueError, match=r"^K, y and K_new must give finite predictions, got inf"):
        mgd.kernel_regression(1e-200 * np.eye(2), np.full(2, 1e200), np.ones((1, 2)))


# ---------------------------------------------------------------------- expectations


@pytest.mark.parametrize("power", [-1060, -1000, -500, 500, 1000])
def test_gaussian_moments_follow_the_variance(power):
    a, b, c = (np.ldexp(value, power) for value in (1.0, 4.0, -1.0))
    value, error = gaussian.product(lambda u: u, lambda v: v, a, b, c)
    assert abs(value - c) <= error + 1e-12 * abs(c) + SUBNORMAL
    value, error = gaussian.second_moment(lambda u: u, b)
    assert abs(value - b) <= error + 1e-12 * b + SUBNORMAL
    value, error = gaussian.mean(np.cos, a)
    assert abs(value - np.exp(-min(a, 2000.0) / 2)) <= error + 1e-12


def test_a_moment_beyond_the_range_is_refused():
    for call in (gaussian.mean, gaussian.second_moment):
        with pytest.raises(ValueError, match=r"^f and its variances must give finite second moments, got inf"):
            call(lambda u: u * u * u, 1e150)
    with pytest.raises(ValueError, match=r"^f must have a finite expectation"):
        gaussian.expectation(lambda z: 1e307 * np.exp(z * z / 4))


@pytest.mark.parametrize("bad", [-1.0, [], [1.0, -1e-300], np.nan, "1", None, 1j])
def test_what_is_no_variance_is_refused(bad):
    for call, name in [
        (lambda: gaussian.mean(np.tanh, bad), "variance"),
        (lambda: gaussian.second_moment(np.tanh, bad), "variance"),
        (lambda: gaussian.product(np.tanh, np.tanh, bad, 1.0, 0.0), "a"),
        (lambda: gaussian.product(np.tanh, np.tanh, 1.0, bad, 0.0), "b"),
    ]:
        with pytest.raises((TypeError, ValueError), match=f"^{name} must "):
            call()


def test_what_is_no_function_is_refused():
    for call in (
        lambda: gaussian.expectation(3),
        lambda: gaussian.mean("tanh", 1.0),
        lambda: gaussian.second_moment(None, 1.0),
        lambda: gaussian.product(3, np.tanh, 1.0, 1.0, 0.0),
    ):
        with pytest.raises(TypeError, match=r"^f must be a function"):
            call()
    with pytest.raises(TypeError, match=r"^g must be a function"):
        gaussian.product(np.tanh, 3, 1.0, 1.0, 0.0)


# ---------------------------------------------------------------------- derivatives


NET = mgd.ResNet(3, 4, 2, "tanh")


@every_power
def test_relative_errors_and_inner_products_follow_the_size_of_parameters(power):
    one, other = NET.init(0), NET.init(1)
    scaled = [params.map(lambda array: np.ldexp(array, power)) for params in (one, other)]
    assert gradcheck.relative_error(*scaled) == pytest.approx(gradcheck.relative_error(one, other), rel=1e-6)
    product = gradcheck.inner_product(scaled[0], other)
    assert product == pytest.approx(np.ldexp(gradcheck.inner_product(one, other), power), rel=1e-6)


def test_products_and_errors_beyond_the_range_are_refused():
    large, small = (NET.init(0).map(lambda array, size=size: size * array) for size in (1e200, 1e-200))
    with pytest.raises(ValueError, match=r"^first and second must give finite products, got"):
        gradcheck.inner_product(large, large)
    with pytest.raises(ValueError, match=r"^approximate and exact must give finite errors, got inf"):
        gradcheck.relative_error(large, small)
    with pytest.raises(ValueError, match=r"^params, X, y and direction must give finite derivatives, got"):
        gradcheck.complex_step(NET, NET.init(0), np.ones((2, 3)), np.full(2, 1e300), large)


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e150, 1e300])
def test_central_differences_see_the_gradient_at_targets_of_any_size(size):
    params, v = NET.init(0), NET.init(1)
    X, y = np.random.default_rng(2).standard_normal((4, 3)), size * np.arange(1.0, 5.0)
    by_hand = gradcheck.inner_product(NET.gradient(params, X, y), v)
    # Truncation and rounding of u, each of ε^(2/3) = 4e-11 times derivatives of u, enter times the residual.
    assert gradcheck.central_difference(NET, params, X, y, v) == pytest.approx(by_hand, rel=1e-7)


@pytest.mark.parametrize("layer", ["params.W[0]", "params.W[1]", "params.a"])
@pytest.mark.parametrize("size", [1e13, 1e150])
def test_a_step_that_rounding_takes_is_refused(layer, size):
    """Not the derivative 0 that it would give."""
    W, a = NET.init(0)
    arrays = dict(zip(("params.W[0]", "params.W[1]", "params.a"), (*W, a), strict=True))
    arrays[layer] = size * arrays[layer]
    *W, a = arrays.values()
    arguments = NET, mgd.Parameters(tuple(W), a), np.ones((2, 3)), np.ones(2), NET.init(1)
    message = re.escape(f"step must be large enough to change {layer}, whose entries reach")
    with pytest.raises(ValueError, match=f"^{message}"):
        gradcheck.central_difference(*arguments)
    assert np.isfinite(gradcheck.central_difference(*arguments, step=size))


# ---------------------------------------------------------------------- points, near to each other


@every_power
def test_parallel_points_are_found_whatever_their_size(power):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 4))
    X[3], X[5] = -X[1] / 4, 2 * X[0]
    X[2] = np.ldexp(X[2], -40)
    for sizes in (power, np.array([power, 0, 0, -power // 2, 0, 0])[:, None]):
        assert mgd.data.parallel_pairs(np.ldexp(X, sizes)) == [(0, 5), (1, 3)]


def at_an_angle(angle, sign=1):
    """Two unit vectors, the second turned by `angle` and then multiplied by `sign`."""
    return np.array([[1.0, 0.0, 0.0], [sign * np.cos(angle), sign * np.sin(angle), 0.0]])


@pytest.mark.parametrize("sign", [1, -1])
def test_an_angle_of_1e_12_is_resolved(sign):
    X = at_an_angle(1e-12, sign)
    assert mgd.data.parallel_pairs(X, tolerance=1.01e-12) == [(0, 1)]
    assert mgd.data.parallel_pairs(X, tolerance=0.99e-12) == []


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["relu", "erf", "sincos"])
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_the_limits_of_nearly_parallel_and_antipodal_inputs_are_right(architecture, name, sign):
    X = at_an_angle(1e-12, sign)
    net = architecture(3, 1, 3, name)
    K, error = gram.limiting(net, X, tolerance=1e-4)
    exact = exact_limits(net, name, X)
    for theta, entry in zip(K, exact, strict=True):
        assert abs(theta[0, 1] - float(entry.real)) <= error
    found = spectra.spectrum(K[2], error, net, X)
    assert abs(found.smallest) <= found.error + 1e-11 * found.largest or sign == -1
    assert not np.isnan(found.condition)


# ---------------------------------------------------------------------- depth


DEEP = {
    "fully connected": mgd.FullyConnected(2, 2, 50, "tanh"),
    "fully connected relu": mgd.FullyConnected(2, 3, 50, "relu"),
    "residual": mgd.ResNet(2, 2, 50, "softplus"),
    "convolution": mgd.ConvResNet((1, 2), 1, 50, (3,), "gelu"),
}


# The complex step and the central differences of some hundred entries, through 50 layers each; along one direction a
# layer the same is in PROPERTIES too.
ONE_ENTRY_AT_A_TIME = (
    "the_gradient_is_that_of_the_complex_step",
    "the_gradient_is_that_of_central_differences",
    "the_gram_matrices_are_those_of_the_jacobian",
)


@pytest.mark.parametrize("net", DEEP.values(), ids=DEEP)
def test_every_property_holds_at_depth_50(net):
    without = (*ONE_ENTRY_AT_A_TIME, "wide_networks_approach_the_limit")  # which two units do not
    check_network(net, without=without, examples=2)


@pytest.mark.parametrize("name", ["relu", "sincos", "tanh", "softplus", "gelu"])
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_the_limits_at_depth_50_are_finite_and_gram_matrices(architecture, name):
    net, X = architecture(3, 1, 50, name), mgd.data.sphere(3, 3, seed=0)
    K, error = gram.limiting(net, X, tolerance=1e-3)
    assert K.shape == (51, 3, 3)
    assert np.isfinite(K).all()
    for theta in K:
        assert np.linalg.eigvalsh(theta)[0] >= -3 * error - 1e-12 * np.abs(theta).max()
    if name in ("relu", "sincos"):
        exact = [float(entry.real) for entry in exact_limits(net, name, X[:2])]
        assert np.abs(K[:, 0, 1] - exact).max() <= error
