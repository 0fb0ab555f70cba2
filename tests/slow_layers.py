"""The layers of a network at finite width, by the plain definitions."""

import math

import numpy as np
from slow_limits import patch_matrix

import minimal_gd as mgd


def forward(net, params, X):
    """x^(1), …, x^(H), and what the last layer sees: φ, σ′; (n, p, ·) each, by the definitions of `slow_limits`."""
    R = patch_matrix(net)
    x = np.moveaxis(X.reshape(len(X), -1, net.positions), 1, 2)
    layers, features, branches = [], [], []
    for h, W in enumerate(params.W):
        phi = np.einsum("klq,iqc->ilck", R, x).reshape(len(x), net.positions, -1)
        z = phi @ W.T
        is_first = h == 0 or isinstance(net, mgd.FullyConnected)
        scale = math.sqrt(net.activation.c_sigma) if is_first else net.c_res / net.depth
        branches.append(net.activation.sigma(z))
        x = (0 if is_first else x) + scale / math.sqrt(net.width) * branches[-1]
        layers.append(x)
        features.append(phi)
    return layers, features, branches, scale * net.activation.dsigma(z) / math.sqrt(net.width)
