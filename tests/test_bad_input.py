"""Bad input is refused with the argument's public name, what came and what was wanted.

Every error begins with the name, then "must", and ends with what came.
"""

import numpy as np
import pytest
from public_functions import (
    FUNCTIONS,
    NETS,
    REFUSED,
    TAKE_Y,
    every_net,
    every_net_and_function,
    networks_with,
    not_positive,
    problem,
)

import minimal_gd as mgd
from minimal_gd import gradcheck


def with_entry(array, value):
    array = np.array(array, dtype=np.result_type(array, type(value)))
    array.flat[-1] = value
    return array


def bad_inputs(X):
    """(X, what the message says came)."""
    return [
        (X[0], "got shape"),
        (X[..., :-1], "got shape"),
        (X[..., None], "got shape"),
        (X.reshape(len(X), -1)[:, :, None, None, None], "got shape"),
        (X[:0], "got shape"),
        (3.0, "got shape"),
        (X + 0j, "got .*complex128"),
        (X.astype(str), "got .*<U"),
        (X.astype(object), "got .*object"),
        (None, "got .*object"),
        ("X", "got .*<U"),
        ([[1.0, 2.0], [3.0]], "got list"),
        (with_entry(X, np.nan), "finite.* got nan at index"),
        (with_entry(X, -np.inf), "finite.* got -inf at index"),
    ]


@every_net_and_function
def test_inputs_that_are_no_finite_samples_of_the_right_shape_are_refused(net, name):
    params, X, y = problem(net)
    for bad, came in bad_inputs(X):
        with pytest.raises(REFUSED, match=rf"(?s)^X must .*{came}"):
            FUNCTIONS[name](net, params, bad, y)


@networks_with(TAKE_Y)
def test_targets_that_are_no_finite_vector_are_refused(net, name):
    params, X, y = problem(net)
    for bad, came in [
        (y[:, None], r"shape \(4,\) .*got shape \(4, 1\)"),
        (y[None], r"shape \(4,\) .*got shape \(1, 4\)"),
        (y[:-1], r"shape \(4,\) .*got shape \(3,\)"),
        (y[:1], r"shape \(4,\) .*got shape \(1,\)"),
        (1.0, r"shape \(4,\) .*got shape \(\)"),
        (y + 0j, "real.* got .*complex"),
        (["a"] * 4, "real.* got .*<U"),
        (None, "real.* got .*object"),
        (with_entry(y, np.nan), "finite.* got nan"),
        (with_entry(y, np.inf), "finite.* got inf"),
    ]:
        with pytest.raises(REFUSED, match=rf"(?s)^y must .*{came}"):
            FUNCTIONS[name](net, params, X, bad)


@every_net_and_function
def test_parameters_of_another_network_are_refused(net, name):
    params, X, y = problem(net)
    W, a = params
    last = rf"params\.W\[{net.depth - 1}\]"
    for bad, message in [
        (mgd.Parameters(W[:-1], a), rf"params\.W must hold {net.depth} arrays .*got {net.depth - 1}"),
        (mgd.Parameters((*W, W[-1]), a), rf"params\.W must hold {net.depth} arrays .*got {net.depth + 1}"),
        (params.map(lambda array: np.repeat(array, 2, axis=0)), r"params\.W\[0\] must have shape .*got shape"),
        (mgd.Parameters(W, a[:-1]), r"params\.a must have shape .*got shape"),
        (mgd.Parameters(W, a[..., None]), r"params\.a must have shape .*got shape"),
        (mgd.Parameters((*W[:-1], W[-1][:, :-1]), a), rf"{last} must have shape .*got shape"),
        (mgd.Parameters((*W[:-1], W[-1] + 0j), a), rf"{last} must .*real.*complex128"),
        (mgd.Parameters((*W[:-1], with_entry(W[-1], np.nan)), a), rf"{last} must be finite.*got nan"),
        (mgd.Parameters(W, with_entry(a, np.inf)), r"params\.a must be finite.*got inf"),
        (mgd.Parameters(W, a.astype(str)), r"params\.a must .*real.*<U"),
        (mgd.Parameters(W, None), r"params\.a must .*real.*object"),
        (None, "params must .*got NoneType"),
        (W[0], "params must .*got an array"),
        ("params", "params must .*got str"),
    ]:
        with pytest.raises(REFUSED, match=f"(?s)^{message}"):
            FUNCTIONS[name](net, bad, X, y)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("predict", "loss", "gradient")])
