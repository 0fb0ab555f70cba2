"""What a network's forward pass alone says: predictions, preactivations, and the Jacobian by the complex step."""

import numpy as np
from numpy.typing import NDArray

from minimal_gd.networks import Network
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters


def predictions(net: Network, params: Parameters, X: NDArray) -> NDArray:
    """u by the plain `forward`, for complex parameters too."""
    work = Workspace.allocate(net, len(X), params.dtype)
    net.fill_features(X, work)
    return net.forward(params, work)


def preactivations(net: Network, params: Parameters, X: NDArray) -> list[NDArray]:
    """Every z^(h) = W^(h) φ_h(x^(h-1))."""
    work = Workspace.allocate(net, len(X), params.dtype)
    net.fill_features(X, work)
    net.forward(params, work)
    return [phi @ W.T for phi, W in zip(work.phi[:-1], params.W, strict=True)]


def jacobians(net: Network, params: Parameters, X: NDArray) -> list[NDArray]:
    """∂u_i/∂θ of every layer, `a` last, each (n, entries), one complex step an entry."""
    t = 1e-30
    layers = []
    for layer in range(net.depth + 1):
        columns = []
        for index in np.ndindex((*params.W, params.a)[layer].shape):
            arrays = [array.astype(complex) for array in (*params.W, params.a)]
            arrays[layer][index] += 1j * t
            u = predictions(net, Parameters(tuple(arrays[:-1]), arrays[-1]), X)
            columns.append(u.imag / t)
        layers.append(np.array(columns).T)
    return layers
