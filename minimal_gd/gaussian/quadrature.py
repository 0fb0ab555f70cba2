"""Quadrature rules for E[f(z)], z ~ N(0, 1), in groups that tell how wrong they are.

The trapezoid rule's error falls faster than any power of the step where f is smooth. Where it does not settle, because
of a kink at 0 (leaky ReLU: 1e-4 is wrong in σ′ with 16384 nodes), Gauss-Legendre panels with an edge at 0 come in its
place, if those settle. Either way the error is what coarser rules say it is. The trapezoid rule is compared with itself
at half the nodes, and at every second node: around a jump of f, the two rules of every second node differ by more than
is wrong in the whole; only where f is even do they agree for nothing.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

Elementwise = Callable[[NDArray], NDArray]
# Beyond ±14 the root of the normal density is below 1e-21: nothing that grows like a polynomial is left outside.
_REACH = 14.0
_FEWEST_NODES = 128
_PANEL = 32
# A rule keeps its Hermite polynomials if they are this few numbers.
_KEPT = 2**16


class Rule:
    """Nodes and weights for E[f(z)], and the Hermite polynomials at the nodes.

    Attributes
    ----------
    x, weights : (nodes,) arrays
    """

    def __init__(self, x: NDArray, weights: NDArray) -> None:
        self.x, self.weights = x, weights
        self._basis = np.empty((0, len(x)))

    def basis(self, terms: int) -> NDArray:
        """weights · h_k(x), k < terms, (nodes, terms)."""
        if len(self._basis) >= terms:
            return self._basis[:terms].T
        basis = hermite(self.x, self.weights, terms)
        if basis.size <= _KEPT:
            self._basis = basis
        return basis.T


RuleName = tuple[Callable[[int], list[Rule]], int]  # `trapezoids` or `panels`, and the number of nodes


def hermite(x: NDArray, weights: NDArray, count: int) -> NDArray:
    """weights · h_k(x) for k < count, by h_{k+1} = (x h_k - √k h_{k-1}) / √(k+1).

    Returns
    -------
    (count, len(x)) array
    """
    h = np.empty((count, len(x)))
    h[0] = weights
    if count > 1:
        h[1] = x * weights
    for k in range(1, count - 1):
        np.multiply(x, h[k], out=h[k + 1])
        h[k + 1] -= math.sqrt(k) * h[k - 1]
        h[k + 1] /= math.sqrt(k + 1)
    return h


def trapezoid(count: int) -> tuple[NDArray, NDArray]:
    """Nodes and weights of the trapezoid rule for E[f(z)], z ~ N(0, 1); `count` is even.

    The step is 2L/(count - 1) exactly: the difference of two nodes would carry their rounding.
    """
    step = 2 * _REACH / (count - 1)
    x = (np.arange(count) - (count - 1) / 2) * step
    return x, step / math.sqrt(2 * math.pi) * np.exp(-0.5 * x * x)


def panel(count: int) -> tuple[NDArray, NDArray]:
    """Nodes and weights of Gauss-Legendre panels for E[f(z)], an edge at 0; `count` is a multiple of 64."""
    x, weights = leggauss(_PANEL)
    edges = np.linspace(-_REACH, _REACH, count // _PANEL + 1)
    half = edges[1] - edges[0]
    x = (edges[:-1, None] + half / 2 * (1 + x)).reshape(-1)
    return x, np.tile(weights, count // _PANEL) * half / 2 * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


@cache
def trapezoids(nodes: int) -> list[Rule]:
    """Return the trapezoid rule, and two that should agree with it."""
    x, weights = trapezoid(nodes)
    return [Rule(x, weights), Rule(*trapezoid(nodes // 2)), Rule(x[::2], 2 * weights[::2])]


@cache
def panels(nodes: int) -> list[Rule]:
    """Return the rule of Gauss-Legendre panels, and one that should agree with it."""
    return [Rule(*panel(nodes)), Rule(*panel(nodes // 2))]


def nodes_for(terms: int) -> int:
    """Return a power of 2 of nodes that resolves the last Hermite polynomial, which oscillates √terms times a unit."""
    return 2 ** math.ceil(math.log2(max(_FEWEST_NODES, 32 * math.sqrt(terms))))


def values(f: Elementwise, s: NDArray, x: NDArray) -> NDArray:
    """f(s x), (len(s), len(x))."""
    points = s[:, None] * x
    with np.errstate(over="ignore", invalid="ignore"):
        result = f(points)
    finite = np.isfinite(result)
    if not finite.all():
        raise ValueError(
            f"an activation must be finite wherever it is integrated, got {result[~finite][0]} at "
            f"{points[~finite][0]:.6g}"
        )
    return result
