"""A row of the table of statements in `minimal_gd.paper`."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from minimal_gd.paper.examples import Examples
from minimal_gd.theory.comparison import Comparison

# How sure the printed words are: seen in the text or on the poster; recalled, with how much confidence; derived here.
TEXT, POSTER_TEXT, DERIVED = "text", "poster", "derived"
HIGH, MEDIUM, LOW = "recalled, high", "recalled, medium", "recalled, low"

# What no name in Python can hold.
_SPELLED = str.maketrans({"∞": "inf", "⊥": "perp", "²": "2", "⪰": "psd"})


class Statement(NamedTuple):
    """One statement of a paper: where it stands, what computes both of its sides, and on what to try it.

    Attributes
    ----------
    label : str
        "Lemma B.1"; the companion's begin with "Companion", the poster's with "Poster".
    where : str
        "section 4".
    wording : str
        One of the six words above.
    function : callable
        Returns both sides, a `Comparison`.
    arguments : callable
        Takes `Examples` and returns the arguments of `function`.
    """

    label: str
    where: str
    wording: str
    function: Callable[..., Comparison]
    arguments: Callable[[Examples], tuple]

    def compare(self, examples: Examples) -> Comparison:
        """Both sides, computed on the example."""
        return self.function(*self.arguments(examples))

    @property
    def name(self) -> str:
        """The function's name, as `from minimal_gd.theory import dynamics` makes it: "dynamics.loss_step"."""
        return f"{self._module}.{self.function.__name__}"

    @property
    def test(self) -> str:
        """The test that fails if either side is wrong: "test_theory_dynamics.py::test_loss_step"."""
        file = self._module if self._module.startswith("two_layer") else f"theory_{self._module}"
        name = re.sub(r"\W+", "_", self.label.translate(_SPELLED).lower()).strip("_")
        return f"test_{file}.py::test_{name}"

    @property
    def _module(self) -> str:
        *folders, module = self.function.__module__.removeprefix("minimal_gd.theory.").split(".")
        if folders != ["companion"]:
            return module
        return "two_layer" if module == "network" else f"two_layer_{module}"


def taken_from(example_of: Callable[[Examples], Any], arguments: Callable[[Any], tuple]) -> Callable[[Examples], tuple]:
    """The `arguments` of a statement that takes them from one example alone."""
    return lambda examples: arguments(example_of(examples))
