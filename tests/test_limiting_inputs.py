"""The limits of infinite width on awkward inputs, and what they refuse."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import at_most

import minimal_gd as mgd
from minimal_gd import gram

# ---------------------------------------------------------------- awkward inputs

ACTIVATIONS = ["softplus", "tanh", "sigmoid", "erf", "gelu", "silu", "sincos", "relu", "identity", "square"]


def quietly(net, X, **options):
    """A tolerance of relu out of reach may well be reported here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gram.limiting(net, X, **options)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_zero_rows_parallel_and_antipodal_ones_give_no_nan(architecture, name):
    x = np.random.default_rng(17).standard_normal(3)
    X = np.array([0 * x, x, 3 * x, -x, x * (1 + 1e-15), -0.0 * x, 1e-120 * x, 1e-200 * x, 1e-5 * x])
    K, error = quietly(architecture(3, 1, 3, name), X)
    assert np.isfinite(K).all()
    assert math.isfinite(error)
    for theta in K:
        assert np.linalg.eigvalsh(theta)[0] >= -9 * error - 1e-12 * np.abs(theta).max()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_blank_patch_gives_no_nan(name):
    X = np.zeros((4, 1, 5, 5))
    X[1, 0, 2, 2], X[2, 0, 2, 2], X[3, 0, 0, 0] = 1, -2, 1e-8
    K, error = quietly(mgd.ConvResNet((1, 5, 5), 1, 3, (3, 3), name), X)
    assert np.isfinite(K).all()
    assert math.isfinite(error)


def test_a_zero_sample_is_exact_where_sigma_vanishes_at_zero():
    net = mgd.FullyConnected(2, 1, 3, "tanh")
    K, _ = gram.limiting(net, np.array([[0.0, 0], [1, 0]]))
    assert (K[:, 0] == 0).all()


@pytest.mark.parametrize("net", [mgd.FullyConnected(2, 1, 1), mgd.ResNet(2, 1, 1), mgd.TwoLayerReLU(2, 1)])
def test_one_sample_and_one_layer_are_enough(net):
    K, error, covariances = gram.limiting(net, [[3, 4]], covariances=True)
    assert K.shape == (2, 1, 1)
    np.testing.assert_array_equal(covariances, [[[25.0]]])
    assert error <= 1e-12 * K.max()


@st.composite
def small_problems(draw):
    name, H = draw(st.sampled_from(ACTIVATIONS)), draw(st.integers(1, 3))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        net = mgd.FullyConnected(2, 1, H, name)
    elif kind == 1:
        net = mgd.ResNet(2, 1, H, name, c_res=draw(st.floats(0.1, 2)))
    elif kind == 2:
        shape = draw(st.sampled_from([(1, 3), (2, 2, 2), (1, 1, 4)]))
        net = mgd.ConvResNet(shape, 1, H, draw(st.sampled_from([(3,), (5,)])) if len(shape) == 2 else (3, 3), name)
    else:
        net = mgd.TwoLayerReLU(2, 1)
    n = draw(st.integers(1, 4))
    entries = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 1e-9]), st.floats(-1.5, 1.5))
    size = n * math.prod(net.input_shape)
    return net, np.array(draw(st.lists(entries, min_size=size, max_size=size))).reshape(n, *net.input_shape)


@given(small_problems())
@at_most(60)
def test_any_input_gives_finite_symmetric_limits_whose_diagonal_dominates(problem):
    net, X = problem
    K, error = quietly(net, X)
    assert np.isfinite(K).all()
    assert math.isfinite(error)
    diagonals = np.sqrt(np.maximum(np.einsum("hii->hi", K), 0))
    # Cauchy and Schwarz
    assert (np.abs(K) <= np.einsum("hi,hj->hij", diagonals, diagonals) * (1 + 1e-12) + 2 * error).all()
    assert (K.transpose(0, 2, 1) == K).all()


# ---------------------------------------------------------------- what is refused


def test_an_activation_that_overflows_at_large_inputs_is_named():
    overflowing = mgd.Activation(lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z)))
    with pytest.raises(ValueError, match="must be finite wherever it is integrated, got inf at"):
        gram.limiting(mgd.FullyConnected(1, 1, 1, overflowing), [[100.0]])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"net": "relu"}, TypeError, "net must be a Network"),
        ({"X": [[1.0]]}, ValueError, r"X must have shape \(n, 2\)"),
        ({"X": [[math.nan, 1.0]]}, ValueError, "X must be finite"),
        ({"X": [[1e80, 1.0]]}, ValueError, "X must hold samples of squared norms below"),
        ({"X2": [[1.0, 2, 3]]}, ValueError, r"X2 must have shape \(n, 2\)"),
        ({"tolerance": 0}, ValueError, "tolerance must be a finite number > 0"),
        ({"tolerance": "small"}, TypeError, "tolerance must be"),
        ({"covariances": 1}, TypeError, "covariances must be True or False"),
        ({"progress": None}, TypeError, "progress must be True or False"),
        ({"out": [0]}, TypeError, "out must be a float64 array"),
        ({"out": np.empty((3, 1, 2))}, ValueError, r"out must be .* shape \(3, 1, 1\)"),
        ({"out": np.empty((3, 1, 1), np.float32)}, ValueError, "out must be a writeable float64 array"),
    ],
)
def test_a_wrong_argument_is_named(change, error, words):
    arguments = {"net": mgd.FullyConnected(2, 1, 2), "X": [[1.0, 2.0]], **change}
    with pytest.raises(error, match=words):
        gram.limiting(arguments.pop("net"), arguments.pop("X"), **arguments)


@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_variances_that_overflow_are_refused_in_whichever_layer(architecture):
    X = np.array([[1e30, 2e30], [3e30, 1e30]])
    with pytest.raises(ValueError, match=r"X must give pre-activations .* below 1e\+140, got .* in layer 3"):
        gram.limiting(architecture(2, 1, 3, "square"), X)


def test_gelu_of_huge_inputs_is_relu_and_nothing_cancels():
    X = np.array([[1e30, 2e30], [3e30, 1e30]])
    gelu, relu = (quietly(mgd.FullyConnected(2, 1, 1, name), X)[0][1] for name in ("gelu", "relu"))
    scale = mgd.activations.get("gelu").c_sigma / mgd.activations.get("relu").c_sigma
    np.testing.assert_allclose(gelu, scale * relu, rtol=1e-13)


def test_a_skip_connection_with_another_weight_is_refused():
    class Weighted(mgd.ResNet):
        def limit_layer(self, h):
            return (0.0, 1.0) if h == 1 else (0.8, 0.5)

    with pytest.raises(ValueError, match=r"limit_layer\(2\) of .* must give κ_h = 0 or 1, got 0.8"):
        gram.limiting(Weighted(2, 1, 3), np.eye(2))
