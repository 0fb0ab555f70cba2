"""Make `references.json`: Gaussian expectations to 25 digits, by mpmath, sharing no code with the package.

    python tests/make_references.py

takes some minutes. E[f(u) g(v)] with (u, v) ~ N(0, (a, c; c, b)) is a double integral over independent z, w,
u = √a z, v = c/√a z + √(b - c²/a) w, here by the trapezoid rule in both, with 35 digits. Where f is relu, whose kink
spoils that rule, the inner integral is done by hand and the outer one by mpmath's quadrature from the kink on.
"""

import json
from pathlib import Path

from mpmath import mp, mpf

mp.dps = 35

SMOOTH = {
    "softplus": (lambda z: mp.log1p(mp.exp(z)), lambda z: 1 / (1 + mp.exp(-z))),
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + mp.exp(-z)), lambda z: 1 / (2 * mp.cosh(z / 2)) ** 2),
    "erf": (mp.erf, lambda z: 2 / mp.sqrt(mp.pi) * mp.exp(-z * z)),
    "gelu": (lambda z: z * mp.ncdf(z), lambda z: mp.ncdf(z) + z * mp.npdf(z)),
    "silu": (lambda z: z / (1 + mp.exp(-z)), lambda z: (1 + mp.exp(-z) * (1 + z)) / (1 + mp.exp(-z)) ** 2),
    "sincos": (lambda z: mp.sin(z) + mp.cos(z), lambda z: mp.cos(z) - mp.sin(z)),
    "identity": (lambda z: z, lambda z: mpf(1)),
    "square": (lambda z: z * z, lambda z: 2 * z),
}
# Variances a, b and covariance c: unit ones, unequal ones, nearly and exactly parallel and antipodal ones, tiny ones.
POINTS = [
    (1.0, 1.0, 0.3),
    (1.0, 1.0, -0.95),
    (1.0, 1.0, 0.999999),
    (1.0, 1.0, 1.0),
    (1.0, 1.0, -1.0),
    (0.25, 2.25, 0.5),
    (4.0, 0.5, -1.2),
    (1e-12, 1.0, 5e-7),
    (1e-6, 1e-8, -3e-8),
    (6.25, 0.25, -1.25),
    (6.25, 6.25, 4.5),
]


def trapezoid(function, step, reach=12.5):
    """∫ function(z) φ(z) dz."""
    count = int(reach / step)
    nodes = (k * step for k in range(-count, count + 1))
    return step * mp.fsum(function(z) * mp.npdf(z) for z in nodes)


def smooth_pair(f, g, a, b, c):
    """E[f(u) f(v)] and E[g(u) g(v)], on one grid; and E[f(u)]."""
    a, b, c = mpf(a), mpf(b), mpf(c)
    step = min(mpf("0.2"), mpf("0.14") / mp.sqrt(max(a, b)))
    s, along, across = mp.sqrt(a), c / mp.sqrt(a), mp.sqrt(max(b - c * c / a, 0))
    mean = trapezoid(lambda z: f(s * z), step)
    if across == 0:
        return *(trapezoid(lambda z, h=h: h(s * z) * h(along * z), step) for h in (f, g)), mean
    count = int(mpf("12.5") / step)
    grid = [(k * step, step * mp.npdf(k * step)) for k in range(-count, count + 1)]
    sums = [mpf(0), mpf(0)]
    for z, weight in grid:
        rows = [(inner, along * z + across * w) for w, inner in grid if weight * inner > mpf(10) ** -34]
        for i, h in enumerate((f, g)):
            sums[i] += weight * h(s * z) * mp.fsum(inner * h(v) for inner, v in rows)
    return sums[0], sums[1], mean


def relu_pair(a, b, c):
    """Inner integrals: E[max(m + τw, 0)] = m Φ(m/τ) + τ φ(m/τ), and P(m + τw > 0) = Φ(m/τ)."""
    a, b, c = mpf(a), mpf(b), mpf(c)
    s, along, tau = mp.sqrt(a), c / mp.sqrt(a), mp.sqrt(max(b - c * c / a, 0))

    def value(m):
        return m * mp.ncdf(m / tau) + tau * mp.npdf(m / tau) if tau > 0 else max(m, mpf(0))

    def chance(m):
        return mp.ncdf(m / tau) if tau > 0 else mpf(m > 0)

    # the inner integral turns within about τ/|along| of 0
    scale = tau / abs(along) if along != 0 and tau > 0 else mpf(1)
    pieces = sorted({mpf(0), mpf(1), mpf(3), mpf(7), mpf(14)} | {k * scale for k in (1, 4, 10, 20) if k * scale < 14})
    product = mp.quad(lambda z: s * z * mp.npdf(z) * value(along * z), pieces)
    slope_product = mp.quad(lambda z: mp.npdf(z) * chance(along * z), pieces)
    return product, slope_product, s / mp.sqrt(2 * mp.pi)


def main():
    """Write the file next to this script."""
    references = []
    for name in [*SMOOTH, "relu"]:
        for a, b, c in POINTS:
            values = relu_pair(a, b, c) if name == "relu" else smooth_pair(*SMOOTH[name], a, b, c)
            product, slope_product, mean = (mp.nstr(value, 25) for value in values)
            references.append(
                {"activation": name, "abc": [a, b, c], "product": product, "slope_product": slope_product, "mean": mean}
            )
            print(name, a, b, c, product, slope_product, flush=True)
    path = Path(__file__).with_name("references.json")
    path.write_text(json.dumps(references, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
