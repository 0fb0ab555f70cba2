"""Slow, plain definitions to compare with: they share no code with the package but the activations."""

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import minimal_gd as mgd
from minimal_gd.networks.workspace import Workspace


def predictions(net: mgd.Network, params: mgd.Parameters, X: NDArray) -> NDArray:
    """u by the plain `forward`, for complex parameters too."""
    work = Workspace.allocate(net, len(X), params.dtype)
    net.fill_features(X, work)
    return net.forward(params, work)


def preactivations(net: mgd.Network, params: mgd.Parameters, X: NDArray) -> list[NDArray]:
    """Every z^(h) = W^(h) φ_h(x^(h-1))."""
    work = Workspace.allocate(net, len(X), params.dtype)
    net.fill_features(X, work)
    net.forward(params, work)
    return [phi @ W.T for phi, W in zip(work.phi[:-1], params.W, strict=True)]


def jacobians(net: mgd.Network, params: mgd.Parameters, X: NDArray) -> list[NDArray]:
    """∂u_i/∂θ of every layer, `a` last, each (n, entries), one complex step an entry."""
    t = 1e-30
    layers = []
    for layer in range(net.depth + 1):
        columns = []
        for index in np.ndindex((*params.W, params.a)[layer].shape):
            arrays = [array.astype(complex) for array in (*params.W, params.a)]
            arrays[layer][index] += 1j * t
            u = predictions(net, mgd.Parameters(tuple(arrays[:-1]), arrays[-1]), X)
            columns.append(u.imag / t)
        layers.append(np.array(columns).T)
    return layers


def conv_resnet_by_correlate(net: mgd.ConvResNet, params: mgd.Parameters, X: NDArray) -> NDArray:
    """The convolutional ResNet by SciPy's correlate, one pair of channels at a time."""

    def convolve(W: NDArray, x: NDArray) -> NDArray:
        filters = W.reshape(net.width, len(x), *net.filter_shape)
        return np.array(
            [
                sum(ndimage.correlate(x[c], weights[c], mode="constant", cval=0.0) for c in range(len(x)))
                for weights in filters
            ]
        )

    return np.array([_conv_resnet(net, params, x, convolve) for x in X])


def conv_resnet_by_loops(net: mgd.ConvResNet, params: mgd.Parameters, X: NDArray) -> NDArray:
    """The convolutional ResNet as the paper writes it: a sum over channels and offsets at every position."""

    def convolve(W: NDArray, x: NDArray) -> NDArray:
        z = np.zeros((net.width, *x.shape[1:]))
        offsets = list(itertools.product(*(range(q) for q in net.filter_shape)))
        for r, position in itertools.product(range(net.width), np.ndindex(x.shape[1:])):
            for channel, (kappa, offset) in itertools.product(range(len(x)), enumerate(offsets)):
                source = tuple(
                    place + o - q // 2 for place, o, q in zip(position, offset, net.filter_shape, strict=True)
                )
                if all(0 <= s < size for s, size in zip(source, x.shape[1:], strict=True)):
                    z[(r, *position)] += W[r, channel * len(offsets) + kappa] * x[(channel, *source)]
        return z

    return np.array([_conv_resnet(net, params, x, convolve) for x in X])


def _conv_resnet(net, params, x, convolve):
    sigma, m, H = net.activation.sigma, net.width, net.depth
    x = np.sqrt(net.activation.c_sigma / m) * sigma(convolve(params.W[0], x))
    for W in params.W[1:]:
        x = x + net.c_res / (H * np.sqrt(m)) * sigma(convolve(W, x))
    return np.sum(params.a * x.reshape(m, -1))
