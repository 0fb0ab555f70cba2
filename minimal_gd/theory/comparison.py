"""What a statement comes to on a real network: its left side, its right side, and whether they are as it says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minimal_gd._runtime import validate
from minimal_gd._runtime.content import by_content

_HOLDS = {
    "=": lambda left, right, slack: np.abs(left - right) <= slack,
    "≤": lambda left, right, slack: left <= right + slack,
    "≥": lambda left, right, slack: left >= right - slack,
    "<": lambda left, right, slack: left < right + slack,
    ">": lambda left, right, slack: left > right - slack,
}


@by_content
@dataclass(frozen=True)
class Comparison:
    """Both sides of a statement, for one network and one set of data.

    Attributes
    ----------
    claim : str
        The statement in symbols: "λ_min(G^(H)(k)) ≥ λ/2".
    left, right : float64 arrays of one shape
        Both sides; several entries for a statement about several samples, layers or steps.
    relation : "=", "≤", "≥", "<" or ">"
        What the statement says that they are.
    tolerance : float ≥ 0
        How far off is allowed, relative to the larger side's largest entry: rounding for what is exact, more for what
        is said of wide networks, or of expectations that were sampled.
    premises : tuple of Comparisons
        What the statement asks for. It promises nothing where one of them fails.
    """

    claim: str
    left: NDArray
    relation: str
    right: NDArray
    tolerance: float = 0.0
    premises: tuple["Comparison", ...] = ()

    def __post_init__(self) -> None:
        left, right = np.broadcast_arrays(np.asarray(self.left, np.float64), np.asarray(self.right, np.float64))
        object.__setattr__(self, "left", left)
        object.__setattr__(self, "right", right)
        validate.one_of("relation", self.relation, tuple(_HOLDS))

    @property
    def holds(self) -> bool:
        """Whether the sides are related as claimed, everywhere; never if one of them is not a number."""
        slack = 0.0
        if self.tolerance > 0 and self.left.size:
            slack = self.tolerance * max(np.abs(self.left).max(), np.abs(self.right).max())
        return bool(np.all(_HOLDS[self.relation](self.left, self.right, slack)))

    @property
    def is_promised(self) -> bool:
        """Whether every premise holds, so that the statement must hold too."""
        return all(premise.holds for premise in self.premises)

    @property
    def is_violated(self) -> bool:
        """Whether it was promised and does not hold."""
        return self.is_promised and not self.holds

    @property
    def factor(self) -> float:
        """By how much it holds, or fails.

        For "=", the largest difference relative to the largest entry of the right side; for an inequality, the largest
        quotient of what should be smaller by what should be larger: up to 1 where it holds. The larger side must not
        be negative.
        """
        if self.relation == "=":
            return _quotient(np.abs(self.left - self.right).max(), np.abs(self.right).max())
        small, large = (self.left, self.right) if self.relation in ("≤", "<") else (self.right, self.left)
        return max(_quotient(s, b) for s, b in zip(small.reshape(-1), large.reshape(-1), strict=True))

    @property
    def verdict(self) -> str:
        """In words: holds, FAILS, or what is true although nothing was promised."""
        if self.is_promised:
            return "holds" if self.holds else "FAILS"
        unmet = sum(not premise.holds for premise in self.premises)
        return f"{'holds' if self.holds else 'fails'}, {unmet} of {len(self.premises)} premises unmet"


def compare(
    claim: str,
    left: ArrayLike,
    relation: str,
    right: ArrayLike,
    tolerance: float = 0.0,
    premises: tuple[Comparison, ...] = (),
) -> Comparison:
    """A Comparison of anything that NumPy can make arrays of."""
    return Comparison(claim, np.asarray(left), relation, np.asarray(right), tolerance, premises)


def _quotient(numerator: float, denominator: float) -> float:
    if denominator == 0:
        return 0.0 if numerator <= 0 else float("inf")
    return float(numerator / denominator)
