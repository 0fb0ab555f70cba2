"""Bad input is refused with the argument's public name, what came and what was wanted; good input in any form is taken.

Every error begins with the name, then "must", and ends with what came.
"""

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd import gradcheck, gram

REFUSED = (TypeError, ValueError)
NETS = {
    "FullyConnected": mgd.FullyConnected(3, 5, 3, "tanh"),
    "ResNet": mgd.ResNet(3, 5, 3, "tanh"),
    "ConvResNet 1-D": mgd.ConvResNet((2, 4), 3, 2, (3,), "tanh"),
    "ConvResNet 2-D": mgd.ConvResNet((2, 3, 2), 3, 2, (3, 5), "tanh"),
    "TwoLayerReLU": mgd.TwoLayerReLU(3, 5),
}
# y is None: the function takes none
FUNCTIONS = {
    "predict": lambda net, params, X, y: net.predict(params, X),
    "loss": lambda net, params, X, y: net.loss(params, X, y),
    "gradient": lambda net, params, X, y: net.gradient(params, X, y),
    "empirical": lambda net, params, X, y: gram.empirical(net, params, X),
    "total": lambda net, params, X, y: gram.total(net, params, X),
    "stable_step_size": lambda net, params, X, y: mgd.stable_step_size(net, params, X),
    "gradient_descent": lambda net, params, X, y: mgd.gradient_descent(net, params, X, y, 1e-3, 2).params,
    "central_difference": lambda net, params, X, y: gradcheck.central_difference(
        net, params, X, y, NETS_DIRECTIONS[net.width, net.depth, net.positions]
    ),
    "complex_step": lambda net, params, X, y: gradcheck.complex_step(
        net, params, X, y, NETS_DIRECTIONS[net.width, net.depth, net.positions]
    ),
    "gradient_by": lambda net, params, X, y: gradcheck.gradient_by(gradcheck.central_difference, net, params, X, y),
}
TAKE_Y = ["loss", "gradient", "gradient_descent", "central_difference", "complex_step", "gradient_by"]
NETS_DIRECTIONS = {(net.width, net.depth, net.positions): net.init(9) for net in NETS.values()}


def networks_with(functions):
    pairs = {f"{kind}-{name}": (net, name) for kind, net in NETS.items() for name in functions}
    return pytest.mark.parametrize(("net", "name"), pairs.values(), ids=pairs)


every_net_and_function = networks_with(FUNCTIONS)
# but for the complex step, which relu does not have
every_working_pair = networks_with([name for name in FUNCTIONS if name != "complex_step"])
every_net = pytest.mark.parametrize("net", NETS.values(), ids=NETS)


def problem(net, n=4):
    rng = np.random.default_rng(0)
    return net.init(1), rng.standard_normal((n, *net.input_shape)), rng.standard_normal(n)


def flat(result):
    """Every number of a result, in one vector."""
    if isinstance(result, mgd.Parameters):
        return np.concatenate([array.ravel() for array in (*result.W, result.a)])
    return np.ravel(result)


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


NOT_POSITIVE = [0, -0.5, np.nan, np.inf, -np.inf, "0.5", None, True, 1j, [0.5], np.array([0.5]), 10**400]
not_positive = pytest.mark.parametrize("value", NOT_POSITIVE, ids=lambda value: repr(value)[:20])


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


RESNET = NETS["ResNet"]


def descend(net=RESNET, step_size=1e-3, steps=2, **options):
    return mgd.gradient_descent(net, *problem(net), step_size, steps, **options)


