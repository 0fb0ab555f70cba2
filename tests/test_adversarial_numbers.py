"""Numbers that break programs: in every layer, input and target, a right answer or a clear error.

The right answer is that of 50 digits with exponents that know no overflow. An error is right only where a square on
the way, or a product of sizes on the way back, is beyond 1e300; what underflows may be 0.
"""

import warnings
from decimal import Decimal, localcontext

import numpy as np
import pytest
from exact_networks import EXACTLY, Exact, largest_eigenvalue, norm

import minimal_gd as mgd
from minimal_gd import gradcheck, gram

NETS = {
    "fully connected": mgd.FullyConnected(2, 2, 2, "tanh"),
    "fully connected relu": mgd.FullyConnected(2, 2, 3, "relu"),
    "fully connected square": mgd.FullyConnected(2, 2, 2, "square"),
    "fully connected of width one": mgd.FullyConnected(1, 1, 3, "softplus"),
    "residual": mgd.ResNet(2, 2, 2, "softplus"),
    "residual identity": mgd.ResNet(2, 2, 2, "identity"),
    "residual of width one": mgd.ResNet(2, 1, 3, "tanh"),
    "convolution": mgd.ConvResNet((1, 2), 2, 2, (3,), "softplus"),
    "convolution of images": mgd.ConvResNet((1, 2, 2), 1, 2, (3, 1), "identity"),
    "two layers": mgd.TwoLayerReLU(2, 3),
    "two layers, both trained": mgd.TwoLayerReLU(2, 3, train_output=True),
}


def scaled(weights=1.0, inputs=1.0, targets=1.0, output=None):
    """All weights, inputs and targets times a factor; the output layer by one of its own."""

    def change(params, X, y):
        W = tuple(weights * W for W in params.W)
        return mgd.Parameters(W, (weights if output is None else output) * params.a), inputs * X, targets * y

    return change


def with_inputs(change):
    return lambda params, X, y: (params, change(X.copy()), y)


def opposite(X, angle=0.0):
    """The second sample becomes minus the first, turned by a small angle."""
    first, second = X[0].reshape(-1), X[1].reshape(-1)
    across = second - (second @ first) / (first @ first) * first
    size = np.linalg.norm(first) / max(np.linalg.norm(across), 1e-300)
    X[1] = -(np.cos(angle) * X[0] + np.sin(angle) * (size * across).reshape(X[0].shape))
    return X


def nearly_parallel(X):
    """At an angle of 1e-12."""
    X = opposite(X, 1e-12)
    X[1] *= -1
    return X


def blank(X):
    """All but the first pixel of every channel are 0."""
    X[..., 1:] = 0
    return X


ADVERSARIES = {
    "weights of 1e150": scaled(weights=1e150),
    "weights of 1e-150": scaled(weights=1e-150),
    "weights of 1e300": scaled(weights=1e300),
    "denormal weights": scaled(weights=1e-310),
    "hidden weights of 1e150 and an output of 1e-150": scaled(weights=1e150, output=1e-150),
    "hidden weights of 1e-150 and an output of 1e150": scaled(weights=1e-150, output=1e150),
    "an output of 1e-250 and inputs of 1e250": scaled(output=1e-250, inputs=1e250),
    "an output of 1e250 and inputs of 1e-250": scaled(output=1e250, inputs=1e-250),
    "inputs of 1e150": scaled(inputs=1e150),
    "inputs of 1e-150": scaled(inputs=1e-150),
    "inputs of 1e300": scaled(inputs=1e300),
    "denormal inputs": scaled(inputs=1e-310),
    "targets of 1e150": scaled(targets=1e150),
    "targets of 1e-150": scaled(targets=1e-150),
    "targets of 1e300": scaled(targets=1e300),
    "denormal targets": scaled(targets=1e-310),
    "inputs of 0": scaled(inputs=0.0),
    "weights of 0": scaled(weights=0.0),
    "parallel inputs": with_inputs(lambda X: np.stack([X[0], 3 * X[0]])),
    "nearly parallel inputs": with_inputs(nearly_parallel),
    "opposite inputs": with_inputs(opposite),
    "nearly opposite inputs": with_inputs(lambda X: opposite(X, 1e-12)),
    "blank patches": with_inputs(blank),
    "one sample": lambda params, X, y: (params, X[:1], y[:1]),
    "nothing special": scaled(),
}


# Its step of 1e-100 is not small beside an output of 1e-250, and underflows beside inputs of 1e-250.
BEYOND_THE_COMPLEX_STEP = ("an output of 1e-250 and inputs of 1e250", "an output of 1e250 and inputs of 1e-250")


def direction_of(net):
    return net.init(7)


