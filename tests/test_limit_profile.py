"""The recursion of single samples: its values by plain loops, and its errors by what errors in its parts do."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from slow_limits import inputs, patch_matrix

import minimal_gd as mgd
from minimal_gd.gaussian.hermite import ROUNDING
from minimal_gd.limits import profile as module
from minimal_gd.limits.moments import Accuracy, Errors
from minimal_gd.limits.profile import input_variances, profile

EXACT = Errors(product=0.0, slope_product=0.0, second_moment=0.0, mean=0.0, correlation=0.0)
WRONG = Errors(product=0.02, slope_product=0.03, second_moment=0.05, mean=0.07, correlation=0.6)


@pytest.fixture
def script(monkeypatch):
    """Say what E[σ], E[σ²], E[σ′²] and their errors are, layer by layer; get the list of accuracies they are asked for.

    The factor c_σ is off by the fraction `deviation`, and that is known up to `unit_error`.
    """

    def told(*layers, deviation=0.0, unit_error=0.0):
        asked, rest = [], iter(layers)

        def moments(activation, variance, accuracy, run=map):
            if accuracy == Accuracy(correlation=0.0, tail=accuracy.tail):  # of E[σ(z)²]
                exact = (1 + deviation) / activation.c_sigma
                return SimpleNamespace(second_moment=exact * variance, errors=EXACT._replace(second_moment=unit_error))
            asked.append(accuracy)
            mean, second_moment, slope_moment, errors = next(rest)
            return SimpleNamespace(
                mean=np.full(variance.shape, mean),
                second_moment=np.full(variance.shape, second_moment),
                slope_moment=np.full(variance.shape, slope_moment),
                errors=errors,
            )

        monkeypatch.setattr(module, "moments", moments)
        return asked

    return told


def one_sample(net, variance=1.0, rho=0.3, channels=1):
    return profile(net, np.array([[float(variance)]]), channels, rho, tail=0.5)


# ---------------------------------------------------------------- the values


def slow_profile(net, X):
    """Variances, offsets, S^(H) and the largest entry for σ(z) = z², E[σ] = a, E[σ²] = 3a², E[σ′²] = 4a; one sample."""
    patches = patch_matrix(net).sum(axis=0)
    S, b = (X.reshape(-1, net.positions) ** 2).sum(axis=0), 0
    variances, offsets = [], []
    for h in range(1, net.depth + 1):
        skip, scale = net.limit_layer(h)
        a = patches @ S
        variances.append(a)
        offsets.append(b + np.zeros(net.positions))
        S = skip * (S + 2 * scale * b * a) + scale**2 * 3 * a**2
        b = skip * b + scale * a
    B, thetas = np.ones(net.positions), []
    for h in range(net.depth, 0, -1):
        skip, scale = net.limit_layer(h)
        D = 4 * variances[h - 1]
        thetas.append(scale**2 * np.sum(variances[h - 1] * D * B))
        B = skip * B + scale**2 * patches @ (D * B)
    return np.array(variances), np.array(offsets), S, max(S.sum(), *thetas, np.max(variances))


@pytest.mark.parametrize(
    "net",
    [
        mgd.FullyConnected(4, 1, 3, "square"),
        mgd.ResNet(4, 1, 4, "square", c_res=0.9),
        mgd.ConvResNet((2, 3), 1, 3, (3,), "square", c_res=0.9),
        mgd.ConvResNet((1, 3, 2), 1, 2, (3, 3), "square", c_res=1.7),
    ],
    ids=lambda net: type(net).__name__,
)
def test_every_layer_is_that_of_a_loop_over_single_samples(net):
    X = inputs(net, 4, seed=1)
    slow = [slow_profile(net, x) for x in X]
    result = profile(net, input_variances(net, net.pixels(X)), net.input_shape[0], rho=1.0, tail=1e-12)
    assert len(result.layers) == net.depth
    for h, layer in enumerate(result.layers):
        assert (layer.skip, layer.scale) == net.limit_layer(h + 1)
        np.testing.assert_allclose(layer.variance, np.transpose([one[0][h] for one in slow]), rtol=1e-13)
        np.testing.assert_allclose(layer.offset, np.transpose([one[1][h] for one in slow]), rtol=1e-13)
        np.testing.assert_allclose(layer.moments.second_moment, 3 * layer.variance**2, rtol=1e-13)
    np.testing.assert_allclose(result.output_variance, np.transpose([one[2] for one in slow]), rtol=1e-13)
    assert result.largest == pytest.approx(max(one[3] for one in slow), rel=1e-13)


@pytest.mark.parametrize(
    ("second_moment", "slope_moment", "largest"), [(1.0, 0.0, 36.0), (50.0, 0.0, 100.0), (1.0, 40.0, 1920.0)]
)
def test_the_largest_entry_is_a_covariance_or_of_a_gram_matrix(script, second_moment, slope_moment, largest):
    # all of the filter sees all of both pixels
    script((0.0, second_moment, slope_moment, EXACT))
    net = mgd.ConvResNet((1, 2), 1, 1, (3,), "identity")
    result = profile(net, np.array([[9.0, 1], [27.0, 11]]), 1, rho=0.0, tail=1.0)
    assert result.largest == largest + (slope_moment > 0) * 960


def test_variances_are_taken_for_zero_below_1e_140_alone():
    net = mgd.FullyConnected(1, 1, 1, "identity")
    [layer] = profile(net, np.array([[1e-140, 0.99e-140, 0.0, 1.0]]), 1, rho=1.0, tail=1.0).layers
    np.testing.assert_array_equal(layer.variance, [[1e-140, 0, 0, 1]])


# ---------------------------------------------------------------- what is refused


def test_the_square_norm_of_an_input_with_all_its_pixels_stays_below_1e140():
    X = np.array([[[0.99e70]], [[-1e60]]])
    np.testing.assert_array_equal(input_variances(mgd.ResNet(1, 1, 1), X), [[0.99e70**2, 1e60**2]])
    for largest in (1e70, 1e200):
        with pytest.raises(ValueError, match=r"X must hold .* squared norms below 1e\+140, got one of (1e|inf)"):
            input_variances(mgd.ResNet(1, 1, 1), np.array([[[0.0]], [[largest]]]))
    four = mgd.ConvResNet((1, 4), 1, 1, (1,))
    assert input_variances(four, np.full((1, 4, 1), 0.4e70)).shape == (4, 1)
    with pytest.raises(ValueError, match=r"got one of 1e\+140"):
        input_variances(four, np.array([[[0.0], [0.5e70], [0], [0]]]))


def test_variances_of_any_layer_stay_below_1e140(script):
    net = mgd.FullyConnected(1, 1, 2, "identity")
    script(*2 * [(0.0, 0.99e140, 0.0, EXACT)])
    assert one_sample(net, 0.99e140).largest == 0.99e140
    with pytest.raises(ValueError, match=r"variance below 1e\+140, got 1e\+140 in layer 1 of FullyConnected"):
        one_sample(net, 1e140)
    script(*2 * [(0.0, 1e140, 0.0, EXACT)])
    with pytest.raises(ValueError, match=r"variance below 1e\+140, got 1e\+140 in layer 2 of FullyConnected"):
        one_sample(net)
    script(*2 * [(0.0, math.nan, 0.0, EXACT)])
    with pytest.raises(ValueError, match="got nan in layer 2"):
        one_sample(net)


# ---------------------------------------------------------------- errors of the layers


# E[σ]² = E[σ²]: then Cauchy and Schwarz lose nothing, and the bounds are what the errors do
LAYERS = [(1.5, 2.25, 2.0, WRONG), (0.5, 0.25, 0.5, WRONG), (2.0, 4.0, 3.0, WRONG), (1.0, 1.0, 0.25, WRONG)]


class SkipsFromTheInput(mgd.ResNet):
    """A skip connection in the first layer too."""

    def limit_layer(self, h):
        return 1, self.c_res / h


NETS = [kind(1, 1, 4, "square") for kind in (mgd.FullyConnected, mgd.ResNet, SkipsFromTheInput)]


def covariances(net, first=1.0, second=1.0, **off):
    """P^(0), P^(1), …, S^(H) of two samples with equal variances, 1 at first, by LAYERS.

    They have the correlation `first`, and E[σ(u)σ(v)] = `second` · E[σ²]. Every part that is named in `off` is too
    large by so much; E[σ] by so much of √E[σ²].
    """
    S, b, all_S = first, 0.0, [first]
    for h, (mean, second_moment, _, _) in enumerate(LAYERS, start=1):
        skip, scale = net.limit_layer(h)
        scale = scale * (1 + off.get("scale", 0))
        e = mean + off.get("mean", 0) * math.sqrt(second_moment)
        S = skip * (S + 2 * scale * b * e) + scale**2 * second_moment * (second + off.get("square", 0))
        b = skip * b + scale * e
        all_S.append(S)
    return np.array(all_S)


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
@pytest.mark.parametrize("deviation", [0.01, -0.01])
def test_errors_of_layers_are_what_errors_of_their_parts_do(script, net, deviation):
    asked = script(*LAYERS, deviation=deviation, unit_error=0.003)
    result = one_sample(net)
    step = 1e-30j  # the bounds are linear in what is off
    common = {"scale": 0.013 * step, "mean": WRONG.mean * step}
    for name, error in (("covariance", WRONG.product), ("variance", WRONG.second_moment)):
        S = covariances(net, square=error * step, **common)
        for h in range(1, net.depth):  # the first layer has no error but rounding
            assert getattr(asked[h], name) == pytest.approx(S[h].imag / abs(step) / S[h].real, rel=1e-12)
    for accuracy, layer in zip(asked, result.layers, strict=True):
        assert layer.input_error == accuracy.covariance
        assert layer.slope_error == WRONG.slope_product
        assert accuracy.tail == 0.5


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
def test_the_largest_correlation_is_that_of_a_pair_with_the_largest_parts(script, net):
    asked = script(*LAYERS)
    one_sample(net, rho=0.3)
    largest = covariances(net, 0.3, WRONG.correlation) / covariances(net)
    np.testing.assert_allclose([accuracy.correlation for accuracy in asked], largest[:-1], rtol=1e-12)


def test_no_correlation_is_above_one(script):
    asked = script(*[(1.0, 1.0, 1.0, WRONG._replace(correlation=1.0))] * 4)
    one_sample(NETS[1], rho=1.0)
    assert [accuracy.correlation for accuracy in asked] == [1.0] * 4


# ---------------------------------------------------------------- errors of the Gram matrices


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
@pytest.mark.parametrize("layer", [1, 2, 3, 4])
def test_the_error_of_a_gram_matrix_is_that_of_the_product_of_its_factors(script, net, layer):
    slopes = [1e6 if h >= layer else 1e-6 for h in range(1, 5)]  # Θ^(layer) is the largest
    asked = script(*[(*LAYERS[h][:2], slopes[h], WRONG) for h in range(4)], deviation=0.01)
    result = one_sample(net)
    P, B, relative, thetas, errors = covariances(net), 1.0, 1.0, {}, {}
    for h in (4, 3, 2, 1):
        skip, scale = net.limit_layer(h)
        branch = scale**2 * slopes[h - 1] * B
        thetas[h] = P[h - 1] * branch
        relative *= (1 + WRONG.slope_product) * (1 + 2 * 0.01)  # D and β², once more in every layer
        errors[h] = thetas[h] * ((1 + asked[h - 1].covariance) * relative - 1)
        B = skip * B + branch
    assert max(errors, key=errors.get) == layer
    assert result.error == pytest.approx(errors[layer], rel=1e-12)
    assert result.largest == pytest.approx(thetas[layer], rel=1e-12)


@pytest.mark.parametrize("product", [0.02, 0.08])
def test_the_error_of_the_last_gram_matrix_is_the_larger_one_on_its_diagonal_or_off(script, product):
    script((0.0, 4.0, 0.0, WRONG._replace(product=product)))
    assert one_sample(mgd.FullyConnected(1, 1, 1, "identity")).error == pytest.approx(4 * max(product, 0.05), rel=1e-12)


def test_the_covariances_have_the_error_too(script):
    script((0.0, 1000.0, 0.0, WRONG), (0.0, 1.0, 0.0, WRONG))
    assert one_sample(mgd.FullyConnected(1, 1, 2, "identity")).error == pytest.approx(20, rel=1e-12)


# ---------------------------------------------------------------- rounding


@pytest.mark.parametrize(("rho", "largest"), [(0.0, 8 * ROUNDING), (0.25, 0.25 + 8 * ROUNDING), (1.0, 1.0)])
def test_the_first_layer_errs_by_the_rounding_of_inner_products_of_patches(script, rho, largest):
    # an inner product of two channels, rounded itself and in its norms, and a sum of three pixels
    asked = script((0.0, 1.0, 1.0, EXACT))
    profile(mgd.ConvResNet((2, 3), 5, 1, (3,), "identity"), np.ones((3, 1)), 2, rho, tail=0.5)
    assert asked[0] == Accuracy(covariance=7 * ROUNDING, variance=7 * ROUNDING, correlation=largest, tail=0.5)


@pytest.mark.parametrize(("mean", "error"), [(2, (81 + 48 + 200) / 25), (-2, (81 + 48 + 200) / 17)])
def test_a_layer_rounds_eight_times_all_it_adds_even_where_that_cancels(script, mean, error):
    asked = script((1.0, 9.0, 1.0, EXACT), (float(mean), 12.0, 1.0, EXACT), (0.0, 1.0, 1.0, EXACT))
    one_sample(mgd.ResNet(1, 1, 3, "identity", c_res=3.0))  # S = 9, b = 1, then S = 9 ± 4 + 12
    assert asked[1].covariance == asked[1].variance == (8 + 1) * ROUNDING
    assert asked[1].correlation == 8 * ROUNDING
    # 9 of 9 roundings, twice those of b (4 of √9) times |mean|, and eight of 9 + 4 + 12
    assert asked[2].covariance / ROUNDING == pytest.approx(error + 1, rel=1e-12)
    assert asked[2].variance / ROUNDING == pytest.approx(error + 1, rel=1e-12)


def test_gram_matrices_add_the_rounding_of_their_products_and_sums(script):
    net = mgd.FullyConnected(8, 1, 2, "identity")
    script((0.0, 1.0, 1024.0, EXACT), (0.0, 1.0, 1024.0, EXACT))
    # patches of four pixels with two channels: P errs by 4 + 4; D B by 2, then B by 4 + 4 more, then D B by 2 more;
    # the sum by 9
    assert one_sample(net, channels=2).error == (8 + 12 + 9) * ROUNDING * 1024**2
    script((0.0, 4.0, 0.0, EXACT))
    three = mgd.ConvResNet((1, 3), 1, 1, (1,), "identity")
    assert profile(three, np.ones((3, 1)), 1, rho=0.0, tail=1.0).error == (8 + 11) * ROUNDING * 12


def test_the_error_is_that_of_the_worst_sample():
    net = mgd.ResNet(3, 1, 3, "erf")
    X = inputs(net, 6, seed=2, low=0.1, high=4.0)
    squares = input_variances(net, net.pixels(X))
    errors = [profile(net, squares[:, part], 3, rho=0.9, tail=1.0).error for part in ([0], [2, 5], [4, 3], range(6))]
    assert errors[-1] >= max(errors[:-1])
