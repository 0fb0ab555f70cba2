"""The limits of infinite width: every layer of every architecture, their errors, shapes and symmetries."""

import math
import tracemalloc
import warnings

import numpy as np
import pytest
from exact_limits import exact_limits
from mpmath import mpf
from slow_limits import inputs, slow_limits

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.limits.moments import Accuracy
from minimal_gd.limits.series import SeriesMoments

NETS = [
    mgd.FullyConnected(4, 300, 3, "softplus"),
    mgd.FullyConnected(4, 300, 3, "tanh"),
    mgd.ResNet(4, 300, 3, "softplus", c_res=0.9),
    mgd.ResNet(4, 300, 3, "tanh", c_res=0.9),
    mgd.ConvResNet((2, 4), 160, 3, (3,), "softplus", c_res=0.9),
    mgd.ConvResNet((1, 3, 2), 160, 3, (3, 3), "sincos", c_res=0.9),
    mgd.ConvResNet((1, 4), 160, 2, (3,), "tanh", c_res=0.9),
]
NAMES = [f"{type(net).__name__}-{net.activation.name}" for net in NETS]


# ---------------------------------------------------------------- against the slow recursion


@pytest.mark.parametrize("net", NETS, ids=NAMES)
def test_every_limit_is_that_of_the_slow_recursion(net):
    X = inputs(net, 3, seed=1)
    K, error, covariances = gram.limiting(net, X, covariances=True, tolerance=1e-11)
    # tanh has poles at ±iπ/2, so the slow rule errs by about e^(-π²/(step·s)), 1e-15 at s = 2.5
    theta, P = slow_limits(net, X, step=0.1)
    np.testing.assert_allclose(K, theta, rtol=0, atol=error + 1e-12)
    expected = np.array(P) if net.positions > 1 else np.array(P)[..., 0, 0]
    np.testing.assert_allclose(covariances, expected, rtol=0, atol=error + 1e-12)


# ---------------------------------------------------------------- what is known in closed form


@pytest.mark.parametrize("has_closed_form", [True, False])
def test_unit_inputs_and_sincos_have_a_recursion_of_exponentials(has_closed_form):
    known = mgd.activations.get("sincos")
    activation = known if has_closed_form else mgd.Activation(known.sigma, known.dsigma)
    net = mgd.FullyConnected(5, 1, 3, activation)
    X = inputs(net, 12, seed=4, low=1, high=1)
    S = [X @ X.T]
    for _ in range(3):
        S.append(np.exp(S[-1] - 1))
    expected = [S[0] * S[1] * S[2] * S[3], S[1] * S[2] * S[3], S[2] * S[3], S[3]]
    K, error = gram.limiting(net, X)
    assert error <= 1e-12
    np.testing.assert_allclose(K, expected, rtol=0, atol=error)


def test_a_deep_linear_net_has_products_of_inputs():
    net = mgd.FullyConnected(3, 1, 6, "identity")
    X = inputs(net, 8, seed=5)
    K, error = gram.limiting(net, X)
    np.testing.assert_allclose(K, np.broadcast_to(X @ X.T, K.shape), rtol=0, atol=error)


@pytest.mark.parametrize("name", ["erf", "gelu", "sincos", "square", "identity"])
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_closed_forms_and_series_agree_within_their_errors(architecture, name):
    known = mgd.activations.get(name)
    series = mgd.Activation(known.sigma, known.dsigma, lipschitz=known.lipschitz, smoothness=known.smoothness)
    X = inputs(architecture(3, 1, 3), 8, seed=6)
    K, error = gram.limiting(architecture(3, 1, 3, known), X, tolerance=1e-10)
    other, other_error = gram.limiting(architecture(3, 1, 3, series), X, tolerance=1e-10)
    assert np.abs(K - other).max() <= error + other_error


