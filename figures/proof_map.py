"""The argument of the paper as one picture: what leads to what, which lemma says so, which chapter explains it.

    python figures/proof_map.py --font-size 9

G stands for G^(H), K for K^(H). The lemmas are those of the fully-connected network; C.1 to C.7 and D.1 to D.7 say the
same of the residual ones.
"""

from itertools import pairwise
from types import SimpleNamespace
from typing import NamedTuple

import common
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

OPTIONS = {"figure_width": 8.4, "figure_height": 7.4, "font_size": 8.5}
QUICK = {"font_size": 8.0}

# What is asked, what holds at the start, at every step, and in the end.
GIVEN, START, STEP, RESULT = range(4)
FILLS = ("#eeeeee", "#dbe4f3", "#ffffff", "#f7e3b5")


class Box(NamedTuple):
    """One claim: its middle, its size, its kind, what it says, and who says so."""

    x: float
    y: float
    width: float
    height: float
    kind: int
    claim: str
    source: str


BOXES = {
    "data": Box(2.15, 9.35, 4.0, 1.05, GIVEN, "inputs of norm 1, no two parallel;\nσ analytic, no polynomial",
                "Condition 3.2"),
    "width": Box(6.3, 9.35, 3.5, 1.05, GIVEN, "width m large, every weight\ndrawn from N(0, 1)", "section 3.3"),
    "smooth": Box(10.4, 9.35, 3.6, 1.05, GIVEN, "σ Lipschitz and smooth,\nstep size η small", "Condition 3.1"),
    "positive": Box(2.15, 7.55, 3.4, 0.85, START, r"$\lambda = \lambda_{min}(K) > 0$", "Prop. F.1, F.2: chapter 10"),
    "norms": Box(6.3, 7.55, 3.5, 0.85, START, r"$\|x^{(h)}\| \approx 1$ in every layer", "Lemma B.1: chapter 7"),
    "close": Box(10.4, 7.55, 3.3, 0.85, START, r"$\|G(0) - K\| \leq \lambda/4$", "Lemma B.2: chapters 6, 7"),
    "stable": Box(2.15, 5.45, 3.5, 0.85, STEP, r"$\|G(k) - G(0)\| \leq \lambda/4$", "Lemmas B.3, B.4: chapter 7"),
    "definite": Box(6.3, 5.45, 3.3, 0.85, STEP, r"$\lambda_{min}(G(k)) \geq \lambda/2$", "Weyl: chapter 7"),
    "step": Box(10.4, 5.45, 3.6, 1.15, STEP,
                r"$\|y - u(k+1)\|^2 \leq$" + "\n" + r"$(1 - \eta\lambda/2)\,\|y - u(k)\|^2$", "the budget: chapter 7"),
    "near": Box(2.15, 3.45, 3.5, 0.85, STEP, r"$\|W^{(h)}(k) - W^{(h)}(0)\| \leq R\sqrt{m}$", "Lemma B.5: chapter 7"),
    "small": Box(10.8, 3.45, 3.1, 1.15, STEP, r"$I_2$ and $\|u(k+1) - u(k)\|^2$" + "\nare small",
                 "Lemmas B.6, B.7: chapter 7"),
    "induction": Box(6.3, 1.75, 6.2, 0.85, STEP, r"$\|y - u(k)\|^2 \leq (1 - \eta\lambda/2)^k\ \|y - u(0)\|^2$",
                     "Condition A.1: chapter 7"),
    "theorem": Box(6.3, 0.15, 7.4, 0.85, RESULT, r"$L(\theta(k)) \leq (1 - \eta\lambda/2)^k\ L(\theta(0))$",
                   "Theorems 5.1, 6.1, 7.1: chapters 7, 8, 9"),
}  # fmt: skip

