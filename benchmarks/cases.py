"""The rows of the table: which work, who does it, and what we aim for."""

from dataclasses import dataclass, field

import works
from contest import Contender

import minimal_gd as mgd

READING_SIZES = ((20, 10, 64, 2), (50, 20, 128, 3), (100, 20, 256, 3), (100, 50, 512, 3))

# Name to worker and form.
OURS = {"ours": ("ours", {})}
FLOORS = {f"products, {way}": ("floor", {"way": way}) for way in ("BLAS threads", "blocks", "one thread")}
TORCH = {
    "torch": ("torch", {"is_compiled": False, "is_convolution": False}),
    "torch compiled": ("torch", {"is_compiled": True, "is_convolution": False}),
}
JAX = {"JAX": ("jax", {"is_convolution": False})}
CONVOLUTIONS = {
    f"{name}, convolution": (worker, form | {"is_convolution": True}) for name, (worker, form) in (TORCH | JAX).items()
}
# The fewest nodes, in fives, with which its quadrature of softplus errs by at most 1e-12: `limits.py` finds them.
NEURAL_TANGENTS = {"neural-tangents": ("neural_tangents", {"nodes": 35})}

# What the time should grow with, and the power of it.
POWERS = {
    "one step, n samples": ("n", 1),
    "one step, width m": ("m", 2),
    "Gram matrices, n samples": ("n", 2),
    "limits, n samples": ("n", 2),
}


@dataclass(frozen=True)
class Goal:
    """Ours over the floor at most `factor`; or, with `others`, the fastest of them over ours at least `factor`."""

    factor: float
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.others:
            return f"≤ {self.factor:.2f} × floor"
        return f"{self.factor:g} × as fast as {', '.join(self.others)}"


@dataclass(frozen=True)
class Case:
    """One row: a title, the work, who does it, and what we aim for."""

    title: str
    work: dict = field(repr=False)
    who: dict[str, tuple[str, dict]] = field(repr=False)
    goals: tuple[Goal, ...] = ()

    @property
    def contenders(self) -> dict[str, Contender]:
        """Everyone, with the work."""
        return {name: Contender(worker, form, self.work) for name, (worker, form) in self.who.items()}


def cases(shrink: int = 1) -> dict[str, Case]:
    """Every row by its name, with n, d and m divided by `shrink`."""
    return _steps(shrink) | _runs(shrink) | _grams(shrink) | _limits(shrink)


def growth(shrink: int = 1) -> dict[str, dict[int, dict]]:
    """What ours should grow with: by name, sizes over a decade and the work at each."""

    def sizes(*numbers: int) -> list[int]:
        return [max(2, number // shrink) for number in numbers]

    decade = sizes(400, 800, 1600, 4000)
    width = sizes(512)[0]
    return {
        "one step, n samples": {n: works.descent(mgd.FullyConnected(100, width, 4), n) for n in decade},
        "one step, width m": {
            m: works.descent(mgd.FullyConnected(100, m, 4), *sizes(500)) for m in sizes(256, 512, 1024, 2560)
        },
        "Gram matrices, n samples": {n: works.gram(mgd.FullyConnected(100, sizes(128)[0], 4), n) for n in decade},
        "limits, n samples": {n: works.limits("softplus", n, 20, 3, 0.0) for n in sizes(500, 1000, 2000, 5000)},
    }


def _smaller(numbers: tuple[int, ...], shrink: int) -> tuple[int, ...]:
    return tuple(max(2, number // shrink) for number in numbers)


def _steps(shrink: int) -> dict[str, Case]:
    found = {}
    n, d, m = _smaller((1000, 100, 1024), shrink)
    for dtype, faster in (("float64", 1.25), ("float32", 1.15)):
        for kind in (mgd.FullyConnected, mgd.ResNet):
            title = f"one step, {kind.__name__}, {dtype}, ({n}, {d}, {m}, 4)"
            goals = (Goal(1.10), Goal(faster, (*TORCH, *JAX)))
            work = works.descent(kind(d, m, 4), n, dtype)
            found[f"step-{kind.__name__}-{dtype}"] = Case(title, work, OURS | FLOORS | TORCH | JAX, goals)
    n, m = _smaller((256, 128), shrink)
    title = f"one step, ConvResNet, n = {n}, 3 channels, 16 positions, q = 3, m = {m}, H = 4"
    goals = (Goal(1.4), Goal(1.35, (*TORCH, *JAX)))
    work = works.descent(mgd.ConvResNet((3, 16), m, 4, (3,)), n)
    found["step-ConvResNet"] = Case(title, work, OURS | FLOORS | TORCH | JAX | CONVOLUTIONS, goals)
    n, d, m = _smaller((1000, 1000, 10_000), shrink)
    title = f"one step, TwoLayerReLU, ({n}, {d}, {m}, 1)"
    work = works.descent(mgd.TwoLayerReLU(d, m), n)
    return found | {"step-TwoLayerReLU": Case(title, work, OURS | FLOORS | TORCH | JAX, (Goal(1.15),))}


def _runs(shrink: int) -> dict[str, Case]:
    found = {}
    for name in READING_SIZES:
        *sizes, H = name
        n, d, m = _smaller(tuple(sizes), shrink)
        work = works.descent(mgd.FullyConnected(d, m, H), n, steps=300, whole=True)
        goals = (Goal(1.2, tuple(JAX)), Goal(1.5, tuple(TORCH)))
        title = f"300 steps, FullyConnected, ({n}, {d}, {m}, {H})"
        found["run-" + "-".join(map(str, name))] = Case(title, work, OURS | FLOORS | TORCH | JAX, goals)
    return found


def _grams(shrink: int) -> dict[str, Case]:
    found = {}
    n, d, m = _smaller((500, 100, 1024), shrink)
    for kind in (mgd.FullyConnected, mgd.ResNet):
        title = f"Gram matrices, {kind.__name__}, ({n}, {d}, {m}, 4)"
        goals = (Goal(100, tuple(TORCH)),)
        found[f"gram-{kind.__name__}"] = Case(title, works.gram(kind(d, m, 4), n), OURS | TORCH, goals)
    n, m = _smaller((64, 128), shrink)
    title = f"Gram matrices, ConvResNet, n = {n}, 3 channels, 16 positions, q = 3, m = {m}, H = 4"
    work = works.gram(mgd.ConvResNet((3, 16), m, 4, (3,)), n)
    return found | {"gram-ConvResNet": Case(title, work, OURS | TORCH | JAX, (Goal(1.25, tuple(TORCH)),))}


def _limits(shrink: int) -> dict[str, Case]:
    (n,) = _smaller((500,), shrink)
    found = {}
    # Near |ρ| = 1 an arccos loses half the digits, here or there, in each of the four layers that are added up.
    for activation, faster, tolerance in (("softplus", 300, 1e-12), ("relu", 2.5, 2.4e-7), ("erf", 2.5, 2.4e-7)):
        goals = (Goal(faster, tuple(NEURAL_TANGENTS)),)
        work = works.limits(activation, n, input_dim=20, depth=3, tolerance=tolerance)
        title = f"limits, {activation}, n = {n}, d = 20, H = 3"
        found[f"limits-{activation}"] = Case(title, work, OURS | NEURAL_TANGENTS, goals)
    return found
