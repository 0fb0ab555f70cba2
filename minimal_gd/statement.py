"""A row of the map of statements in `minimal_gd.paper`."""

from collections.abc import Callable
from typing import NamedTuple

from minimal_gd.theory.comparison import Comparison


class Statement(NamedTuple):
    """One row of the map.

    Attributes
    ----------
    label : str
        "Lemma B.1"; the companion's begin with "Companion", the poster's with "Poster".
    where : str
        "section 4".
    wording : str
        "text", "poster", "recalled, high", "recalled, medium", "recalled, low" or "derived".
    function : callable
        Gives both sides, a Comparison.
    test : str
        "test_theory_dynamics.py::test_loss_step": fails if either side is wrong.
    """

    label: str
    where: str
    wording: str
    function: Callable[..., Comparison]
    test: str