# From, to, and the places on the way.
ARROWS = (
    ("data", "positive", ()),
    ("width", "norms", ()),
    ("norms", "close", ()),
    ("positive", "definite", ()),
    ("close", "definite", ()),
    ("stable", "definite", ()),
    ("definite", "step", ()),
    ("smooth", "small", ((12.6, 9.35), (12.6, 3.45))),
    ("small", "step", ()),
    ("step", "induction", ((8.95, 3.45),)),
    ("induction", "near", ((2.15, 1.75),)),
    ("near", "stable", ()),
    ("induction", "theorem", ()),
)


def compute(options: SimpleNamespace) -> common.Numbers:
    """The places and sizes of the boxes, and of the paper."""
    places = [(box.x, box.y, box.width, box.height) for box in BOXES.values()]
    sizes = (options.figure_width, options.figure_height, options.font_size)
    return {"places": np.array(places), "sizes": np.array(sizes)}


def draw(numbers: common.Numbers) -> Figure:
    """Boxes from what is asked, at the top, to the theorem, with the induction over the steps as a circle."""
    width, height, font_size = numbers["sizes"]
    figure = Figure(figsize=(width, height))
    ax = figure.subplots()
    ax.add_patch(
        FancyBboxPatch((0.1, 1.1), 12.25, 5.15, boxstyle="round,pad=0.1", facecolor="#f6f1ea", edgecolor="none")
    )
    ax.text(
        6.3, 3.75, "at every step $k$,\nby induction", ha="center", va="center", fontsize=font_size + 1, style="italic"
    )
    for box in BOXES.values():
        _draw_box(ax, box, font_size)
    for start, end, way in ARROWS:
        _draw_arrow(ax, BOXES[start], BOXES[end], way)
    ax.text(8.8, 3.3, r"$k \to k+1$", ha="right", color=common.COLOURS[1])
    ax.set(xlim=(0, 12.8), ylim=(-0.35, 9.95))
    ax.set_axis_off()
    return figure


def _draw_box(ax: Axes, box: Box, font_size: float) -> None:
    corner = (box.x - box.width / 2, box.y - box.height / 2)
    style = {"boxstyle": "round,pad=0.0,rounding_size=0.12", "edgecolor": common.COLOURS[0], "linewidth": 1.1}
    ax.add_patch(FancyBboxPatch(corner, box.width, box.height, facecolor=FILLS[box.kind], **style))
    ax.text(box.x, box.y + 0.02, box.claim, ha="center", va="bottom" if "\n" not in box.claim else "center")
    ax.text(box.x, box.y - box.height / 2 + 0.08, box.source, ha="center", va="bottom", fontsize=font_size - 1.5)


def _draw_arrow(ax: Axes, start: Box, end: Box, way: tuple[tuple[float, float], ...]) -> None:
    """From the border of one box to that of another, round the corners on the way."""
    points = [(start.x, start.y), *way, (end.x, end.y)]
    points[0] = _border(start, points[1])
    points[-1] = _border(end, points[-2])
    for (x, y), (next_x, next_y) in pairwise(points[:-1]):
        ax.plot([x, next_x], [y, next_y], color="0.25", linewidth=1.1, solid_capstyle="projecting")
    ax.add_patch(
        FancyArrowPatch(points[-2], points[-1], arrowstyle="-|>", mutation_scale=10, color="0.25", shrinkA=0, shrinkB=1)
    )


def _border(box: Box, towards: tuple[float, float]) -> tuple[float, float]:
    """Where a line leaves a box: straight up or down if that leads there, else from its middle."""
    if abs(towards[0] - box.x) < box.width / 2:
        return towards[0], box.y + np.copysign(box.height / 2, towards[1] - box.y)
    dx, dy = towards[0] - box.x, towards[1] - box.y
    scale = min(box.width / 2 / abs(dx) if dx else np.inf, box.height / 2 / abs(dy) if dy else np.inf)
    return box.x + scale * dx, box.y + scale * dy


if __name__ == "__main__":
    common.run(__file__, __doc__, OPTIONS, QUICK, compute, draw)