@pytest.mark.parametrize("name", ["sincos", "erf", "relu"])
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
@pytest.mark.parametrize("is_unit", [True, False])
def test_every_layer_of_deep_nets_is_within_its_error_of_forty_digits(architecture, name, is_unit):
    known = mgd.activations.get(name)
    choices = [known] if name == "relu" else [known, mgd.Activation(known.sigma, known.dsigma)]
    for activation in choices:
        net = architecture(5, 1, 5, activation)
        X = inputs(net, 4, seed=18, low=1 if is_unit else 0.4, high=1 if is_unit else 2.5)
        K, error = gram.limiting(net, X, tolerance=1e-10)
        wrong = mpf(0)
        for i, j in ((0, 1), (1, 2), (3, 0), (2, 2)):
            exact = exact_limits(net, name, X[[i, j]])
            wrong = max(wrong, *(abs(mpf(float(K[h, i, j])) - theta) for h, theta in enumerate(exact)))
        assert wrong <= error
        if is_unit:
            assert error <= max(1e-12, 1e3 * wrong)


# ---------------------------------------------------------------- errors and tolerances


@pytest.mark.parametrize("name", ["softplus", "tanh", "relu", "gelu"])
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_unit_inputs_meet_the_default_tolerance(architecture, name):
    net = architecture(20, 1, 3, name)
    _, error = gram.limiting(net, inputs(net, 30, seed=7, low=1, high=1))
    assert error <= 1e-12


@pytest.mark.parametrize("net", NETS, ids=NAMES)
def test_a_loose_tolerance_is_met_and_its_error_is_true(net):
    X = inputs(net, 6, seed=8)
    exact, exact_error = gram.limiting(net, X)
    before = math.inf
    for tolerance in (1e-2, 1e-5, 1e-8):
        K, error = gram.limiting(net, X, tolerance=tolerance)
        assert np.abs(K - exact).max() <= error + exact_error
        assert error <= tolerance * max(1, K.max())
        assert error <= before
        before = error


def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def leaky_slope(z):
    return np.where(z > 0, 1.0, 0.1)


def test_a_tolerance_out_of_reach_gives_one_warning_and_a_true_error():
    net = mgd.FullyConnected(3, 1, 2, mgd.Activation(leaky, leaky_slope))
    X = np.array([[1.0, 0, 0], [2, 0, 0], [-1, 0, 0], [0, 1, 1]])  # parallel and antipodal: the series does not end
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        K, error = gram.limiting(net, X)
    assert len(caught) == 1
    assert "1.0e-12" in str(caught[0].message)
    assert caught[0].filename == __file__
    # leaky is homogeneous: E[σσ] for parallel ones is s t E[σ(z)²], and E[σ′σ′] for antipodal ones is 0.1
    scale = net.activation.c_sigma
    assert abs(K[2, 0, 1] - 2) <= error
    assert abs(K[1, 0, 1] - 2 * scale * 0.505) <= error
    assert 1e-12 < error < 0.5


def test_relu_on_parallel_inputs_states_an_error_near_the_root_of_rounding():
    net = mgd.TwoLayerReLU(2, 1)
    X = np.array([[1.0, 1], [3, 3], [-1, -1]])
    with pytest.warns(UserWarning, match="known up to"):
        K, error = gram.limiting(net, X)
    assert np.abs(K[0] - [[1, 3, 0], [3, 9, 0], [0, 0, 1]]).max() <= error < 1e-6


# ---------------------------------------------------------------- shapes, symmetries, special cases


@pytest.mark.parametrize("net", NETS, ids=NAMES)
def test_limits_are_symmetric_and_positive_semi_definite(net):
    K, error = gram.limiting(net, inputs(net, 40, seed=9))
    for theta in K:
        assert (theta == theta.T).all()
        assert np.linalg.eigvalsh(theta)[0] >= -40 * error - 1e-13 * np.abs(theta).max()


@pytest.mark.parametrize("net", NETS, ids=NAMES)
def test_a_rectangle_is_a_block_of_the_square(net):
    X = inputs(net, 23, seed=10)
    K, error, covariances = gram.limiting(net, X, covariances=True)
    part, part_error, part_covariances = gram.limiting(net, X[:20], X[20:], covariances=True)
    np.testing.assert_allclose(part, K[:, :20, 20:], rtol=0, atol=error + part_error)
    np.testing.assert_allclose(part_covariances, covariances[:, :20, 20:], rtol=0, atol=error + part_error)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_convolution_over_one_position_is_the_residual_net(depth):
    X = inputs(mgd.ResNet(4, 1, 1), 7, seed=11)
    K, error = gram.limiting(mgd.ResNet(4, 1, depth), X)
    other, other_error = gram.limiting(mgd.ConvResNet((4, 1), 1, depth, (1,)), X[:, :, None])
    np.testing.assert_allclose(K, other, rtol=0, atol=error + other_error)


