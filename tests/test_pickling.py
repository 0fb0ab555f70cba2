"""Networks survive `pickle` and `copy.deepcopy`: predictions, gradients and limits keep their bits."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from public_functions import NETS, flat, problem

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.activations import functions as sigmas
from minimal_gd.gaussian import closed_forms


def cubic(z):
    return z + z**3 / 10


def cubic_slope(z):
    return 1 + 3 * z**2 / 10


ACTIVATIONS = {
    **mgd.activations.ACTIVATIONS,
    "a user's functions": mgd.Activation(cubic, cubic_slope, "cubic", polynomial_degree=3),
    "a user's name for relu": mgd.Activation(
        sigmas.relu, sigmas.relu_slope, "mine", lipschitz=1.0, closed_form=closed_forms.RELU
    ),
    "a user's tanh of a built-in's name": mgd.Activation(np.tanh, sigmas.tanh_slope, "softplus"),
}
TRIPS = {
    **{
        f"pickle {protocol}": lambda net, protocol=protocol: pickle.loads(pickle.dumps(net, protocol))
        for protocol in (0, pickle.HIGHEST_PROTOCOL)
    },
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
every_trip = pytest.mark.parametrize("trip", TRIPS.values(), ids=TRIPS)


def assert_same(net, there):
    assert type(there) is type(net)
    assert repr(there) == repr(net)
    params, X, y = problem(net)
    np.testing.assert_array_equal(there.predict(params, X), net.predict(params, X))
    np.testing.assert_array_equal(flat(there.gradient(params, X, y)), flat(net.gradient(params, X, y)))
    (K, error), (K_there, error_there) = (gram.limiting(each, X, tolerance=1e-6) for each in (net, there))
    np.testing.assert_array_equal(K_there, K)
    assert error_there == error


@every_trip
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_every_architecture_is_the_same_after_the_trip(net, trip):
    assert_same(net, trip(net))


@every_trip
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_every_activation_is_the_same_after_the_trip(activation, trip):
    net = mgd.FullyConnected(3, 5, 2, activation)
    there = trip(net)
    assert_same(net, there)
    own = [{**one.__dict__, "_panels": None} for one in (there.activation, activation)]
    assert own[0] == own[1]  # its compiled form and what it states of itself, too; panels are made again
    if activation in mgd.activations.ACTIVATIONS.values():
        assert there.activation is activation


@every_trip
def test_a_leaky_relu_computes_the_same_after_the_trip(trip):
    net = mgd.FullyConnected(3, 5, 2, mgd.activations.leaky_relu(0.1))
    assert_same(net, trip(net))


@every_trip
def test_a_closed_form_that_is_equal_to_relus_gives_its_limits(trip):
    form = trip(dataclasses.replace(closed_forms.RELU, radial=np.copy))
    net = mgd.FullyConnected(3, 5, 2, mgd.Activation(sigmas.relu, sigmas.relu_slope, lipschitz=1.0, closed_form=form))
    copied = mgd.Activation(
        sigmas.relu, sigmas.relu_slope, lipschitz=1.0, closed_form=dataclasses.replace(closed_forms.RELU)
    )
    X = problem(net)[1]
    K, error = gram.limiting(net, X)
    for activation in ("relu", copied):
        exact, own_error = gram.limiting(mgd.FullyConnected(3, 5, 2, activation), X)
        np.testing.assert_allclose(K, exact, rtol=0, atol=error + own_error)


def test_a_lambda_is_refused_by_pickle_itself():
    net = mgd.FullyConnected(3, 5, 2, mgd.Activation(lambda z: 2 * z, lambda z: np.full_like(z, 2.0)))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(net)
    assert_same(net, copy.deepcopy(net))
