"""What `reference_table.json` keeps of the rows of `python -m minimal_gd.verify`; `make_reference_table.py` made it."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minimal_gd.paper.examples import Examples, examples
from minimal_gd.theory.comparison import Comparison

FILE = Path(__file__).with_name("reference_table.json")
# So many random networks a definition, where the table takes 50.
SEEDS = 2


def small_examples() -> Examples:
    """The table's networks and data, of a width for seconds."""
    return dataclasses.replace(examples(width=64, conv_width=32, two_layer_width=256), seeds=SEEDS)


def kept(comparison: Comparison) -> dict:
    """What a row says: of every side its norm and its sum, which see all entries."""
    return {
        "relation": comparison.relation,
        "holds": comparison.holds,
        "tolerance": comparison.tolerance,
        "shape": list(comparison.left.shape),
        "left": _norm_and_sum(comparison.left),
        "right": _norm_and_sum(comparison.right),
        "premises": [kept(premise) for premise in comparison.premises],
    }


def _norm_and_sum(side: NDArray) -> list[float]:
    return [float(f"{number:.10g}") for number in (np.linalg.norm(side.reshape(-1)), side.sum())]


def assert_same(row: dict, reference: dict) -> None:
    """Whether a row is what it was.

    On another machine the sums of a network's many terms round otherwise, by some 1e-13 at the end of a descent; a net
    of one more unit, or another sample, shows in the first digits. What is below 1e-12 is rounding itself.
    """
    for side in ("left", "right"):
        norm = reference[side][0]
        allowance = 1e-6 * norm * math.sqrt(math.prod(reference["shape"])) + 1e-12
        np.testing.assert_allclose(row[side], reference[side], rtol=0, atol=allowance, err_msg=side)
    for name in ("relation", "holds", "shape"):
        assert row[name] == reference[name], name
    np.testing.assert_allclose(row["tolerance"], reference["tolerance"], rtol=1e-6)
    for premise, expected in zip(row["premises"], reference["premises"], strict=True):
        assert_same(premise, expected)


def stored() -> dict[str, dict]:
    return json.loads(FILE.read_text(encoding="utf-8"))
