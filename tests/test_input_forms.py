"""Good input in any form is taken: memory order, byte order, integers, lists, float32; and none is changed."""

import numpy as np
import pytest
from public_functions import FUNCTIONS, every_net, every_working_pair, flat, problem

import minimal_gd as mgd


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
