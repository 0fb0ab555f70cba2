"""The convolutional ResNet by slow, plain definitions that share no code with the package but the activations."""

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import minimal_gd as mgd


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
