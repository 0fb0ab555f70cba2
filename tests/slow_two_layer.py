"""The companion's network in plain loops: predictions, Gram matrices, their limits by mpmath, flow by small steps."""

import math

import mpmath as mp
import numpy as np

import minimal_gd as mgd
from minimal_gd.theory import two_layer_path

CORNERS = np.eye(2)
SIGNS = np.array([1.0, -1.0])
TIMES = np.array([0.5, 1.0, 2.0])
INPUTS = mgd.data.sphere(3, 4, seed=1) * np.array([[1.0], [0.5], [2.0]])


def predictions(W, a, X):
    return np.array([a @ np.maximum(W @ x, 0) for x in X]) / math.sqrt(len(a))


def euler(params, X, y, times, step=5e-4):
    """W at the given times by explicit steps: the error is of the order of the step."""
    W, a = params.W[0].copy(), params.a
    weights = [W.copy()]
    for span in np.diff(times, prepend=0):
        steps = round(span / step)
        for _ in range(steps):
            z = W @ X.T
            residual = a @ np.maximum(z, 0) / math.sqrt(len(a)) - y
            W -= span / steps * ((z >= 0) * residual * a[:, None]) @ X / math.sqrt(len(a))
        weights.append(W.copy())
    return weights


def gram_loop(W, X):
    return np.array([[x @ z * np.mean((W @ x >= 0) & (W @ z >= 0)) for z in X] for x in X])


def orthogonal(width=2000, y=SIGNS, seed=0, times=TIMES):
    """Two orthogonal inputs: H^∞ = I/2."""
    net = mgd.TwoLayerReLU(2, width)
    return two_layer_path.gradient_path(net, net.init(seed), CORNERS, y, times)


def digits_of(X, formula):
    """A matrix by mpmath: formula(⟨x_i, x_j⟩, ‖x_i‖‖x_j‖) of every pair."""

    def dot(x, z):
        return mp.fsum(mp.mpf(a) * mp.mpf(b) for a, b in zip(x, z, strict=True))

    with mp.workdps(40):
        return np.array([[float(formula(dot(x, z), mp.sqrt(dot(x, x) * dot(z, z)))) for z in X] for x in X])


def h_of(c, norms):
    return c * (mp.pi - mp.acos(min(max(c / norms, -1), 1))) / (2 * mp.pi)


def g_of(c, norms):
    rho = min(max(c / norms, -1), 1)
    return norms * (mp.sqrt(1 - rho**2) + rho * (mp.pi - mp.acos(rho))) / (2 * mp.pi)


def two_inputs(angle):
    return np.array([[1, 0], [math.cos(angle), math.sin(angle)]])
