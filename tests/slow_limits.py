"""The limits of infinite width by a slow recursion over all pairs of positions, and the known ways to get it wrong."""

import math

import numpy as np

import minimal_gd as mgd

VARIANTS = (
    "covariance one layer too low",
    "cross terms with their own index",
    "no b",
    "skip adds the patch covariance",
)


def pair_expectations(f, P, step):
    """E[f(u_il) f(u_jr)] for the covariances P (n, n, p, p): the trapezoid rule in two independent variables."""
    n, p = P.shape[0], P.shape[2]
    z = np.arange(-9, 9 + step / 2, step)
    weights = step * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    variance = np.einsum("iill->il", P)
    a = np.broadcast_to(variance[:, None, :, None], P.shape).reshape(-1)
    b = np.broadcast_to(variance[None, :, None, :], P.shape).reshape(-1)
    root = np.sqrt(a * b)
    rho = np.clip(np.divide(P.reshape(-1), root, out=np.zeros_like(a), where=root > 0), -1, 1)
    first = f(np.sqrt(a)[:, None] * z) * weights
    second = np.zeros_like(first)
    for w, weight in zip(z, weights, strict=True):
        second += weight * f(np.sqrt(b)[:, None] * (rho[:, None] * z + np.sqrt(1 - rho**2)[:, None] * w))
    return (first * second).sum(axis=1).reshape(n, n, p, p)


def means(f, P, step=0.1):
    z = np.arange(-9, 9 + step / 2, step)
    weights = step * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return f(np.sqrt(np.einsum("iill->il", P))[..., None] * z) @ weights


def patch_matrix(net):
    """Give R with R_κ[l, l'] = 1 if l' is what offset κ of the patch around l looks at."""
    if not hasattr(net, "filter_shape"):
        return np.ones((1, 1, 1))
    grid, window = (1, *net.input_shape[1:])[-2:], (1, *net.filter_shape)[-2:]
    places = [(row, column) for row in range(grid[0]) for column in range(grid[1])]
    R = np.zeros((window[0] * window[1], len(places), len(places)))
    for here, (row, column) in enumerate(places):
        for k in range(len(R)):
            place = (row + k // window[1] - window[0] // 2, column + k % window[1] - window[1] // 2)
            if place in places:
                R[k, here, places.index(place)] = 1
    return R


def slow_limits(net, X, variant="", step=0.2):
    """Θ^(1), …, Θ^(H+1) as section by section of the paper, with every pair of positions; or a wrong variant of it.

    Returns
    -------
    theta : (H + 1, n, n) array
    P : list of H arrays, (n, n, p, p)
    """
    sigma, dsigma, H = net.activation.sigma, net.activation.dsigma, net.depth
    R = patch_matrix(net)
    pixels = X.reshape(len(X), -1, net.positions)
    S = np.einsum("icl,jcr->ijlr", pixels, pixels)
    is_fully_connected = isinstance(net, mgd.FullyConnected)
    b, P, D, betas, skips = 0, [], [], [], []
    for h in range(1, H + 1):
        P.append(np.einsum("klm,ijmq,krq->ijlr", R, S, R))
        skip = h > 1 and not is_fully_connected
        beta = net.c_res / H if skip else math.sqrt(net.activation.c_sigma)
        is_low = variant == VARIANTS[0] and h == H > 1
        D.append(pair_expectations(dsigma, P[-2] if is_low else P[-1], step))
        e = means(sigma, P[-1])
        if variant == VARIANTS[2]:
            e = 0 * e
        after = beta**2 * pair_expectations(sigma, P[-1], step)
        if skip:
            after = after + (P[-1] if variant == VARIANTS[3] else S)
            if variant == VARIANTS[1]:
                own = b * e
                after = after + beta * (own[:, None, :, None] + own[None, :, None, :])
            else:
                after = after + beta * (b[:, None, :, None] * e[None, :, None, :])
                after = after + beta * (e[:, None, :, None] * b[None, :, None, :])
        b = (b if skip else 0) + beta * e
        S = after
        betas.append(beta)
        skips.append(skip)
    theta = np.empty((H + 1, len(X), len(X)))
    theta[H] = np.einsum("ijll->ij", S)
    B = np.broadcast_to(np.eye(net.positions), S.shape)
    for h in reversed(range(H)):
        DB = D[h] * B
        theta[h] = betas[h] ** 2 * np.einsum("ijlr,ijlr->ij", P[h], DB)
        B = skips[h] * B + betas[h] ** 2 * np.einsum("kml,ijmq,kqr->ijlr", R, DB, R)
    return theta, P


def inputs(net, n, seed, low=0.3, high=2.0):
    """Random directions, with norms from `low` to `high`."""
    X = np.random.default_rng(seed).standard_normal((n, *net.input_shape))
    norms = np.sqrt((X.reshape(n, -1) ** 2).sum(axis=1))
    return X * (np.geomspace(low, high, n) / norms).reshape(-1, *[1] * len(net.input_shape))
