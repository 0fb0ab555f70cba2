"""σ and σ′ as polynomials on panels, fine enough to stand for them, and how far off those can be.

A quadrature rule knows nothing of what a function does between its nodes. So, once for an activation and a range of
variances, σ′ is replaced by polynomials q of degree 15 on panels, which take its values at Chebyshev's points, and σ by
their antiderivative p. Panels end at the kinks, and are cut in two until q follows σ′ to rounding. Of p and q every
expectation can be computed, as `PanelRule` shows. What is left are e = σ - p and e′ = σ′ - q. Both are measured at the
middle of every one of the many cells of a panel, each of width h; and between those,

- where |σ″| ≤ S and |σ′| ≤ L are known, |e″| ≤ M = S + sup |q′| and |e′| ≤ L + sup |q|: e′ is at most Mh/2 more than
  what was measured, and e what an e′ of that size adds to it within h/2. This is a proof. Cells are made smaller until
  the bound is as small as it is wanted, or there are 2²⁴ of them;
- where they are not known, e and e′ are taken for at most twice what was measured. This holds if σ′ does nothing
  between the middles of two cells that it does not show there.

The cells are at most 2⁻¹³ s e^(x²/10s²) wide at x, for every standard deviation s: the density of u weighs the errors.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from minimal_gd._runtime.arrays import Array
from minimal_gd.gaussian.quadrature import REACH, Elementwise, finite

_DEGREE = 15
_CELL = 2.0**-13
_FEWEST_CELLS = 32
_MOST_CELLS = 2**24
_MOST_PANELS = 2**12
# So many values of σ at a time.
_BLOCK = 2**16
# q follows σ′ up to this share of the largest |σ′| as near to 0, and as much of what the rounding of x does to it.
_RESOLVED = 2.0**-46
# p follows σ, which is continuous, up to this share of the largest |σ|.
_CONTINUOUS = 2.0**-30
# No panel is cut that is narrower than this share of its distance from 0, or of the smallest standard deviation.
_NARROWEST = 2.0**-42


class Scales(NamedTuple):
    """The smallest and the largest standard deviation, rounded outwards to three bits: most layers have the same."""

    smallest: float
    largest: float

    @classmethod
    def of(cls, s: Array) -> "Scales":
        """Return those of the s that are not 0."""
        s = s[s > 0]
        if len(s) == 0:
            return cls(1.0, 1.0)
        (low, low_exponent), (high, high_exponent) = math.frexp(s.min() * (1 + 1e-9)), math.frexp(s.max() * (1 - 1e-9))
        return cls(
            math.ldexp(math.floor(8 * low), low_exponent - 3), math.ldexp(math.ceil(8 * high), high_exponent - 3)
        )


class Bounds(NamedTuple):
    """sup |σ′|, and sup |σ″| between the kinks."""

    lipschitz: float
    smoothness: float


class Target(NamedTuple):
    """What is to be resolved: σ (None if σ′ is just any function), σ′, the places where it jumps, and a name."""

    sigma: Elementwise | None
    dsigma: Elementwise
    kinks: tuple[float, ...]
    name: str


class Pieces(NamedTuple):
    """Polynomials on P panels from `low` to `high`, ascending, by their Chebyshev coefficients, a column each.

    Attributes
    ----------
    low, high : (P,) arrays
    value, slope, curvature : (17, P), (16, P) and (15, P) arrays
        Of p, q = p′ and q′.
    """

    low: Array
    high: Array
    value: Array
    slope: Array
    curvature: Array

    def some(self, which: Array) -> "Pieces":
        """Return some of the panels."""
        return Pieces(*(array[..., which] for array in self))


class Misfit(NamedTuple):
    """|σ - p| and |σ′ - q| at most, in each panel, (P,) each."""

    value: Array
    slope: Array


class _Seen(NamedTuple):
    """The largest |σ - p|, |σ′ - q|, |σ| and |σ′| at the middles of the cells of each panel, (P,) each."""

    value_misfit: Array
    slope_misfit: Array
    value: Array
    slope: Array


def largest(coefficients: Array) -> Array:
    """A bound of every column's polynomial, as those of Chebyshev are at most 1."""
    return np.abs(coefficients).sum(axis=0)