@pytest.mark.parametrize("bad", ["net", None, mgd.ResNet], ids=str)
def test_what_is_no_network_is_refused(name, bad):
    net = NETS["ResNet"]
    params, X, y = problem(net)
    calls = FUNCTIONS | {
        "central_difference": lambda net, *rest: gradcheck.central_difference(net, *rest, params),
        "complex_step": lambda net, *rest: gradcheck.complex_step(net, *rest, params),
    }
    with pytest.raises(TypeError, match=r"^net must be a Network, got"):
        calls[name](bad, params, X, y)


@pytest.mark.parametrize("derivative", [gradcheck.central_difference, gradcheck.complex_step])
def test_a_direction_of_another_network_is_refused_by_its_name(derivative):
    net = NETS["ResNet"]
    params, X, y = problem(net)
    for bad in (None, mgd.Parameters(params.W[:-1], params.a), mgd.Parameters(params.W, params.a[:-1])):
        with pytest.raises(REFUSED, match=r"^direction.* must .*got"):
            derivative(net, params, X, y, bad)
    with pytest.raises(REFUSED, match=r"^direction.* must be finite.*got nan"):
        derivative(net, params, X, y, params.map(lambda array: with_entry(array, np.nan)))


@pytest.mark.parametrize("step", [0, -1e-6, np.nan, np.inf, "1", None, True])
def test_a_difference_step_that_is_not_finite_and_positive_is_refused(step):
    net = NETS["ResNet"]
    with pytest.raises(REFUSED, match=r"^step must be a finite number > 0, got"):
        gradcheck.central_difference(net, *problem(net), net.init(2), step)


def test_a_derivative_that_is_no_function_is_refused():
    net = NETS["ResNet"]
    with pytest.raises(TypeError, match=r"^derivative must .*got str"):
        gradcheck.gradient_by("central", net, *problem(net))


def test_a_random_direction_needs_parameters_and_a_seed():
    with pytest.raises(REFUSED, match=r"^seed must .*got"):
        gradcheck.random_direction(NETS["ResNet"].init(0), -1)
    with pytest.raises(REFUSED, match=r"^params must .*got NoneType"):
        gradcheck.random_direction(None, 0)


def test_the_complex_step_refuses_relu():
    relu = NETS["TwoLayerReLU"]
    with pytest.raises(ValueError, match=r"^net must have an analytic activation .*relu"):
        gradcheck.complex_step(relu, *problem(relu), relu.init(0))


@pytest.mark.parametrize(
    ("function", "names"),
    [(gradcheck.inner_product, "first|second"), (gradcheck.relative_error, "approximate|exact")],
)
def test_parameters_of_unequal_shapes_are_not_compared(function, names):
    W, a = NETS["ResNet"].init(0)
    for other in [
        mgd.Parameters((W[0].T, *W[1:]), a),
        mgd.Parameters((W[0][:1], *W[1:]), a),
        mgd.Parameters(W, a[:1]),
        mgd.Parameters(W, a[:, None]),
        mgd.Parameters(W[:-1], a),
    ]:
        with pytest.raises(ValueError, match=names):
            function(other, mgd.Parameters(W, a))


def test_integer_parameters_do_not_overflow_in_the_gradient_checks():
    ones = NETS["ResNet"].init(0).map(lambda array: np.full(array.shape, 100, np.int8))
    assert gradcheck.inner_product(ones, ones) == 1e4 * ones.size
    assert gradcheck.relative_error(ones.map(np.negative), ones) == 2


def test_a_network_whose_gradients_vanish_has_no_stable_step():
    net = NETS["TwoLayerReLU"]
    with pytest.raises(ValueError, match=r"^params must give some gradient at X, got .*0\.0"):
        mgd.stable_step_size(net, net.init(0), np.zeros((2, 3)))


SIZES = [0, -1, 2.5, "3", True, None, 3.0, np.float64(3), np.array([3]), 1j]
MAKERS = {
    "FullyConnected": (lambda **k: mgd.FullyConnected(**{"input_dim": 3, "width": 4, "depth": 2} | k), "input_dim"),
    "ResNet": (lambda **k: mgd.ResNet(**{"input_dim": 3, "width": 4, "depth": 2} | k), "input_dim"),
    "ConvResNet": (
        lambda **k: mgd.ConvResNet(**{"input_shape": (1, 8), "width": 4, "depth": 2, "filter_shape": (3,)} | k),
        None,
    ),
    "TwoLayerReLU": (lambda **k: mgd.TwoLayerReLU(**{"input_dim": 3, "width": 4} | k), "input_dim"),
}


