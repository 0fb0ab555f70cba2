"""The pieces of work, as dictionaries that every worker understands, and the data that they start from."""

import numpy as np
from numpy.typing import NDArray

import minimal_gd as mgd

# What rounding may do to the results that are compared, relative to the largest entry or, for weights, to the largest
# change in training: the weights, of order 1, change by 1e-3 and less, so that in float32 they keep few digits of it.
TOLERANCE = {"float64": 1e-10, "float32": 1e-2}


def descent(net: mgd.Network, samples: int, dtype: str = "float64", steps: int = 2, whole: bool = False) -> dict:
    """Descent with a constant step from `net.init(0)`.

    Parameters
    ----------
    net : Network
    samples : int
    dtype : "float64" or "float32"
    steps : int
        How many to time in one turn; what is reported is the time of one.
    whole : bool
        Time a run of `steps` from the start with all that belongs to it, and report its time.
    """
    work = _on(net, samples, dtype) | {"kind": "descent", "steps": steps, "whole": whole}
    return work | {"compared_steps": steps if whole else 5}


def gram(net: mgd.Network, samples: int) -> dict:
    """Every layer's Gram matrix at `net.init(0)`."""
    return _on(net, samples, "float64") | {"kind": "gram"}


def limits(activation: str, samples: int, input_dim: int, depth: int, tolerance: float) -> dict:
    """Every layer's Gram matrix at infinite width, fully connected; two contenders may differ by `tolerance`."""
    net = mgd.FullyConnected(input_dim, 1, depth, activation=activation)
    c_sigma = float(net.activation.c_sigma)
    work = _on(net, samples, "float64") | {"kind": "limits", "activation": activation, "c_sigma": c_sigma}
    return work | {"depth": depth, "totals": False, "tolerance": tolerance}


def _on(net: mgd.Network, samples: int, dtype: str) -> dict:
    return {"net": _described(net), "samples": samples, "dtype": dtype, "tolerance": TOLERANCE[dtype]}


def _described(net: mgd.Network) -> dict:
    """Say what a net is to someone who does not have minimal_gd."""
    kind = type(net).__name__
    is_residual = kind in ("ResNet", "ConvResNet")
    first = net.width**-0.5 if kind == "TwoLayerReLU" else net.first_scale
    later = net.scale(1) if is_residual else first
    return {
        "kind": kind,
        "input_shape": list(net.input_shape),
        "width": net.width,
        "depth": net.depth,
        "filter": net.filter_shape[0] if kind == "ConvResNet" else 0,
        "activation": net.activation.name,
        "scales": [float(first)] + [float(later)] * (net.depth - 1),
        "is_residual": is_residual,
        "train_output": net.train_output,
        "fan_in": list(net.fan_in),
        "positions": net.positions,
    }


def network(work: dict) -> mgd.Network:
    """Make the net of a piece of work."""
    net = work["net"]
    if net["kind"] == "TwoLayerReLU":
        return mgd.TwoLayerReLU(*net["input_shape"], net["width"], train_output=net["train_output"])
    sizes = {"width": net["width"], "depth": net["depth"], "activation": net["activation"]}
    if net["kind"] == "ConvResNet":
        return mgd.ConvResNet(tuple(net["input_shape"]), filter_shape=(net["filter"],), **sizes)
    return getattr(mgd, net["kind"])(*net["input_shape"], **sizes)


def inputs(work: dict) -> dict[str, NDArray]:
    """Draw X on the sphere and what else the work starts from: labels ±1, weights, and a step size that is stable."""
    net = network(work)
    X = mgd.data.sphere(work["samples"], int(np.prod(net.input_shape)), seed=0).reshape(-1, *net.input_shape)
    if work["kind"] == "limits":
        return {"X": X}
    y, params = mgd.data.random_labels(work["samples"], seed=0), net.init(0)
    arrays = {"X": X, "y": y, "a": params.a} | {f"W{h}": W for h, W in enumerate(params.W)}
    arrays = {name: array.astype(work["dtype"]) for name, array in arrays.items()}
    if work["kind"] == "descent":
        arrays["step_size"] = np.array(mgd.stable_step_size(net, params, X))
    return arrays
