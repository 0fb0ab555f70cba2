"""Both sides of a statement: when they are as it says, by how much, and what was promised."""

import math

import numpy as np
import pytest

from minimal_gd.theory.comparison import Comparison, compare

TRUE, FALSE = compare("1 ≤ 2", 1, "≤", 2), compare("2 ≤ 1", 2, "≤", 1)
SQUARE = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("relation", "below", "equal", "above"),
    [
        ("=", False, True, False),
        ("≤", True, True, False),
        ("≥", False, True, True),
        ("<", True, False, False),
        (">", False, False, True),
    ],
)
def test_a_relation_without_tolerance_is_that_of_the_numbers(relation, below, equal, above):
    assert [compare("", left, relation, 1.0).holds for left in (0.5, 1.0, 1.5)] == [below, equal, above]


@pytest.mark.parametrize(
    ("relation", "holds"),
    [
        ("=", [False, True, True, True, False]),
        ("≤", [True, True, True, True, False]),
        ("≥", [False, True, True, True, True]),
        ("<", [True, True, True, False, False]),
        (">", [False, False, True, True, True]),
    ],
)
def test_a_tolerance_is_a_share_of_the_largest_entry(relation, holds):
    """A quarter of 8, so that 3 is as good as anything from 1 to 5."""
    lefts = [0.9, 1.0, 3.0, 5.0, 5.1]
    assert [compare("", [left, 8.0], relation, [3.0, 8.0], 0.25).holds for left in lefts] == holds


def test_the_size_of_either_side_counts_whatever_its_sign():
    assert compare("", [1.0, -100.0], "=", [2.0, -100.0], 0.01).holds
    assert compare("", [1.0, 100.0], "=", [2.0, 99.5], 0.01).holds
    assert compare("", [1.0, 99.5], "=", [2.0, 100.0], 0.01).holds
    assert not compare("", [1.0, 99.0], "=", [2.0, 99.0], 0.01).holds


def test_a_statement_holds_if_every_entry_does():
    assert compare("", SQUARE, "≤", 4.0).holds
    assert not compare("", SQUARE, "≤", [[4.0, 4.0], [4.0, 3.9]]).holds


def test_one_entry_is_compared_with_many():
    comparison = compare("", [1, 2, 3], "≤", 3)
    assert comparison.left.shape == comparison.right.shape == (3,)
    assert comparison.left.dtype == comparison.right.dtype == np.float64
    assert comparison.holds


def test_what_says_nothing_holds():
    for tolerance in (0.0, 0.1):
        assert compare("", [], "=", [], tolerance).holds


def test_infinity_is_larger_than_any_number():
    assert compare("", math.inf, "≥", 1.0).holds
    assert compare("", [1.0, 2.0], "<", math.inf).holds


@pytest.mark.parametrize("relation", ["=", "≤", "≥", "<", ">"])
@pytest.mark.parametrize("tolerance", [0.0, 1e-3])
def test_what_is_not_a_number_is_never_as_claimed(relation, tolerance):
    assert not compare("", [1.0, math.nan], relation, 1.0, tolerance).holds
    assert not compare("", [1.0, 1.0], relation, [1.0, math.nan], tolerance).holds


def test_a_comparison_is_exact_and_unconditional_by_default():
    for comparison in (Comparison("", 1.0, "≤", 0.75), compare("", 1.0, "≤", 0.75)):
        assert not comparison.holds
        assert (comparison.tolerance, comparison.premises) == (0.0, ())
        assert comparison.is_promised


# ------------------------------------------------------------------ by how much


def test_the_factor_of_an_equation_is_its_relative_error():
    assert compare("", [1.0, 2.0, -8.0], "=", [1.5, 2.0, -10.0]).factor == 0.2


@pytest.mark.parametrize(("relation", "factor"), [("≤", 1.5), ("<", 1.5), ("≥", 4.0), (">", 4.0)])
def test_the_factor_of_an_inequality_is_the_largest_quotient(relation, factor):
    assert compare("", [1.0, 3.0], relation, [4.0, 2.0]).factor == factor
    assert compare("", [[1.0], [3.0]], relation, [[4.0], [2.0]]).factor == factor


def test_nothing_is_within_nothing_and_something_is_not():
    assert compare("", 0.0, "≤", 0.0).factor == 0
    assert compare("", -1.0, "≤", 0.0).factor == 0
    assert compare("", 0.5, "≤", 0.0).factor == math.inf
    assert compare("", 0.0, "=", 0.0).factor == 0
    assert compare("", 0.5, "≤", 1.0).factor == 0.5


# ------------------------------------------------------------------ what is promised


@pytest.mark.parametrize(
    ("comparison", "premises", "is_promised", "is_violated", "verdict"),
    [
        (TRUE, (), True, False, "holds"),
        (FALSE, (), True, True, "FAILS"),
        (TRUE, (TRUE, TRUE), True, False, "holds"),
        (FALSE, (TRUE,), True, True, "FAILS"),
        (TRUE, (FALSE, TRUE, FALSE), False, False, "holds, 2 of 3 premises unmet"),
        (FALSE, (TRUE, FALSE), False, False, "fails, 1 of 2 premises unmet"),
    ],
)
def test_nothing_is_promised_where_a_premise_fails(comparison, premises, is_promised, is_violated, verdict):
    comparison = compare(comparison.claim, comparison.left, "≤", comparison.right, premises=premises)
    assert comparison.is_promised is is_promised
    assert comparison.is_violated is is_violated
    assert comparison.verdict == verdict


def test_another_relation_is_refused():
    with pytest.raises(ValueError, match="relation must be one of '=', '≤', '≥', '<', '>', got '<='"):
        compare("", 1.0, "<=", 2.0)
    with pytest.raises(ValueError, match="shape"):
        compare("", [1.0, 2.0], "=", [1.0, 2.0, 3.0])
