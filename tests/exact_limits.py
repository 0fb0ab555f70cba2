"""The limits of infinite width in 40 digits, where the Gaussian expectations have closed forms."""

from mpmath import mp, mpf

import minimal_gd as mgd

# Differences are taken in 40 digits: float64 would add its own rounding to what is measured.
mp.dps = 40

# (E[σ(u)], E[σ(u)σ(v)], E[σ′(u)σ′(v)], c_σ) in 40 digits, from (a), (a, b, c), (a, b, c)
EXACT = {
    "sincos": (
        lambda a: mp.exp(-a / 2),
        lambda a, b, c: mp.exp(c - (a + b) / 2),
        lambda a, b, c: mp.exp(c - (a + b) / 2),
        mpf(1),
    ),
    "erf": (
        lambda a: mpf(0),
        lambda a, b, c: 2 / mp.pi * mp.asin(2 * c / mp.sqrt((1 + 2 * a) * (1 + 2 * b))),
        lambda a, b, c: 4 / mp.pi / mp.sqrt((1 + 2 * a) * (1 + 2 * b) - 4 * c * c),
        1 / (2 / mp.pi * mp.asin(mpf(2) / 3)),
    ),
    "relu": (
        lambda a: mp.sqrt(a / (2 * mp.pi)),
        lambda a, b, c: (mp.sqrt(a * b - c * c) + (mp.pi - mp.acos(c / mp.sqrt(a * b))) * c) / (2 * mp.pi),
        lambda a, b, c: (mp.pi - mp.acos(c / mp.sqrt(a * b))) / (2 * mp.pi),
        mpf(2),
    ),
}


def exact_limits(net, name, X):
    """Θ^(1), …, Θ^(H+1) of two samples of a net without positions, the entry (1, 2), in 40 digits."""
    mean, product, slope_product, c_sigma = EXACT[name]
    x, y = ([mpf(float(entry)) for entry in row] for row in X)
    a, b, c = (mp.fdot(one, other) for one, other in ((x, x), (y, y), (x, y)))
    offsets, inputs_, slopes, betas, skips = (mpf(0), mpf(0)), [], [], [], []
    for h in range(1, net.depth + 1):
        skip = h > 1 and isinstance(net, mgd.ResNet)
        beta = mpf(net.c_res) / net.depth if skip else mp.sqrt(c_sigma)
        e = mean(a), mean(b)
        inputs_.append(c)
        slopes.append(slope_product(a, b, c))
        crossed = [(0, 0), (1, 1), (0, 1)]
        cross = [skip * beta * (offsets[i] * e[j] + offsets[j] * e[i]) for i, j in crossed]
        squares = [product(a, a, a), product(b, b, b), product(a, b, c)]
        a, b, c = (
            skip * S + more + beta**2 * square for S, more, square in zip((a, b, c), cross, squares, strict=True)
        )
        offsets = tuple(skip * offset + beta * mean_ for offset, mean_ in zip(offsets, e, strict=True))
        betas.append(beta)
        skips.append(skip)
    theta, B = [c], mpf(1)
    for h in reversed(range(net.depth)):
        theta.insert(0, betas[h] ** 2 * inputs_[h] * slopes[h] * B)
        B = skips[h] * B + betas[h] ** 2 * slopes[h] * B
    return theta
