"""Hermite coefficients a_k(s) = E[f(sz) h_k(z)], z ~ N(0, 1), with an error that is measured, not hoped for.

The h_k are the normalised Hermite polynomials, E[h_j h_k] = 1 if j = k, else 0. By Mehler's formula, for jointly
Gaussian (u, v) of standard deviations s, t and correlation ρ,

    E[f(u) g(v)] = Σ_k a_k(s) b_k(t) ρ^k,

a polynomial in ρ once the coefficients are known: one quadrature for every distinct variance, not one for every pair.

The quadrature is the trapezoid rule, whose error falls faster than any power of the step where f is smooth. Where it
does not settle, because of a kink at 0 (leaky ReLU: 1e-4 is wrong in σ′ with 16384 nodes), Gauss-Legendre panels with
an edge at 0 come in its place, if those settle. Either way the error is what coarser rules say it is. The trapezoid
rule is compared with itself at half the nodes, and at every second node: around a jump of f, the two rules of every
second node differ by more than is wrong in the whole; only where f is even do they agree for nothing.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

Elementwise = Callable[[NDArray], NDArray]
Rule = tuple[NDArray, NDArray]  # nodes and weights

ROUNDING = 2.0**-53
# Beyond ±14 the root of the normal density is below 1e-21: nothing that grows like a polynomial is left outside.
_REACH = 14.0
_FEWEST_NODES = 128
_PANEL = 32
# Rules that agree up to this, relative to √E[f²], differ by rounding.
SETTLED = 128 * ROUNDING
_MOST_NODES = 2**14
_MOST_TERMS = 4096
# With many variances at once, so many rows at a time, so many nodes, and so many coefficients in all.
_ROWS = 512
_MOST_SHARED_NODES = 2**12
_MOST_COEFFICIENTS = 2**27


class Coefficients(NamedTuple):
    """The first K Hermite coefficients of f(s·), one row for every standard deviation s.

    Attributes
    ----------
    a : (g, K) array
        a_k(s), k = 0, …, K - 1.
    second_moment : (g,) array
        E[f(sz)²] = Σ_k a_k(s)², over all k.
    tail : (g,) array
        An upper bound of Σ_{k ≥ K} a_k(s)²: what Parseval's sum lacks, and its rounding.
    error : (g,) array
        A bound on the Euclidean norm of the error of a row of `a`, and on that of √second_moment.
    """

    a: NDArray
    second_moment: NDArray
    tail: NDArray
    error: NDArray


def inverse(norm: NDArray) -> NDArray:
    """1/norm, and 0 for 0: what has no norm has no error."""
    return np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)


def trapezoid(count: int) -> tuple[NDArray, NDArray]:
    """Nodes and weights of the trapezoid rule for E[f(z)], z ~ N(0, 1); `count` is even.

    The step is 2L/(count - 1) exactly: the difference of two nodes would carry their rounding.
    """
    step = 2 * _REACH / (count - 1)
    x = (np.arange(count) - (count - 1) / 2) * step
    return x, step / math.sqrt(2 * math.pi) * np.exp(-0.5 * x * x)


def panels(count: int) -> tuple[NDArray, NDArray]:
    """Nodes and weights of Gauss-Legendre panels for E[f(z)], an edge at 0; `count` is a multiple of 64."""
    x, weights = leggauss(_PANEL)
    edges = np.linspace(-_REACH, _REACH, count // _PANEL + 1)
    half = edges[1] - edges[0]
    x = (edges[:-1, None] + half / 2 * (1 + x)).reshape(-1)
    return x, np.tile(weights, count // _PANEL) * half / 2 * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _trapezoids(nodes: int) -> list[Rule]:
    """Return the rule, and two that should agree with it."""
    x, weights = trapezoid(nodes)
    return [(x, weights), trapezoid(nodes // 2), (x[::2], 2 * weights[::2])]


def _panels(nodes: int) -> list[Rule]:
    """Return the rule, and one that should agree with it."""
    return [panels(nodes), panels(nodes // 2)]


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


def coefficients(
    f: Elementwise, s: NDArray, tail: float, rho: float = 1.0, terms: int = 32, least: int = 1
) -> Coefficients:
    """Hermite coefficients of f(s·) until what is left of the series is below `tail`.

    Every row gets the same number of terms: Cauchy and Schwarz bound the rest of a series by the two tails only if
    both begin at the same term.

    Parameters
    ----------
    f : callable
        Takes a float64 array and returns f of each entry.
    s : (g,) array
        Standard deviations ≥ 0.
    tail : float > 0
        Terms are added until rho^K · Σ_{k ≥ K} a_k² ≤ tail · E[f(sz)²] for every s, or the most terms are reached.
    rho : float in [0, 1]
        The largest |ρ| that the series is meant for.
    terms, least : int
        How many to begin with, and how many to return at least; least ≤ terms.

    Returns
    -------
    Coefficients
        What could not be met shows in its `tail` and its `error`.

    Raises
    ------
    ValueError
        If f is not finite somewhere within 14 s.
    """
    order = np.argsort(-s)  # the largest s needs the most nodes and terms
    chunks = np.array_split(order, math.ceil(len(s) / _ROWS))
    most_terms = min(_MOST_TERMS, max(terms, _MOST_COEFFICIENTS // len(s)))
    parts: list[Coefficients] = []
    nodes, needed = _nodes_for(terms), least
    for rows in chunks:
        part, enough, nodes = _adaptive(f, s[rows], tail, rho, nodes, terms, most_terms)
        terms, needed = part.a.shape[1], max(needed, enough)
        parts.append(part._replace(a=part.a[:, :needed].copy()))
    for i, rows in enumerate(chunks):
        if parts[i].a.shape[1] < needed:
            parts[i], _, _ = _adaptive(f, s[rows], tail, rho, nodes, needed, needed)

    a = np.empty((len(s), needed))
    second_moment, error = np.empty(len(s)), np.empty(len(s))
    for rows, part in zip(chunks, parts, strict=True):
        a[rows], second_moment[rows], error[rows] = part.a[:, :needed], part.second_moment, part.error
    return Coefficients(a, second_moment, _left(a, second_moment)[:, -1], error)


def _adaptive(
    f: Elementwise, s: NDArray, tail: float, rho: float, nodes: int, terms: int, most_terms: int
) -> tuple[Coefficients, int, int]:
    """Double nodes and terms until both are enough; tell how many terms would do, and how many nodes it took."""
    while True:
        part, nodes = _resolved(f, s, _trapezoids, nodes, terms)
        if not _is_resolved(part):
            with_panels, _ = _resolved(f, s, _panels, 2 * _nodes_for(terms), terms)
            part = with_panels if _is_resolved(with_panels) else part
        reach = rho ** np.arange(1, terms + 1)
        too_much = _left(part.a, part.second_moment) * reach > max(tail, SETTLED) * part.second_moment[:, None]
        needed = int(too_much.sum(axis=1).max()) + 1  # what is left only falls
        if needed <= terms or terms >= most_terms:
            return part, min(needed, terms), nodes
        terms = min(2 * terms, most_terms)
        nodes = max(nodes, _nodes_for(terms))


def _resolved(
    f: Elementwise, s: NDArray, rules: Callable[[int], list[Rule]], nodes: int, terms: int
) -> tuple[Coefficients, int]:
    """Double the nodes until the rules agree, or there are too many."""
    most_nodes = _MOST_NODES if len(s) == 1 else _MOST_SHARED_NODES
    while True:
        part = _evaluated(f, s, rules(nodes), terms)
        if _is_resolved(part) or nodes >= most_nodes:
            return part, nodes
        nodes *= 2


def _is_resolved(part: Coefficients) -> bool:
    return bool(np.all(part.error <= SETTLED * np.sqrt(part.second_moment)))


def _nodes_for(terms: int) -> int:
    """Return a power of 2 of nodes that resolves the last Hermite polynomial, which oscillates √terms times a unit."""
    return 2 ** math.ceil(math.log2(max(_FEWEST_NODES, 32 * math.sqrt(terms))))


def _evaluated(f: Elementwise, s: NDArray, rules: list[Rule], terms: int) -> Coefficients:
    """Apply the first rule; the others tell its error."""
    (a, second_moment), *others = (_applied(f, s, *rule, terms) for rule in rules)
    norm = np.sqrt(second_moment)
    # A rule is orthonormal on the h_k, or less, so rounded values of f move the coefficients by their own norm.
    differences = [
        2 * np.maximum(np.linalg.norm(a - other, axis=1), np.abs(second_moment - other_moment) * inverse(2 * norm))
        for other, other_moment in others
    ]
    error = np.max(differences, axis=0) + 8 * ROUNDING * norm
    return Coefficients(a, second_moment, _left(a, second_moment)[:, -1], error)


def _applied(f: Elementwise, s: NDArray, x: NDArray, weights: NDArray, terms: int) -> tuple[NDArray, NDArray]:
    points = s[:, None] * x
    with np.errstate(over="ignore", invalid="ignore"):
        values = f(points)
    finite = np.isfinite(values)
    if not finite.all():
        raise ValueError(
            f"an activation must be finite wherever it is integrated, got {values[~finite][0]} at "
            f"{points[~finite][0]:.6g}"
        )
    return values @ hermite(x, weights, terms).T, np.square(values) @ weights


def _left(a: NDArray, second_moment: NDArray) -> NDArray:
    """Σ_{j > k} a_j² for every k, by Parseval, with the rounding of the sum on top."""
    total = second_moment[:, None]
    return np.maximum(total - np.cumsum(a * a, axis=1), 0) + 8 * ROUNDING * total
