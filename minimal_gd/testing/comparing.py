"""What the properties compare with what, how far apart both sides may be, and what a failing one says.

How far the two sides may be apart: 1000 roundings of what is summed, and 1000 times what one rounding of every weight
and input does to the result, which `rounding` measures. Both sides round some hundred times, each in another order.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd.activations import Activation
from minimal_gd.parameters import Parameters
from minimal_gd.testing.references import preactivations
from minimal_gd.testing.strategies import Problem

ROUNDINGS = 1000
DOUBLE, SINGLE = np.finfo(np.float64), np.finfo(np.float32)
EPSILON = float(DOUBLE.eps)
TINY = 1e-300
Size = TypeVar("Size", float, NDArray)


class PropertyError(AssertionError):
    """A property does not hold."""


class Side(NamedTuple):
    """One layer's part of a comparison: what is computed, what it should be, and how far apart they may be."""

    layer: str
    ours: NDArray
    theirs: NDArray
    allowed: float | NDArray


def require(case: Problem, what: str, *columns: Iterable) -> None:
    """Refuse the first layer that is wrong.

    `columns` are the four fields of `Side`, each with an entry for every layer, in the order that they are computed in.
    """
    sides = [Side(*fields) for fields in zip(*columns, strict=True)]
    wrong = [side for side in sides if not np.all(_distance(side) <= side.allowed)]
    if not wrong:
        return
    first, *others = wrong
    if first.ours.shape != first.theirs.shape:
        raise PropertyError(f"{case}: {what}: {first.layer} has shape {first.ours.shape}, not {first.theirs.shape}")
    size, expected, distance = (
        float(np.linalg.norm(np.ravel(array))) for array in (first.ours, first.theirs, first.ours - first.theirs)
    )
    also = f"; wrong too: {', '.join(side.layer for side in others)}" if others else ""
    worst = ""
    if np.ndim(first.allowed):
        place = np.unravel_index(np.argmax(_distance(first) - first.allowed), first.ours.shape)
        entry = ", ".join(map(str, place))
        worst = f"\n  worst entry:               [{entry}], {first.ours[place]:.6e} and {first.theirs[place]:.6e}"
    raise PropertyError(
        f"{case.made}: {what}\n"
        f"  smallest case:             {case}\n"
        f"  first layer that is wrong: {first.layer}{also}\n"
        f"  sizes:                     {size:.6e} computed, {expected:.6e} expected, {distance:.3e} apart\n"
        f"  relative error:            {distance / max(expected, TINY):.3e} "
        f"(allowed: {np.max(first.allowed) / max(expected, TINY):.3e}){worst}"
    )


def _distance(side: Side) -> float | NDArray:
    """Of two layers as a whole, or entry by entry where that is what is allowed."""
    if side.ours.shape != side.theirs.shape:
        return np.inf
    return np.abs(side.ours - side.theirs) if np.ndim(side.allowed) else float(np.linalg.norm(side.ours - side.theirs))


# ---------------------------------------------------------------------- what is compared


def layers(params: Parameters) -> list[NDArray]:
    """All arrays from the output down, the order of the way back: a mistake in one layer spoils those after it."""
    return [params.a, *reversed(params.W)]


def names(case: Problem) -> list[str]:
    """The layers as `layers` orders them."""
    return ["a", *(f"W^({h})" for h in range(case.net.depth, 0, -1))]


def names_of_grams(case: Problem) -> list[str]:
    """The Gram matrices as `grams` orders them."""
    return [f"G^({h})" for h in range(case.net.depth + 1, 0, -1)]


def gradient(case: Problem) -> list[NDArray]:
    """∂L/∂θ by hand, from the output down."""
    return layers(case.net.gradient(case.params, case.X, case.y))


def grams(case: Problem) -> list[NDArray]:
    """G^(H+1), …, G^(1)."""
    return list(gram.empirical(case.net, case.params, case.X)[::-1])


