"""The table of `python -m minimal_gd.verify`: every statement has a row, and what is violated shows."""

import pytest

from minimal_gd.paper import STATEMENTS
from minimal_gd.theory.comparison import compare
from minimal_gd.verify import __main__ as command
from minimal_gd.verify import cases
from minimal_gd.verify.rows import ROWS
from minimal_gd.verify.table import Line, text, violated

LABELS = [statement.label for statement in STATEMENTS]


def test_every_statement_has_a_row():
    assert sorted(ROWS) == sorted(LABELS)


@pytest.fixture(scope="module")
def small_cases():
    return cases.cases(width=64, conv_width=32, two_layer_width=256)


@pytest.mark.parametrize("statement", STATEMENTS, ids=LABELS)
def test_every_row_can_be_computed(statement, small_cases):
    comparison = ROWS[statement.label](small_cases)
    assert comparison.left.size > 0
    assert text([Line(statement.label, comparison)]).count("\n") == 1


def test_the_table_shows_the_entry_closest_to_failing():
    comparison = compare("a ≤ b", [1.0, 5.0, 2.0], "≤", [9.0, 6.0, 2.5])
    shown = text([Line("Lemma", comparison)]).splitlines()[1]
    assert " ".join(shown.split()) == "Lemma 5 ≤ 6 holds 0.83 a ≤ b"


def test_only_what_was_promised_can_be_violated():
    false = compare("2 ≤ 1", 2.0, "≤", 1.0)
    lines = [
        Line("fails", false),
        Line("holds", compare("1 ≤ 2", 1.0, "≤", 2.0)),
        Line("unmet", compare("2 ≤ 1", 2.0, "≤", 1.0, premises=(false,))),
    ]
    assert violated(lines) == ["fails"]
    assert [line.comparison.verdict for line in lines] == ["FAILS", "holds", "fails, 1 of 1 premises unmet"]


def test_the_command_prints_the_rows_that_are_asked_for(capsys):
    assert command.main(["Loss step", "I_1", "--width", "32"]) == 0
    printed = capsys.readouterr().out
    assert [line.split("  ")[0] for line in printed.splitlines()[1:3]] == ["Loss step", "I_1"]
    assert "2 statements: 0 fail although their premises hold" in printed


def test_the_command_fails_if_something_that_must_hold_does_not(capsys, monkeypatch):
    monkeypatch.setitem(ROWS, "Loss step", lambda cases: compare("2 ≤ 1", 2.0, "≤", 1.0))
    assert command.main(["Loss step"]) == 1
    assert "1 fail although their premises hold (Loss step)" in capsys.readouterr().out


def test_the_command_names_a_statement_that_there_is_not(capsys):
    with pytest.raises(SystemExit):
        command.main(["Lemma Z.9"])
    assert "no statement Lemma Z.9" in capsys.readouterr().err
