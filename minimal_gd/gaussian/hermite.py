"""Hermite series: as many coefficients a_k(s) = E[f(sz) h_k(z)], z ~ N(0, 1), as it takes, with an error that holds.

The h_k are the normalised Hermite polynomials, E[h_j h_k] = 1 if j = k, else 0. By Mehler's formula, for jointly
Gaussian (u, v) of standard deviations s, t and correlation ρ,

    E[f(u) g(v)] = Σ_k a_k(s) b_k(t) ρ^k,

a polynomial in ρ once the coefficients are known: one quadrature for every distinct variance, not one for every pair.

The quadrature is that of `minimal_gd.gaussian.quadrature` or of `minimal_gd.gaussian.panels`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minimal_gd.gaussian.panels import Panels
from minimal_gd.gaussian.piecewise import Scales, Target
from minimal_gd.gaussian.quadrature import ROUNDING, Elementwise, Expand, Expansion, remainder

# What is left of a series is rounding, relative to E[f²].
SETTLED = 128 * ROUNDING
_MOST_TERMS = 4096
# With many variances at once, so many rows at a time.
_ROWS = 128


class Coefficients(NamedTuple):
    """The first K Hermite coefficients of f(s·), one row for every standard deviation s.

    Attributes
    ----------
    a : (g, K) array
        a_k(s), k = 0, …, K - 1.
    second_moment : (g,) array
        E[f(sz)²] = Σ_k a_k(s)², over all k.
    rest : (g, K) array
        A bound on what a product of two such series lacks after k + 1 terms at ρ = 1, for every k < K: by Parseval, the
        sum of a_j(s)² over j > k, and its rounding; another where jumps are accounted for elsewhere, see `resolve`.
    error : (g,) array
        A bound on the Euclidean norm of the error of a row of `a`, and on that of √second_moment.
    """

    a: NDArray
    second_moment: NDArray
    rest: NDArray
    error: NDArray

    @property
    def tail(self) -> NDArray:
        """What all K terms leave, (g,)."""
        return self.rest[:, -1]


def inverse(norm: NDArray) -> NDArray:
    """1/norm, and 0 for 0: what has no norm has no error."""
    return np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)


class Series(NamedTuple):
    """Hermite coefficients of f(s·), computed when they are asked for: all at once they may be too many.

    Attributes
    ----------
    expand : callable
        (s, K) -> the first K coefficients for every s.
    s : (g,) array
        Standard deviations.
    terms : int
        K, the same for every s.
    """

    expand: Expand
    s: NDArray
    terms: int

    def coefficients(self, rows: NDArray) -> NDArray:
        """a_k(s), k < K, for some of the s, (len(rows), K)."""
        a = np.empty((len(rows), self.terms))
        for some in np.array_split(np.arange(len(rows)), math.ceil(len(rows) / _ROWS)):
            a[some] = self.expand(self.s[rows[some]], self.terms).a
        return a


def on_panels(f: Elementwise, s: NDArray) -> Expand:
    """The coefficients of any f, which is replaced by polynomials first: what they are seen to miss is its error.

    Raises
    ------
    ValueError
        If f is not finite somewhere within 16 s.
    """
    return Panels(Target(None, f, (), "the function"), Scales.of(s))


def coefficients(
    f: Elementwise, s: NDArray, tail: float, rho: float = 1.0, terms: int = 32, least: int = 1
) -> Coefficients:
    """Hermite coefficients of f(s·) for every s, until what is left of the series is below `tail`.

    Parameters
    ----------
    f : callable
        Takes a float64 array of any shape and returns f of each entry. It is looked at on panels (`on_panels`).

    The other parameters, and the errors, are those of `resolve`.

    Returns
    -------
    Coefficients
        What could not be met shows in its `tail` and its `error`.
    """
    parts: dict[int, tuple[NDArray, Coefficients]] = {}

    def keep(rows: NDArray, part: Coefficients) -> None:
        parts[rows[0]] = rows, part

    resolve(on_panels(f, s), s, tail, rho, terms, least, visit=keep)
    order = np.argsort(np.concatenate([rows for rows, _ in parts.values()]))
    arrays = zip(*(part for _, part in parts.values()), strict=True)
    return Coefficients(*(np.concatenate(array)[order] for array in arrays))


def resolve(
    expand: Expand,
    s: NDArray,
    tail: float,
    rho: float = 1.0,
    terms: int = 32,
    least: int = 1,
    jumps: float = 0.0,
    *,
    visit: Callable[[NDArray, Coefficients], None],
    run: Callable = map,
) -> Series:
    """Find the number of terms that f(s·) takes, and show all coefficients once, some rows at a time.

    Every row gets the same number of terms: Cauchy and Schwarz bound the rest of a series by the two tails only if
    both begin at the same term.

    Parameters
    ----------
    expand : callable
        (s, K) -> the first K coefficients for every s, an `Expansion`.
    s : (g,) array
        Standard deviations ≥ 0.
    tail : float > 0
        Terms are added until rho^K · Σ_{k ≥ K} a_k² ≤ tail · E[f(sz)²] for every s, or the most terms are reached.
    rho : float in [0, 1]
        The largest |ρ| that the series is meant for.
    terms, least : int
        How many to begin with, and how many to return at least; least ≤ terms.
    jumps : float
        Where f = g + J, and E[J(u)J(v)] is accounted for elsewhere, a bound on ‖J‖ over √E[f(sz)²], for any two s. The
        rest of the products is then that of g with g, g with J and J with g: in norms, ‖g‖² + 2 ‖g‖‖J‖.
    visit : callable
        `visit(rows, coefficients)` is called for all rows, up to 128 at a time, with `s[rows]`. Where a smaller s
        turns out to need more terms than the largest, all rows come once more.
    run : callable
        Runs a function over a list, in threads or not, as `map` does.
    """
    order = np.argsort(-s, kind="stable")  # the largest s needs the most terms
    first, *others = np.array_split(order, math.ceil(len(s) / _ROWS))
    while True:
        part, needed = _adaptive(expand, s[first], tail, rho, terms, jumps)
        terms, needed = part.a.shape[1], max(needed, least)
        visit(first, _truncated(part, needed, jumps))

        def show(rows: NDArray, terms: int = terms, needed: int = needed) -> int:
            part, enough = _adaptive(expand, s[rows], tail, rho, terms, jumps)
            visit(rows, _truncated(part, needed, jumps))
            return enough

        most = max(run(show, others), default=needed)
        if most <= needed:
            return Series(expand, s, needed)
        terms, least = max(terms, most), most


def _truncated(part: Expansion, terms: int, jumps: float) -> Coefficients:
    return Coefficients(part.a[:, :terms], part.second_moment, _rest(part, jumps)[:, :terms], part.error)


def _rest(part: Expansion, jumps: float) -> NDArray:
    """As `Coefficients.rest`."""
    if part.rest is None:
        return remainder(part.a, part.second_moment)
    return part.rest + 2 * jumps * np.sqrt(part.rest * part.second_moment[:, None])


def _adaptive(expand: Expand, s: NDArray, tail: float, rho: float, terms: int, jumps: float) -> tuple[Expansion, int]:
    """Double the terms until they are enough; tell how many would do."""
    while True:
        part = expand(s, terms)
        reach = rho ** np.arange(1, terms + 1)
        too_much = _rest(part, jumps) * reach > max(tail, SETTLED) * part.second_moment[:, None]
        needed = int(too_much.sum(axis=1).max()) + 1  # what is left only falls
        if needed <= terms or terms >= _MOST_TERMS:
            return part, min(needed, terms)
        terms = min(2 * terms, _MOST_TERMS)
