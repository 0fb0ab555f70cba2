"""How `python -m minimal_gd.verify` lays out its table, and which entry of a statement it shows."""

import pytest

from minimal_gd.theory.comparison import compare
from minimal_gd.verify.table import Line, text, unmet, violated


def shown(left, relation, right):
    """The two numbers that the table shows of a statement about several entries."""
    row = text([Line("Lemma", compare("claim", left, relation, right))]).splitlines()[1].split()
    return float(row[1]), float(row[3])


def test_the_columns_are_as_wide_as_what_they_hold():
    lines = [
        Line("Lemma", compare("a ≤ b", [1.0, 5.0, 2.0], "≤", [9.0, 6.0, 2.5])),
        Line("A theorem", compare("c = d", 0.12345, "=", 0.25)),
    ]
    assert text(lines).splitlines() == [
        "statement  left       right  here   factor  claim",
        "Lemma      5       ≤  6      holds  0.83    a ≤ b",
        "A theorem  0.1235  =  0.25   FAILS  0.51    c = d",
    ]


@pytest.mark.parametrize(
    ("left", "relation", "right", "worst"),
    [
        ([1, 5, 2], "≤", [9, 6, 2.5], (5, 6)),
        ([9, 6, 2.5], ">", [1, 5, 2], (6, 5)),
        ([9, 6, 2.5], "≥", [1, 5, 2], (6, 5)),
        ([[0.1, 1], [0.3, 0.1]], "<", [[0.2, 9], [0.4, 0.5]], (0.3, 0.4)),  # quotients below 1
        ([[1, 2], [3, 4]], "=", [[1, 2.5], [3.1, 4]], (2, 2.5)),  # the largest difference
        ([-1, 4], "=", [1, 4], (-1, 1)),
        ([2, 1], "≤", [0, 1], (2, 0)),  # where the larger should be 0: the difference
        ([0.5, 3], "≤", [0, 1], (3, 1)),
        ([-3, -3], "≤", [-2, -4], (-3, -4)),
    ],
)
def test_the_table_shows_the_entry_closest_to_failing(left, relation, right, worst):
    assert shown(left, relation, right) == worst


def test_an_entry_that_is_not_a_number_hides_no_other():
    assert shown([float("nan"), 5.0, 1.0], "≤", [1.0, 6.0, 2.0]) == (5, 6)


def test_only_what_was_promised_can_be_violated():
    false = compare("2 ≤ 1", 2.0, "≤", 1.0)
    lines = [
        Line("fails", false),
        Line("holds", compare("1 ≤ 2", 1.0, "≤", 2.0)),
        Line("unmet", compare("2 ≤ 1", 2.0, "≤", 1.0, premises=(false,))),
    ]
    assert violated(lines) == ["fails"]
    assert [line.comparison.verdict for line in lines] == ["FAILS", "holds", "fails, 1 of 1 premises unmet"]


def test_premises_that_are_not_met_are_said_with_their_numbers():
    met, narrow = compare("1 ≤ 2", 1.0, "≤", 2.0), compare("m ≥ 9", 2.0, "≥", 9.0)
    matrix = compare("a ≤ b", [[1.0, 2.0], [9.0, 4.0]], "≤", 4.0)
    lines = [
        Line("promised", compare("0 < 1", 0.0, "<", 1.0, premises=(met,))),
        Line("Lemma", compare("0 < 1", 0.0, "<", 1.0, premises=(narrow, met, matrix))),
        Line("Theorem", compare("0 < 1", 0.0, "<", 1.0, premises=(narrow,))),
    ]
    assert unmet(lines).splitlines() == [
        "Lemma: m ≥ 9 (2 against 9); a ≤ b (9 against 4)",
        "Theorem: m ≥ 9 (2 against 9)",
    ]
