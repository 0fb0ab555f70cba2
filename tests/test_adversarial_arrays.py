"""Arrays that break programs: read-only, memory-mapped, of another order, byte order or size, with NaN and inf.

Every public function that takes arrays gives the same for any array of the same numbers, leaves it as it is, to the
byte, and refuses one that holds a number that is not finite, by the argument's name.
"""

import warnings

import numpy as np
import pytest
from public_functions import FUNCTIONS, NETS, REFUSED, every_working_pair, flat, problem

import minimal_gd as mgd
from minimal_gd import gaussian, gradcheck, gram
from minimal_gd.theory import gradients, setting, two_layer

NET = NETS["FullyConnected"]
IMAGES = NETS["ConvResNet 2-D"]
RELU = NETS["TwoLayerReLU"]


def positive_definite(n, seed):
    A = np.random.default_rng(seed).standard_normal((n, 2 * n))
    return np.rint(8 * A @ A.T) / 8 + n * np.eye(n)


def random(*shape):
    """Numbers that float16 holds exactly."""
    return np.rint(64 * np.random.default_rng(0).standard_normal(shape)) / 64


def spectrum(K, X):
    found = mgd.spectra.spectrum(K, net=NET, X=X)
    return [found.smallest, found.largest, found.error, *found.eigenvalues]


def sides(comparison):
    return np.concatenate([np.ravel(comparison.left), np.ravel(comparison.right)])


PARAMS = NET.init(1)
# What takes arrays besides the functions of a network: a call, and good arguments for it by name.
OTHERS = {
    "limiting": (lambda X, X2: gram.limiting(NET, X, X2)[0], {"X": random(4, 3), "X2": random(2, 3)}),
    "limiting of images": (lambda X: gram.limiting(IMAGES, X, tolerance=1e-9)[0], {"X": random(3, 2, 3, 2)}),
    "limiting of relu": (lambda X: gram.limiting(RELU, X, tolerance=1e-6)[0], {"X": random(4, 3)}),
    "kernel_regression": (
        lambda K, y, K_new: mgd.kernel_regression(K, y, K_new),
        {"K": positive_definite(4, 1), "y": random(4), "K_new": random(2, 4)},
    ),
    "spectrum": (spectrum, {"K": positive_definite(4, 1), "X": random(4, 3)}),
    "largest_eigenvalue": (lambda G: gram.largest_eigenvalue(G), {"G": positive_definite(4, 1)}),
    "mean": (lambda variance: np.stack(gaussian.mean(np.tanh, variance)), {"variance": np.array([0.5, 2.0])}),
    "second_moment": (
        lambda variance: np.stack(gaussian.second_moment(np.tanh, variance)),
        {"variance": np.array([0.5, 2.0])},
    ),
    "product": (
        lambda a, b, c: np.stack(gaussian.product(np.tanh, np.sin, a, b, c)),
        {"a": np.array([0.5, 2.0]), "b": np.array([1.0, 0.25]), "c": np.array([0.25, -0.5])},
    ),
    "corrupted_labels": (lambda y: mgd.data.corrupted_labels(y, 0.5, seed=0), {"y": random(6)}),
    "parallel_pairs": (lambda X: np.array(mgd.data.parallel_pairs(X)), {"X": np.vstack([random(3, 2), -random(3, 2)])}),
    "require_no_parallel": (lambda X: mgd.data.require_no_parallel(X) or np.zeros(1), {"X": random(4, 3)}),
    "sigma": (lambda z: mgd.activations.get("gelu").sigma(z), {"z": random(5)}),
    "dsigma": (lambda z: mgd.activations.get("gelu").dsigma(z), {"z": random(5)}),
    "inner_product": (
        lambda second: gradcheck.inner_product(PARAMS, mgd.Parameters(PARAMS.W, second)),
        {"second": random(5)},
    ),
    "relative_error": (
        lambda exact: gradcheck.relative_error(PARAMS, mgd.Parameters(PARAMS.W, exact)),
        {"exact": random(5)},
    ),
    "Equation (1)": (lambda X, y: sides(setting.loss(NET, PARAMS, X, y)), {"X": random(4, 3), "y": random(4)}),
    "Equation (2)": (lambda X: sides(setting.predictions(NET, PARAMS, X)), {"X": random(4, 3)}),
    "Equation (12)": (
        lambda X, y: sides(gradients.layer_gradients(NET, PARAMS, X, y)),
        {"X": random(4, 3), "y": random(4)},
    ),
    "the companion's Equation (2)": (
        lambda X, y: sides(two_layer.equation_2(RELU, RELU.init(1), X, y)),
        {"X": random(4, 3), "y": random(4)},
    ),
    "the companion's Equation (4)": (
        lambda X, y: sides(two_layer.equation_4(RELU, RELU.init(1), X, y)),
        {"X": random(4, 3), "y": random(4)},
    ),
    "G^(H+1)": (lambda X: sides(gradients.output_gram(NET, PARAMS, X)), {"X": random(4, 3)}),
    "G^(h)": (lambda X: sides(gradients.layer_grams(NET, PARAMS, X)), {"X": random(4, 3)}),
}
FORMS = {
    "read-only": lambda array, path: _read_only(array.copy()),
    "memory-mapped": lambda array, path: _mapped(array, path, "c"),
    "memory-mapped, read-only": lambda array, path: _mapped(array, path, "r"),
    "Fortran order": lambda array, path: np.asfortranarray(array),
    "transposed": lambda array, path: np.ascontiguousarray(array.T).T,
    "every other entry": lambda array, path: np.repeat(array, 2, axis=-1)[..., ::2],
    "backwards": lambda array, path: array[::-1].copy()[::-1],
    "big-endian": lambda array, path: array.astype(">f8"),
    "not aligned": lambda array, path: _not_aligned(array),
    "float16": lambda array, path: array.astype(np.float16),
    "long double": lambda array, path: array.astype(np.longdouble),
    "lists": lambda array, path: array.tolist(),
}