def descent(net, params, X, y):
    """One step, of a size that changes something and does not diverge."""
    run = mgd.gradient_descent(net, params, X, y, 1e-3, 1, predictions=True, distances=True)
    return [run.loss, run.predictions, run.distances, *run.params.W, run.params.a]


CALLS = {
    "predict": lambda net, params, X, y: [net.predict(params, X)],
    "loss": lambda net, params, X, y: [net.loss(params, X, y)],
    "gradient": lambda net, params, X, y: flat(net.gradient(params, X, y)),
    "empirical": lambda net, params, X, y: list(gram.empirical(net, params, X)),
    "total": lambda net, params, X, y: [gram.total(net, params, X)],
    "stable_step_size": lambda net, params, X, y: [mgd.stable_step_size(net, params, X)],
    "complex_step": lambda net, params, X, y: [gradcheck.complex_step(net, params, X, y, direction_of(net))],
    "gradient_descent": descent,
}


def flat(params):
    return [*params.W, params.a]


def decimals(array):
    return np.array([Decimal(float(entry)) for entry in np.ravel(array)])


def exact_results(net, params, X, y):
    """What every call should give, and how large a number on the way may be."""
    exact = Exact.of(net, params, X, y)
    gradient, grams = exact.derivatives()
    total = sum(grams if net.train_output else grams[:-1])
    top = largest_eigenvalue(total)
    along = sum(G @ V for G, V in zip(map(np.ravel, gradient), map(decimals, flat(direction_of(net))), strict=True))
    loss = exact.loss()
    eta = Decimal("1e-3")
    moved = Exact(net, [W - eta * G for W, G in zip(exact.layers, gradient, strict=True)], exact.X, exact.y)
    distances = [eta * norm(G) for G in gradient]
    results = {
        "predict": [exact.predictions()],
        "loss": [loss],
        "gradient": gradient,
        "empirical": grams,
        "total": [total],
        "stable_step_size": [1 / top if top > 0 else Decimal("inf")],
        "complex_step": [along],
        "gradient_descent": [
            np.array([loss, moved.loss()]),
            np.stack([exact.predictions(), moved.predictions()]),
            np.array([[Decimal(0)] * len(distances), distances]),
            *moved.layers,
        ],
    }
    return results, max(exact.reach(), moved.reach())


def require_right(name, results, expected, size):
    """Within 1e-9 of the largest entry, or of what underflows; the complex step is exact up to t² = 1e-200.

    `size` is that of the largest weight.
    """
    floor = Decimal("1e-303")
    if name == "complex_step":
        floor = Decimal("1e-190")
    elif name == "gradient_descent":
        floor += Decimal("1e-15") * size  # a step that is smaller than the rounding of θ changes nothing
    for ours, theirs in zip(results, expected, strict=True):
        ours, theirs = np.atleast_1d(np.asarray(ours)), np.atleast_1d(np.asarray(theirs, dtype=object))
        assert ours.shape == theirs.shape
        allowed = floor + Decimal("1e-9") * max(abs(entry) for entry in theirs.flat)
        for one, other in zip(ours.flat, theirs.flat, strict=True):
            assert abs(Decimal(float(one)) - other) <= allowed, f"{name}: {one}, not {other:.17g}"


def require_reason(name, message, expected, reach):
    """An error names the arguments, and there is a reason for it."""
    if "must give some gradient" in message:
        assert expected[0] > Decimal("1e300"), message
    elif "grew without bound" in message:
        (before, after), *_ = expected
        assert after > 10**7 * before, message
    else:
        assert "must give finite" in message or "turned non-finite at step" in message
        assert reach > Decimal("1e150"), f"{name}: {message}"


@pytest.mark.parametrize("adversary", ADVERSARIES)
@pytest.mark.parametrize("kind", NETS)
def test_an_answer_is_right_or_there_is_a_clear_error(kind, adversary):
    net = NETS[kind]
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((2, *net.input_shape)), rng.standard_normal(2)
    params, X, y = ADVERSARIES[adversary](net.init(rng), X, y)
    arrays = [*flat(params), X, y]
    before = [array.tobytes() for array in arrays]
    size = max(Decimal(float(np.abs(array).max())) for array in flat(params))
    with localcontext(EXACTLY):
        expected, reach = exact_results(net, params, X, y)
        for name, call in CALLS.items():
            if name == "complex_step" and not (net.activation.analytic and adversary not in BEYOND_THE_COMPLEX_STEP):
                continue
            if name == "gradient_descent" and expected["loss"][0] < Decimal("1e-303"):
                continue  # a loss that underflows is 0, and ends the run
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    results = call(net, params, X, y)
                except (ValueError, mgd.DivergenceError) as error:
                    require_reason(name, str(error), expected[name], reach)
                else:
                    require_right(name, results, expected[name], size)
    assert [array.tobytes() for array in arrays] == before