def resolve(target: Target, scales: Scales, must_resolve: bool) -> tuple[Pieces, Misfit]:
    """Cut panels in two until p and q follow σ and σ′.

    Parameters
    ----------
    target : Target
    scales : Scales
    must_resolve : bool
        Whether what cannot be resolved is refused. Else p is a chord there.

    Returns
    -------
    pieces : Pieces
    misfit : Misfit
        What is seen of it.

    Raises
    ------
    ValueError
        If σ or σ′ is not finite, or cannot be resolved: with the place and the scale.
    """
    edges = _first_edges(scales, target.kinks)
    low, high = edges[:-1], edges[1:]
    sizes = np.zeros((2, len(low)))
    done: list[tuple[Pieces, _Seen]] = []
    count = 0
    while len(low):
        pieces = _fitted(target, low, high)
        seen = _seen(target, pieces, _cells(low, high, scales))
        outer = np.maximum(np.abs(low), np.abs(high))
        sizes = np.maximum(sizes, np.stack([seen.value, seen.slope]))
        if not done:
            sizes = _up_to(outer, sizes)
        follows = seen.slope_misfit <= _RESOLVED * (sizes[1] + outer * largest(pieces.curvature))
        is_narrow = high - low <= _NARROWEST * np.maximum(outer, scales.smallest)
        is_good = (follows | is_narrow) & (seen.value_misfit <= _CONTINUOUS * sizes[0])
        panels = count + len(low) + np.count_nonzero(~is_good)  # if those are cut in two
        is_last = is_good | is_narrow | (panels > _MOST_PANELS + len(edges))
        if must_resolve and (is_last & ~is_good).any():
            worst = int(np.argmax(np.where(is_last & ~is_good, seen.slope_misfit, -1)))
            raise ValueError(
                f"{target.name} cannot be resolved near z = {low[worst]:.9g}, not even at the scale of "
                f"{high[worst] - low[worst]:.1e}: name the places where its slope jumps (kinks), or state its "
                "lipschitz and smoothness"
            )
        if target.sigma is not None:
            pieces = _with_chords(target.sigma, pieces, ~is_good)
        done.append((pieces.some(is_last), _Seen(*(array[is_last] for array in seen))))
        count += int(np.count_nonzero(is_last))
        low, high, middle = low[~is_last], high[~is_last], (low + high)[~is_last] / 2
        low, high, sizes = np.append(low, middle), np.append(middle, high), np.tile(sizes[:, ~is_last], 2)
    pieces, seen = (
        kind(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True)))
        for kind, parts in zip((Pieces, _Seen), zip(*done, strict=True), strict=True)
    )
    order = np.argsort(pieces.low)
    return pieces.some(order), Misfit(2 * seen.value_misfit[order], 2 * seen.slope_misfit[order])


def bounded(target: Target, pieces: Pieces, scales: Scales, bounds: Bounds, halvings: int) -> Misfit:
    """The misfit that cannot be exceeded, by what is known of σ; with cells 2^-halvings times as wide."""
    cells = _cells(pieces.low, pieces.high, scales, halvings)
    seen = _seen(target, pieces, cells)
    h = (pieces.high - pieces.low) / cells
    curvature = bounds.smoothness + largest(pieces.curvature)
    steepness = bounds.lipschitz + largest(pieces.slope)
    return Misfit(
        value=seen.value_misfit + np.minimum(h / 2 * seen.slope_misfit + h * h / 8 * curvature, h / 2 * steepness),
        slope=np.minimum(seen.slope_misfit + h / 2 * curvature, steepness),
    )


def most_halvings(pieces: Pieces, scales: Scales) -> int:
    """How often the cells of `bounded` may be halved before there are too many."""
    cells = int(_cells(pieces.low, pieces.high, scales).sum())
    return max(0, math.floor(math.log2(_MOST_CELLS / cells)))


def _first_edges(scales: Scales, kinks: tuple[float, ...]) -> Array:
    """Four panels an octave from the smallest deviation to 14 of the largest, to both sides; and the kinks."""
    reach = REACH * scales.largest
    octaves = scales.smallest * 2.0 ** np.arange(math.ceil(math.log2(reach / scales.smallest)))
    quarters = np.arange(4) / 4
    right = np.append(scales.smallest * quarters, octaves[:, None] * (1 + quarters))
    right = np.append(right[right < reach], reach)
    grid, inside = np.unique([-right, right]), np.array([kink for kink in kinks if abs(kink) < reach])
    if len(inside) == 0:
        return grid
    # an edge next to a kink would leave a panel so narrow that q′ is nothing but roundings
    is_near = np.abs(grid[1:-1, None] - inside).min(axis=1) <= _CELL * scales.smallest
    return np.unique(np.concatenate([grid[[0, -1]], grid[1:-1][~is_near], inside]))


