"""What a network computes layer by layer: for all samples as the program does it, and for one as the paper writes it.

Samples are rows in the program. Here x^(h) of one sample is the paper's (m, p) matrix, with a column for every
position, and φ_h stacks the patches by plain slices of the padded image.
"""

from typing import NamedTuple

import numpy as np

from minimal_gd._runtime.arrays import Array
from minimal_gd._runtime.content import by_content
from minimal_gd.networks import ConvResNet
from minimal_gd.networks.base import Network, arguments
from minimal_gd.parameters import Parameters


@by_content
class HiddenLayers(NamedTuple):
    """Every layer of every sample, position by position.

    Attributes
    ----------
    x : list of H + 1 arrays
        `x[h]`, (n, p, m), is x^(h); `x[0]`, (n, p, channels), the input.
    phi : list of H arrays
        `phi[h]`, (n, p, k_{h+1}), is φ_{h+1}(x^(h)), what W^(h+1) is applied to; `x[h]` itself without a convolution.
    """

    x: list[Array]
    phi: list[Array]


def hidden_layers(net: Network, params: Parameters, X: Array) -> HiddenLayers:
    """Go forward, and keep every layer.

    Parameters
    ----------
    net : Network
    params : Parameters
    X : (n, *input_shape) array

    Raises
    ------
    TypeError, ValueError
        As `net.predict`.
    """
    params, X = arguments(net, params, X)
    blocks = []
    for _, work in net.workspaces(X, params.dtype):
        net.forward(params, work)
        blocks.append([phi.reshape(len(work.u), net.positions, -1) for phi in work.phi])
    phi = [np.concatenate(layer) for layer in zip(*blocks, strict=True)]
    q = filter_size(net)
    return HiddenLayers([patch[:, :, q // 2 :: q] for patch in phi[:-1]] + [phi[-1]], phi[:-1])


def filter_size(net: Network) -> int:
    """q, the number of pixels of a patch: 1 without a convolution."""
    return net.fan_in[0] // net.input_shape[0]


@by_content
class Column(NamedTuple):
    """Layer h of one sample, x^(h) = κ x^(h-1) + s σ(z^(h)).

    Attributes
    ----------
    skip, scale : float
        κ, 0 or 1, and s: √(c_σ/m), or c_res/(H√m) after a skip connection.
    phi : (k_h, p) array
        φ_h(x^(h-1)).
    z, x : (m, p) arrays
        z^(h) = W^(h) φ_h(x^(h-1)), and x^(h).
    """

    skip: float
    scale: float
    phi: Array
    z: Array
    x: Array


def column_layers(net: Network, params: Parameters, x: Array) -> list[Column]:
    """Every layer of one sample, as equations (2) and (3) and section 7 write them.

    Parameters
    ----------
    net : Network
    params : Parameters
    x : input_shape array
        One sample.
    """
    x = x.reshape(net.input_shape[0], -1)
    columns = []
    for h, W in enumerate(params.W, start=1):
        skip, beta = net.limit_layer(h)
        scale = beta / np.sqrt(net.width)
        phi = patches(net, x)
        z = W @ phi
        after = scale * net.activation.sigma(z)
        x = x + after if skip else after
        columns.append(Column(skip, scale, phi, z, x))
    return columns


def patches(net: Network, x: Array) -> Array:
    """φ(x): (channels, p) to (channels·q, p), the patch around every position, zeros beyond the border.

    Paper: section 7.
    """
    if filter_size(net) == 1:
        return x
    if not isinstance(net, ConvResNet):
        raise TypeError(f"net must be a ConvResNet to see patches, got {net}")
    rows, columns = (1, *net.input_shape[1:])[-2:]
    window = (1, *net.filter_shape)[-2:]
    image = x.reshape(len(x), rows, columns)
    padded = np.pad(image, [(0, 0), *((size // 2, size // 2) for size in window)])
    shifted = [padded[:, r : r + rows, c : c + columns] for r in range(window[0]) for c in range(window[1])]
    return np.stack(shifted, axis=1).reshape(-1, rows * columns)
