"""Every public function that takes arrays, and a small network of every kind to call it with."""

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


NOT_POSITIVE = [0, -0.5, np.nan, np.inf, -np.inf, "0.5", None, True, 1j, [0.5], np.array([0.5]), 10**400]
not_positive = pytest.mark.parametrize("value", NOT_POSITIVE, ids=lambda value: repr(value)[:20])
