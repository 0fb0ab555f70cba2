"""Hermite coefficients a_k(s) = E[f(sz) h_k(z)], z ~ N(0, 1), with an error that is measured, not hoped for.

The h_k are the normalised Hermite polynomials, E[h_j h_k] = 1 if j = k, else 0. By Mehler's formula, for jointly
Gaussian (u, v) of standard deviations s, t and correlation ρ,

    E[f(u) g(v)] = Σ_k a_k(s) b_k(t) ρ^k,

a polynomial in ρ once the coefficients are known: one quadrature for every distinct variance, not one for every pair.

The quadrature, and how its error is told, is that of `minimal_gd.gaussian.quadrature`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd.gaussian.quadrature import Elementwise, Rule, RuleName, nodes_for, panels, trapezoids, values

ROUNDING = 2.0**-53
# Rules that agree up to this, relative to √E[f²], differ by rounding.
SETTLED = 128 * ROUNDING
_MOST_NODES = 2**14
_MOST_TERMS = 4096
# With many variances at once, so many rows at a time, and so many nodes.
_ROWS = 128
_MOST_SHARED_NODES = 2**12


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


Adapted = tuple[Coefficients, int, RuleName, int]  # with how many terms would do, the rule, and trapezoid nodes


class Series(NamedTuple):
    """Hermite coefficients of f(s·), computed when they are asked for: all at once they may be too many.

    Attributes
    ----------
    f : callable
    s : (g,) array
        Standard deviations.
    terms : int
        K, the same for every s.
    rules : list of rules
        As `resolve` chose them.
    rule_of : (g,) int array
        Which of them is for which s.
    """

    f: Elementwise
    s: NDArray
    terms: int
    rules: list[Rule]
    rule_of: NDArray

    def coefficients(self, rows: NDArray) -> NDArray:
        """a_k(s), k < K, for some of the s, (len(rows), K)."""
        a = np.empty((len(rows), self.terms))
        for number in np.unique(self.rule_of[rows]):
            rule = self.rules[number]
            basis = rule.basis(self.terms)
            mine = np.flatnonzero(self.rule_of[rows] == number)
            for some in np.array_split(mine, math.ceil(len(mine) / _ROWS)):
                a[some] = values(self.f, self.s[rows[some]], rule.x) @ basis
        return a


def coefficients(
    f: Elementwise, s: NDArray, tail: float, rho: float = 1.0, terms: int = 32, least: int = 1
) -> Coefficients:
    """Hermite coefficients of f(s·) for every s, until what is left of the series is below `tail`.

    Parameters and errors are those of `resolve`.

    Returns
    -------
    Coefficients
        What could not be met shows in its `tail` and its `error`.
    """
    parts: dict[int, tuple[NDArray, Coefficients]] = {}

    def keep(rows: NDArray, part: Coefficients) -> None:
        parts[rows[0]] = rows, part

    resolve(f, s, tail, rho, terms, least, visit=keep)
    order = np.argsort(np.concatenate([rows for rows, _ in parts.values()]))
    arrays = zip(*(part for _, part in parts.values()), strict=True)
    return Coefficients(*(np.concatenate(array)[order] for array in arrays))


def resolve(
    f: Elementwise,
    s: NDArray,
    tail: float,
    rho: float = 1.0,
    terms: int = 32,
    least: int = 1,
    *,
    visit: Callable[[NDArray, Coefficients], None],
    run: Callable = map,
) -> Series:
    """Find the rules and the number of terms that f(s·) takes, and show all coefficients once, some rows at a time.

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
    visit : callable
        `visit(rows, coefficients)` is called for all rows, up to 128 at a time, with `s[rows]`. Where a smaller s
        turns out to need more terms than the largest, all rows come once more.
    run : callable
        Runs a function over a list, in threads or not, as `map` does.

    Raises
    ------
    ValueError
        If f is not finite somewhere within 14 s.
    """
    order = np.argsort(-s, kind="stable")  # the largest s needs the most nodes and terms
    first, *others = np.array_split(order, math.ceil(len(s) / _ROWS))
    nodes = nodes_for(terms)
    while True:
        part, needed, rule, nodes = _adaptive(f, s[first], tail, rho, nodes, terms)
        terms, needed = part.a.shape[1], max(needed, least)
        visit(first, _truncated(part, needed))

        def show(rows: NDArray, nodes: int = nodes, terms: int = terms, needed: int = needed) -> tuple[int, RuleName]:
            part, enough, rule, _ = _adaptive(f, s[rows], tail, rho, nodes, terms)
            visit(rows, _truncated(part, needed))
            return enough, rule

        most, chosen, rule_of = needed, {rule: 0}, np.zeros(len(s), np.intp)
        for rows, (enough, rule) in zip(others, run(show, others), strict=True):
            most = max(most, enough)
            rule_of[rows] = chosen.setdefault(rule, len(chosen))
        if most <= needed:
            return Series(f, s, needed, [kind(count)[0] for kind, count in chosen], rule_of)
        terms, least = max(terms, most), most


def _truncated(part: Coefficients, terms: int) -> Coefficients:
    a = part.a[:, :terms]
    return part._replace(a=a, tail=remainder(a, part.second_moment)[:, -1])


def _adaptive(f: Elementwise, s: NDArray, tail: float, rho: float, nodes: int, terms: int) -> Adapted:
    """Double nodes and terms until both are enough; tell how many terms would do, which rule did it, and its nodes."""
    while True:
        part, nodes = _resolved(f, s, trapezoids, nodes, terms)
        rule = (trapezoids, nodes)
        if not _is_resolved(part):
            by_panels, panel_nodes = _resolved(f, s, panels, 2 * nodes_for(terms), terms)
            if _is_resolved(by_panels):
                part, rule = by_panels, (panels, panel_nodes)
        reach = rho ** np.arange(1, terms + 1)
        too_much = remainder(part.a, part.second_moment) * reach > max(tail, SETTLED) * part.second_moment[:, None]
        needed = int(too_much.sum(axis=1).max()) + 1  # what is left only falls
        if needed <= terms or terms >= _MOST_TERMS:
            return part, min(needed, terms), rule, nodes
        terms = min(2 * terms, _MOST_TERMS)
        nodes = max(nodes, nodes_for(terms))


def _resolved(
    f: Elementwise, s: NDArray, kind: Callable[[int], list[Rule]], nodes: int, terms: int
) -> tuple[Coefficients, int]:
    """Double the nodes until the rules agree, or there are too many."""
    most_nodes = _MOST_NODES if len(s) == 1 else _MOST_SHARED_NODES
    while True:
        part = _evaluated(f, s, kind(nodes), terms)
        if _is_resolved(part) or nodes >= most_nodes:
            return part, nodes
        nodes *= 2


def _is_resolved(part: Coefficients) -> bool:
    return bool(np.all(part.error <= SETTLED * np.sqrt(part.second_moment)))


def _evaluated(f: Elementwise, s: NDArray, rules: list[Rule], terms: int) -> Coefficients:
    """Apply the first rule; the others tell its error."""
    (a, second_moment), *others = (_applied(f, s, rule, terms) for rule in rules)
    norm = np.sqrt(second_moment)
    # A rule is orthonormal on the h_k, or less, so rounded values of f move the coefficients by their own norm.
    differences = [
        2 * np.maximum(np.linalg.norm(a - other, axis=1), np.abs(second_moment - other_moment) * inverse(2 * norm))
        for other, other_moment in others
    ]
    error = np.max(differences, axis=0) + 8 * ROUNDING * norm
    return Coefficients(a, second_moment, remainder(a, second_moment)[:, -1], error)


def _applied(f: Elementwise, s: NDArray, rule: Rule, terms: int) -> tuple[NDArray, NDArray]:
    f_x = values(f, s, rule.x)
    return f_x @ rule.basis(terms), np.square(f_x) @ rule.weights


def remainder(a: NDArray, second_moment: NDArray) -> NDArray:
    """Σ_{j > k} a_j² for every k, by Parseval, with the rounding of the sum on top."""
    total = second_moment[:, None]
    return np.maximum(total - np.cumsum(a * a, axis=1), 0) + 8 * ROUNDING * total
