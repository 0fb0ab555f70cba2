"""Whatever a user sets with `np.seterr`, every public function gives the same bits: underflow is no error."""

import math

import numpy as np
import pytest
from public_functions import FUNCTIONS, NETS, every_working_pair, flat, problem

import minimal_gd as mgd
from minimal_gd import data, gaussian, gradcheck, gram, spectra
from minimal_gd.verify.__main__ import main

TINY = [1e-150, 1e-300, 5e-324]
# by name: a function of the size of its inputs
OTHERS = {
    "init": lambda size: mgd.FullyConnected(3, 5, 2).init(0, np.float32),
    "sphere": lambda size: data.sphere(4, 3, seed=0),
    "digits": lambda size: data.digits(4, seed=0)[0],
    "parallel_pairs": lambda size: data.parallel_pairs(size * np.eye(3)),
    "require_no_parallel": lambda size: data.require_no_parallel(np.array([[1.0, size], [size, 1.0]])),
    "spectrum": lambda size: spectra.spectrum(size * np.diag([1.0, 2.0])).largest,
    "spectrum of a mixed matrix": lambda size: spectra.spectrum(np.diag([1.0, size])).smallest,
    "largest_eigenvalue": lambda size: gram.largest_eigenvalue(size * np.eye(3)),
    "limiting": lambda size: gram.limiting(mgd.FullyConnected(2, 3, 2, "tanh"), [[0.6, 0.8 * size], [size, 0.0]])[0],
    "limiting of relu": lambda size: gram.limiting(mgd.TwoLayerReLU(2, 3), [[0.6, size], [size, size]])[0],
    "limiting of gelu": lambda size: gram.limiting(mgd.ResNet(2, 3, 2, "gelu"), [[0.6, size], [size, 0.8]])[0],
    "expectation": lambda size: gaussian.expectation(lambda z: size * z * z),
    "inner_product": lambda size: gradcheck.inner_product(
        *[NETS["ResNet"].init(0).map(lambda W: np.full_like(W, size))] * 2
    ),
    "relative_error": lambda size: gradcheck.relative_error(
        *[NETS["ResNet"].init(0).map(lambda W: np.full_like(W, size))] * 2
    ),
    "random_direction": lambda size: flat(gradcheck.random_direction(NETS["ResNet"].init(0), 0)),
    "a user's activation": lambda size: mgd.Activation(np.sin, np.cos).sigma(np.array([size])),
}


@pytest.mark.parametrize("size", TINY)
@every_working_pair
def test_networks_do_not_depend_on_the_users_error_state(net, name, size):
    params, X, y = problem(net)
    if name == "stable_step_size":
        X[0] *= size  # all of them: no step size is singled out
    else:
        X, y = size * X, size * y
    expected = flat(FUNCTIONS[name](net, params, X, y))
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(flat(FUNCTIONS[name](net, params, X, y)), expected)


@pytest.mark.parametrize("size", TINY)
@pytest.mark.parametrize("name", OTHERS)
def test_nothing_else_depends_on_the_users_error_state(name, size):
    expected = OTHERS[name](size)
    with np.errstate(all="raise"):
        result = OTHERS[name](size)
    for value, there in zip(np.atleast_1d(flat(result)), np.atleast_1d(flat(expected)), strict=True):
        assert value == there


@pytest.mark.parametrize("activation", mgd.activations.ACTIVATIONS)
def test_activations_do_not_depend_on_the_users_error_state(activation):
    activation = mgd.activations.ACTIVATIONS[activation]
    z = np.array([-1e3, -40.0, -30.0, -1e-200, -5e-324, 0.0, 5e-324, 1e-200, 30.0, 40.0, 1e3])
    expected = activation.sigma(z), activation.dsigma(z), activation.c_sigma
    fresh = mgd.Activation(activation._sigma, activation._dsigma)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal([activation.sigma(z), activation.dsigma(z)], expected[:2])
        assert math.isclose(fresh.c_sigma, expected[2], rel_tol=1e-12)


def test_the_table_of_statements_does_not_depend_on_the_users_error_state(capsys):
    with np.errstate(all="raise"):
        assert main(["Lemma B.3", "Equation (1)", "--width", "16"]) in (0, 1)
    assert "Lemma B.3" in capsys.readouterr().out