def _cells(low: Array, high: Array, scales: Scales, halvings: int = 0) -> Array:
    """How many cells each panel has, a power of 2."""
    x = np.minimum(np.abs(low), np.abs(high))
    s = np.clip(x / math.sqrt(5), scales.smallest, scales.largest)  # of all deviations, the one that wants the smallest
    h = _CELL * s * np.exp((x / s) ** 2 / 10)
    needed = np.maximum((high - low) / h, _FEWEST_CELLS)
    return 2 ** (np.ceil(np.log2(needed)).astype(np.int64) + halvings)


@cache
def _points() -> tuple[Array, Array]:
    """Chebyshev's points of [-1, 1] with its ends, and the matrix that turns values into coefficients."""
    t = -np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)
    return t, np.linalg.inv(chebyshev.chebvander(t, _DEGREE))


def _fitted(target: Target, low: Array, high: Array) -> Pieces:
    """q through σ′ and p through σ at `low`; the ends are taken from within, as σ′ may jump there."""
    t, to_coefficients = _points()
    half = (high - low) / 2
    x = (low + half)[:, None] + half[:, None] * t
    x = np.clip(x, np.nextafter(low, high)[:, None], np.nextafter(high, low)[:, None])
    slope = to_coefficients @ finite(target.dsigma, x).T
    value = chebyshev.chebint(slope, lbnd=-1) * half
    if target.sigma is not None:
        value[0] += finite(target.sigma, low)
    return Pieces(low, high, value, slope, chebyshev.chebder(slope) / half)


def _with_chords(sigma: Elementwise, pieces: Pieces, which: Array) -> Pieces:
    """Put the chord of σ where `which`."""
    low, high = pieces.low[which], pieces.high[which]
    ends = finite(sigma, np.stack([low, high]))
    value, slope, curvature = (array.copy() for array in pieces[2:])
    value[:, which], slope[:, which], curvature[:, which] = 0, 0, 0
    value[0, which], value[1, which] = (ends[1] + ends[0]) / 2, (ends[1] - ends[0]) / 2
    slope[0, which] = (ends[1] - ends[0]) / (high - low)
    return Pieces(pieces.low, pieces.high, value, slope, curvature)


def _seen(target: Target, pieces: Pieces, cells: Array) -> _Seen:
    seen = _Seen(*np.zeros((4, len(cells))))
    half = (pieces.high - pieces.low) / 2
    middle = pieces.low + half
    parts = [(target.dsigma, pieces.slope, seen.slope, seen.slope_misfit)]
    if target.sigma is not None:
        parts.append((target.sigma, pieces.value, seen.value, seen.value_misfit))
    for count, start, some in _blocks(cells):
        t = (2 * np.arange(start, min(start + _BLOCK, count)) + 1) / count - 1
        polynomials = chebyshev.chebvander(t, _DEGREE + 1).T
        points = middle[some, None] + half[some, None] * t
        for f, coefficients, size, misfit in parts:
            y = finite(f, points)
            size[some] = np.maximum(size[some], np.abs(y).max(axis=1))
            difference = np.abs(y - coefficients[:, some].T @ polynomials[: len(coefficients)])
            misfit[some] = np.maximum(misfit[some], difference.max(axis=1))
    return seen


def _blocks(cells: Array) -> Iterator[tuple[int, int, Array]]:
    """Some panels of as many cells each: how many, from which on a block goes, and which panels."""
    for count in np.unique(cells).tolist():
        panels = np.flatnonzero(cells == count)
        for start in range(0, count, _BLOCK):
            for some in np.array_split(panels, math.ceil(len(panels) * min(count, _BLOCK) / _BLOCK)):
                yield count, start, some


def _up_to(outer: Array, sizes: Array) -> Array:
    """The largest of the sizes as near to 0 or nearer, (…, P)."""
    order = np.argsort(outer, kind="stable")
    result = np.empty_like(sizes)
    result[..., order] = np.maximum.accumulate(sizes[..., order], axis=-1)
    return result