def test_covariances_hold_what_the_limits_are_made_of():
    net = mgd.ConvResNet((2, 3, 4), 1, 3, (3, 1), c_res=0.7)
    X = inputs(net, 5, seed=12)
    K, error, covariances = gram.limiting(net, X, covariances=True)
    assert covariances.shape == (3, 5, 5, 12, 12)
    assert (covariances == covariances.transpose(0, 2, 1, 4, 3)).all()
    last = mgd.limits.expectations.pair_expectations(
        net.activation,
        *np.broadcast_arrays(
            np.einsum("iill->il", covariances[2])[:, None],
            np.einsum("iill->il", covariances[2])[None],
            np.einsum("ijll->ijl", covariances[2]),
        ),
    ).slope_product
    scale = (net.c_res / net.depth) ** 2
    np.testing.assert_allclose(
        K[2], scale * np.einsum("ijll,ijl->ij", covariances[2], last), rtol=0, atol=2 * error + 1e-13
    )


def test_the_result_can_be_written_to_a_file(tmp_path):
    net = mgd.FullyConnected(3, 1, 2)
    X = inputs(net, 300, seed=13)
    out = np.memmap(tmp_path / "limits", dtype=np.float64, mode="w+", shape=(3, 300, 300))
    K, error = gram.limiting(net, X, out=out)
    assert K is out
    np.testing.assert_array_equal(out, gram.limiting(net, X)[0])
    assert error <= 1e-12


def test_progress_is_shown_on_request(capsys):
    net = mgd.FullyConnected(3, 1, 2)
    gram.limiting(net, inputs(net, 300, seed=14), progress=True)
    assert "block" in capsys.readouterr().err
    gram.limiting(net, inputs(net, 300, seed=14))
    assert capsys.readouterr().err == ""


def test_single_precision_inputs_have_limits_in_double_precision():
    net = mgd.ResNet(3, 1, 2)
    X = inputs(net, 6, seed=15).astype(np.float32)
    K, _ = gram.limiting(net, X)
    assert K.dtype == np.float64
    np.testing.assert_array_equal(K, gram.limiting(net, X.astype(np.float64))[0])


def test_the_width_plays_no_part():
    X = inputs(NETS[0], 5, seed=16)
    first, second = (gram.limiting(mgd.FullyConnected(4, width, 3), X)[0] for width in (1, 5000))
    np.testing.assert_array_equal(first, second)


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("net", [NETS[1], NETS[2], NETS[4]], ids=lambda net: type(net).__name__)
def test_coefficients_of_a_few_samples_at_a_time_give_the_same_limits(net, monkeypatch):
    X = inputs(net, 19, seed=17)
    whole = gram.limiting(net, X, covariances=True), gram.limiting(net, X[:12], X[12:])
    monkeypatch.setattr(mgd.limits.limiting, "_KEPT_BYTES", 1)
    pieces = gram.limiting(net, X, covariances=True), gram.limiting(net, X[:12], X[12:])
    for one, other in zip(whole, pieces, strict=True):
        assert one[1] == other[1]
        # BLAS may sum the products of other block sizes in another order
        np.testing.assert_allclose(one[0], other[0], rtol=0, atol=1e-13 * np.abs(one[0]).max())
    np.testing.assert_allclose(whole[0][2], pieces[0][2], rtol=0, atol=1e-13 * np.abs(whole[0][2]).max())


def test_memory_does_not_grow_with_samples_times_positions_times_terms():
    softplus, accuracy = mgd.activations.get("softplus"), Accuracy(tail=1e-12)
    peaks = []
    for n in (64, 192):
        variance = np.random.default_rng(n).uniform(0.5, 9, (16, n))  # 8 and 24 chunks of 128 rows
        tracemalloc.start()
        layer = SeriesMoments(softplus, variance, accuracy, map)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    coefficients = (192 - 64) * layer.bytes_a_sample
    assert layer.bytes_a_sample > 16 * 8 * 100  # over a hundred terms for each position
    assert peaks[1] - peaks[0] < coefficients / 4