def rounding(function: Callable[[Problem], list[NDArray]], case: Problem, size: float = 1e-7) -> list[NDArray]:
    """How far a relative change of every weight and input moves each result, per unit of that change."""
    rng = np.random.default_rng(case.seed)

    def changed(array: NDArray) -> NDArray:
        return array * (1 + size * rng.standard_normal(array.shape))

    here, moved = function(case), []
    for _ in range(3):
        there = function(replace(case, params=case.params.map(changed), X=changed(case.X)))
        moved.append([np.abs(one - other) / size for one, other in zip(here, there, strict=True)])
    return [np.maximum.reduce(changes) for changes in zip(*moved, strict=True)]


def sums(case: Problem) -> list[float]:
    """Σ_i |u_i - y_i| ‖∂u_i/∂θ‖ of every layer: the gradient, had nothing cancelled."""
    residual = np.abs(case.net.predict(case.params, case.X) - case.y)
    return [float(residual @ np.sqrt(np.diagonal(G))) for G in grams(case)]


def predictions(case: Problem) -> list[NDArray]:
    """u, as the list of one array that `rounding` takes."""
    return [case.net.predict(case.params, case.X)]


def predictions_allowance(case: Problem, precision: np.finfo = DOUBLE) -> NDArray:
    """How far apart two computations of each u_i may be: (n,)."""
    size = np.linalg.norm(case.params.a) * np.sqrt(np.diagonal(grams(case)[0]))  # ‖a‖ ‖x_i^(H)‖
    return _allowance(size + rounding(predictions, case)[0], precision)


def gradient_allowance(case: Problem, precision: np.finfo = DOUBLE) -> list[float]:
    """How far apart two computations of each layer's gradient may be, in the Frobenius norm."""
    moved = rounding(gradient, case)
    return [
        _allowance(total + float(np.linalg.norm(change)), precision)
        for total, change in zip(sums(case), moved, strict=True)
    ]


def _allowance(size: Size, precision: np.finfo) -> Size:
    """So many roundings of `size`, and what underflows."""
    return ROUNDINGS * float(precision.eps) * size + 1e8 * float(precision.tiny)


def gram_allowance(case: Problem) -> list[NDArray]:
    """How far apart two computations of each G^(h)_ij may be: an (n, n) array for every layer."""
    roots = [np.sqrt(np.diagonal(G)) for G in grams(case)]
    moved = rounding(grams, case)
    return [_allowance(np.outer(root, root) + change, DOUBLE) for root, change in zip(roots, moved, strict=True)]


def compare_gradients(case: Problem, what: str, ours: list[NDArray], theirs: list[NDArray]) -> None:
    """Refuse a gradient that differs from another by more than rounding explains."""
    require(case, what, names(case), ours, theirs, gradient_allowance(case))


@cache
def _extended(activation: Activation) -> Activation:
    """σ with σ(x + iy) = σ(x) + iy σ′(x), right to first order in y whatever σ is."""

    def of(function: Callable[[NDArray], NDArray], slope: Callable[[NDArray], NDArray]) -> Callable:
        def extended(z: NDArray) -> NDArray:
            return function(z.real) + 1j * z.imag * slope(z.real) if np.iscomplexobj(z) else function(z)

        return extended

    return Activation(
        of(activation.sigma, activation.dsigma), of(activation.dsigma, np.zeros_like), activation.name, analytic=True
    )


def with_complex_step(case: Problem) -> Problem:
    """The same network, with an activation that takes complex numbers."""
    if case.net.activation.analytic:
        return case
    net = copy.copy(case.net)
    net.activation = _extended(net.activation)
    return replace(case, net=net)


def is_near_a_kink(case: Problem, reach: float = 1e-3) -> bool:
    """Whether σ′ jumps within `reach` of some z^(h); σ″ below 50 is no jump."""
    if case.net.activation.analytic:
        return False
    slope = case.net.activation.dsigma
    zs = preactivations(case.net, case.params, case.X)
    return any((np.abs(slope(z + reach) - slope(z - reach)) > 100 * reach).any() for z in zs)