def _read_only(array):
    array.flags.writeable = False
    return array


def _mapped(array, path, mode):
    np.save(path, array)
    return np.load(path, mmap_mode=mode)


def _not_aligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    raw[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return raw[1:].view(array.dtype).reshape(array.shape)


def bytes_of(array):
    return array.tobytes() if isinstance(array, np.ndarray) else repr(array)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OTHERS)
def test_the_form_of_good_arrays_makes_no_difference(name, form, tmp_path):
    call, arguments = OTHERS[name]
    expected = np.asarray(call(**arguments))
    formed = {key: FORMS[form](array, tmp_path / f"{key}.npy") for key, array in arguments.items()}
    before = [bytes_of(array) for array in formed.values()]
    result = np.asarray(call(**formed))
    assert [bytes_of(array) for array in formed.values()] == before
    assert result.dtype.isnative
    # sums in another order: some hundred roundings of the largest entry
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-13 * max(1, np.abs(expected).max(initial=0)))


@every_working_pair
@pytest.mark.parametrize("form", ["memory-mapped", "memory-mapped, read-only", "not aligned", "float16"])
def test_the_form_of_a_networks_arrays_makes_no_difference(net, name, form, tmp_path):
    params, *data = problem(net)
    arrays = [np.rint(64 * array) / 64 for array in (*params.W, params.a, *data)]
    formed = [FORMS[form](array, tmp_path / f"{place}.npy") for place, array in enumerate(arrays)]
    results = []
    for given in (arrays, formed):
        *W, a, X, y = given
        before = [bytes_of(array) for array in given]
        results.append(flat(FUNCTIONS[name](net, mgd.Parameters(tuple(W), a), X, y)))
        assert [bytes_of(array) for array in given] == before
    assert results[1].dtype == np.float64
    # Another path for arrays that are not aligned; a central difference divides roundings by ε^(1/3).
    rounding = 1e-9 if name in ("central_difference", "gradient_by") else 1e-13
    np.testing.assert_allclose(*results, rtol=0, atol=rounding * max(1, np.abs(results[0]).max()))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("dtype", ["int8", "uint16", "bool"])
def test_integers_give_the_same_as_floats(name, dtype):
    call, arguments = OTHERS[name]
    whole = {key: np.abs(np.rint(array)) for key, array in arguments.items()}
    if dtype == "bool":
        whole = {key: (array > 0).astype(float) for key, array in arguments.items()}
        for key in whole.keys() & {"K", "G"}:
            whole[key] = np.eye(len(whole[key]))
    result, expected = (
        _outcome(lambda kind=kind: call(**{key: array.astype(kind) for key, array in whole.items()}))
        for kind in (dtype, float)
    )
    np.testing.assert_array_equal(result, expected)


def _outcome(call):
    """What it gives, or the words that it refuses with."""
    try:
        return np.asarray(call())
    except ValueError as error:
        return np.array(str(error))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", OTHERS)
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(name, bad):
    call, arguments = OTHERS[name]
    for key, array in arguments.items():
        for place in np.ndindex(array.shape):
            spoilt = array.copy()
            spoilt[place] = bad
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with pytest.raises(REFUSED, match=rf"^{key}\b.* must be finite.* got {bad}"):
                    call(**arguments | {key: spoilt})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_a_weight_input_or_target_that_is_not_finite_is_refused_wherever_it_stands(net, bad):
    params, X, y = problem(net, n=2)
    named = {f"params.W[{h}]": W for h, W in enumerate(params.W)} | {"params.a": params.a, "X": X, "y": y}
    for key, array in named.items():
        for place in np.ndindex(array.shape):
            good, array[place] = array[place], bad
            with pytest.raises(REFUSED) as caught:
                net.gradient(params, X, y)
            assert str(caught.value).startswith(f"{key} must be finite")
            array[place] = good
