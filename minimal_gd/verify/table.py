"""The table: statement, left side, relation, right side, whether it holds here, and by what factor."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from minimal_gd.theory.comparison import Comparison


class Line(NamedTuple):
    """A statement's label and what it came to."""

    label: str
    comparison: Comparison


def text(lines: Iterable[Line]) -> str:
    """Lay the lines out in columns; of a statement about several entries, show the one closest to failing."""
    heading = ("statement", "left", "", "right", "here", "factor", "claim")
    rows = [heading, *(_cells(line) for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heading) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def unmet(lines: Iterable[Line]) -> str:
    """What the statements ask for and do not get here, a line for each statement."""
    return "\n".join(
        f"{line.label}: " + "; ".join(_not_met(premise) for premise in line.comparison.premises if not premise.holds)
        for line in lines
        if not line.comparison.is_promised
    )


def violated(lines: Iterable[Line]) -> list[str]:
    """The labels of what was promised and does not hold."""
    return [line.label for line in lines if line.comparison.is_violated]


def _not_met(premise: Comparison) -> str:
    i = _worst(premise)
    left, right = premise.left.reshape(-1)[i], premise.right.reshape(-1)[i]
    return f"{premise.claim} ({left:.3g} against {right:.3g})"


def _cells(line: Line) -> tuple[str, ...]:
    comparison = line.comparison
    i = _worst(comparison)
    left, right = comparison.left.reshape(-1)[i], comparison.right.reshape(-1)[i]
    return (
        line.label,
        f"{left:.4g}",
        comparison.relation,
        f"{right:.4g}",
        comparison.verdict,
        f"{comparison.factor:.2g}",
        comparison.claim,
    )


def _worst(comparison: Comparison) -> int:
    """The entry with the largest difference, of an inequality with the largest quotient in the wrong direction."""
    left, right = comparison.left.reshape(-1), comparison.right.reshape(-1)
    if comparison.relation == "=":
        return int(np.argmax(np.abs(left - right)))
    small, large = (left, right) if comparison.relation in ("≤", "<") else (right, left)
    with np.errstate(divide="ignore", invalid="ignore"):
        return int(np.nanargmax(np.where(large > 0, small / large, small - large)))