@pytest.mark.parametrize("name", ["step_size", "target_loss"])
@not_positive
def test_a_step_size_or_target_that_is_not_finite_and_positive_is_refused(name, value):
    if name == "target_loss" and value is None:
        value = "None"  # None itself stands for no target
    with pytest.raises(REFUSED, match=rf"^{name} must be a finite number > 0, got"):
        descend(**{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps must be an integer ≥ 0, got -1"),
        ({"steps": 2.0}, "steps must be an integer ≥ 0, got float"),
        ({"steps": True}, "steps must be an integer ≥ 0, got bool"),
        ({"steps": None}, "steps must be an integer ≥ 0, got NoneType"),
        ({"observe": 3}, "observe must be a function .*got int 3"),
        ({"observe": lambda k, params: None}, "observe must return .*object"),
        ({"observe": lambda k, params: "x"}, "observe must return .*<U1"),
        ({"observe": lambda k, params: [1, [2, 3]]}, "observe must return "),
        ({"observe_every": 0}, "observe_every must be an integer ≥ 1, got 0"),
        ({"observe_every": 1.5}, "observe_every must be an integer ≥ 1, got float"),
        ({"normalisation": "average"}, "normalisation must be one of 'sum', 'mean', got 'average'"),
        ({"normalisation": None}, "normalisation must be one of 'sum', 'mean', got NoneType"),
        ({"progress": 1}, "progress must be True or False, got int"),
        ({"predictions": "yes"}, "predictions must be True or False, got str"),
        ({"distances": 1}, "distances must be True or False, got int"),
        ({"every": 3}, "every must come with checkpoint, got"),
        ({"checkpoint": "run.npz"}, "every must be given with checkpoint.* got None"),
        ({"checkpoint": "run.npz", "every": 0}, "every must be an integer ≥ 1, got 0"),
        ({"checkpoint": "run.npz", "every": True}, "every must be an integer ≥ 1, got bool"),
        ({"checkpoint": 3, "every": 1}, "checkpoint must be a path, got int 3"),
        ({"checkpoint": ".", "every": 1}, "checkpoint must name a file .*got '.'"),
        ({"checkpoint": "no/such/folder/run.npz", "every": 1}, "checkpoint must name a file .*got 'no/such"),
        ({"resume": "run.npz"}, "resume must be a Trajectory, got str"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ", ".join(f"{k}={v!r:.20}" for k, v in value.items()),
)
def test_wrong_options_of_gradient_descent_are_refused(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(REFUSED, match=f"^{message}"):
        descend(**options)
    assert not list(tmp_path.iterdir())


def test_resuming_another_run_is_refused():
    run = descend(steps=3)
    params, X, y = problem(RESNET)
    for call, message in [
        (lambda: descend(steps=5, step_size=2e-3, resume=run), "step_size must be .*0.001, got 0.002"),
        (lambda: descend(steps=5, normalisation="mean", resume=run), "normalisation must be .*'sum', got 'mean'"),
        (lambda: descend(steps=5, predictions=True, resume=run), "predictions must be as .*did not record"),
        (lambda: descend(steps=5, distances=True, resume=run), "distances must be as .*did not record"),
        (lambda: descend(steps=2, resume=run), "steps .*must be ≥ 3.* got 2"),
        (lambda: mgd.gradient_descent(RESNET, params, 2 * X, y, 1e-3, 5, resume=run), "resume must be .*X and y"),
        (lambda: mgd.gradient_descent(RESNET, params, X, -y, 1e-3, 5, resume=run), "resume must be .*X and y"),
    ]:
        with pytest.raises(ValueError, match=f"^{message}"):
            call()


def test_resuming_a_run_of_another_network_is_refused_by_its_name():
    for other in (mgd.ResNet(3, 7, 3, "tanh"), mgd.ResNet(3, 5, 2, "tanh")):
        with pytest.raises(ValueError, match=r"^resume.* must .*got"):
            descend(other, steps=5, resume=descend(steps=3))


def test_resuming_does_not_depend_on_the_dtype_of_params():
    params, X, y = problem(RESNET)
    whole = mgd.gradient_descent(RESNET, params, X, y, 1e-3, 6)
    half = mgd.gradient_descent(RESNET, params, X, y, 1e-3, 3)
    single = params.map(lambda array: array.astype(np.float32))
    try:  # the weights are those of resume; refusing params of another dtype is fine too
        resumed = mgd.gradient_descent(RESNET, single, X, y, 1e-3, 6, resume=half)
    except REFUSED as error:
        assert "params" in str(error) or "resume" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(resumed.loss, whole.loss)


@every_working_pair
def test_the_form_of_good_arrays_makes_no_difference(net, name):
    params, X, y = problem(net)
    expected = flat(FUNCTIONS[name](net, params, X, y))
    forms = {
        "Fortran order": np.asfortranarray,
        "big-endian": lambda array: array.astype(">f8"),
        "every other entry": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
        "backwards": lambda array: array[::-1].copy()[::-1],
        "long double": lambda array: array.astype(np.longdouble),
        "lists": lambda array: array.tolist(),
    }
    for form in forms.values():
        moved = mgd.Parameters(tuple(map(form, params.W)), form(params.a))
        result = flat(FUNCTIONS[name](net, moved, form(X), form(y)))
        assert result.dtype == np.float64
        assert result.dtype.isnative
        # Sums in another order: some hundred roundings; a central difference divides them by ε^(1/3).
        rounding = 1e-9 if name in ("central_difference", "gradient_by") else 1e-13
        np.testing.assert_allclose(result, expected, rtol=0, atol=rounding * max(1, np.abs(expected).max()))


@every_working_pair
@pytest.mark.parametrize("dtype", ["int8", "bool", "uint16", "list"])
def test_integer_data_give_the_same_as_floats(net, name, dtype):
    rng = np.random.default_rng(2)
    params, X, y = (net.init(1), *(rng.integers(0, 2, shape) for shape in ((4, *net.input_shape), 4)))
    whole = params.map(np.rint)
    expected = flat(FUNCTIONS[name](net, whole, X.astype(float), y.astype(float)))
    data = (X.tolist(), y.tolist()) if dtype == "list" else (X.astype(dtype), y.astype(dtype))
    for given in (whole, whole.map(lambda array: array.astype(np.int8))):
        result = flat(FUNCTIONS[name](net, given, *data))
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, expected)


@every_net
@pytest.mark.parametrize("name", ["predict", "gradient", "empirical", "total", "gradient_descent"])
def test_float32_data_with_float32_parameters_stay_float32(net, name):
    params, X, y = problem(net)
    single = net.init(1, dtype=np.float32)
    result = FUNCTIONS[name](net, single, X.astype(np.float32), y.astype(np.float32))
    for array in (*result.W, result.a) if isinstance(result, mgd.Parameters) else (result,):
        assert array.dtype == np.float32
    exact = flat(FUNCTIONS[name](net, params, X, y))
    # float32 rounds to 6e-8; some hundred roundings, relative to the largest entry
    np.testing.assert_allclose(flat(result), exact, rtol=0, atol=1e-5 * np.abs(exact).max())
    for parameters, data in ((single, X), (params, X.astype(np.float32))):  # the parameters carry the dtype
        assert flat(FUNCTIONS[name](net, parameters, data, y)).dtype == parameters.dtype


@every_working_pair
def test_no_call_changes_its_inputs(net, name):
    arguments = problem(net)
    before = [flat(argument).copy() for argument in arguments]
    for array in (*arguments[0].W, arguments[0].a, *arguments[1:]):
        array.flags.writeable = False
    first = flat(FUNCTIONS[name](net, *arguments))
    for argument, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(flat(argument), copy)
    np.testing.assert_array_equal(flat(FUNCTIONS[name](net, *arguments)), first)  # nothing is kept from call to call


@every_net
def test_a_resumed_run_leaves_the_first_one_as_it_was(net):
    params, X, y = problem(net)
    options = {"predictions": True, "distances": True, "observe": lambda k, params: k}
    run = mgd.gradient_descent(net, params, X, y, 1e-3, 3, **options)
    before = [np.array(value) for value in (run.loss, run.predictions, run.distances, flat(run.params))]
    mgd.gradient_descent(net, params, X, y, 1e-3, 6, **options, resume=run)
    for now, then in zip((run.loss, run.predictions, run.distances, flat(run.params)), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert (run.steps, len(run.observed)) == (3, 4)