@pytest.mark.parametrize("size", SIZES, ids=repr)
@pytest.mark.parametrize("kind", MAKERS)
def test_sizes_that_are_no_integers_of_at_least_one_are_refused(kind, size):
    make, first = MAKERS[kind]
    for name in filter(None, (first, "width", "depth" if kind != "TwoLayerReLU" else None)):
        with pytest.raises(REFUSED, match=rf"^{name} must be an integer ≥ 1, got"):
            make(**{name: size})
    if kind == "ConvResNet":
        for shape in ((1, size), (size, 8), (1, 8, size)):
            with pytest.raises(REFUSED, match=r"^input_shape\[\d\] must be an integer ≥ 1, got"):
                make(input_shape=shape)
        with pytest.raises(REFUSED, match=r"^filter_shape\[0\] must be an integer ≥ 1, got"):
            make(filter_shape=(size,))
    assert make(width=np.int8(3)).width == 3


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("filter_shape", (2,), r"odd sizes.*\(2,\)"),
        ("filter_shape", 4, r"odd sizes.*\(4,\)"),
        ("filter_shape", (3, 3), r"1 size.*\(3, 3\)"),
        ("filter_shape", (), r"1 size.*\(\)"),
        ("filter_shape", "3", "integer.*str"),
        ("filter_shape", None, ".*NoneType"),
        ("filter_shape", 3.0, "integer.*float"),
        ("input_shape", 8, r"\(channels, positions\).*int 8"),
        ("input_shape", (8,), r"\(channels, positions\).*\(8,\)"),
        ("input_shape", (1, 2, 3, 4), r"\(channels, positions\).*\(1, 2, 3, 4\)"),
        ("input_shape", "18", "str"),
    ],
)
def test_shapes_of_the_wrong_rank_and_even_filters_are_refused(name, value, wanted):
    with pytest.raises(REFUSED, match=rf"^{name} must .*{wanted}"):
        MAKERS["ConvResNet"][0](**{name: value})
    with pytest.raises(ValueError, match=r"^filter_shape must hold 2 sizes.*\(3,\)"):
        mgd.ConvResNet((1, 8, 8), 4, 2, (3,))
    with pytest.raises(ValueError, match=r"^filter_shape must hold odd sizes.*\(3, 2\)"):
        mgd.ConvResNet((1, 8, 8), 4, 2, (3, 2))


@not_positive
@pytest.mark.parametrize("kind", ["ResNet", "ConvResNet"])
def test_a_c_res_that_is_not_finite_and_positive_is_refused(kind, value):
    with pytest.raises(REFUSED, match=r"^c_res must be a finite number > 0, got"):
        MAKERS[kind][0](c_res=value)


@pytest.mark.parametrize("kind", ["FullyConnected", "ResNet", "ConvResNet"])
def test_an_unknown_activation_is_refused_with_a_list_of_those_there_are(kind):
    for value in ("swish", "", "Tanh", None, np.tanh, ["tanh"]):
        with pytest.raises(REFUSED, match=r"^activation must be .*got") as error:
            MAKERS[kind][0](activation=value)
        known = ("softplus", "tanh", "sigmoid", "erf", "gelu", "silu", "sincos", "relu", "identity", "square")
        assert all(repr(name) in str(error.value) for name in known)


def test_train_output_that_is_no_bool_is_refused():
    for value in (1, "yes", None):
        with pytest.raises(TypeError, match=r"^train_output must be True or False, got"):
            mgd.TwoLayerReLU(3, 4, value)


@every_net
def test_bad_seeds_and_dtypes_are_refused(net):
    for seed in (-1, 1.0, "0", None, True, [1], np.random.RandomState(0)):
        with pytest.raises(REFUSED, match=r"^seed must be an integer ≥ 0 or a numpy\.random\.Generator, got"):
            net.init(seed)
    for dtype in (int, complex, bool, "float16", np.longdouble, "U3", object, 3, "double trouble", {"a": 1}):
        with pytest.raises(REFUSED, match=r"^dtype must be float32 or float64, got"):
            net.init(0, dtype=dtype)


@pytest.mark.parametrize("dtype", ["f4,,", "(2,)f4,", "f4(", "\0"])
def test_a_dtype_that_numpy_cannot_even_read_is_refused(dtype):
    with pytest.raises(REFUSED, match=r"^dtype must be float32 or float64, got"):
        NETS["ResNet"].init(0, dtype=dtype)
