"""The table of `python -m minimal_gd.verify`: every statement has a row, and what is violated shows."""

import runpy
import sys

import numpy as np
import pytest
import reference_table

from minimal_gd.paper import STATEMENTS
from minimal_gd.paper.examples import examples
from minimal_gd.paper.statement import Statement
from minimal_gd.theory import two_layer_experiments
from minimal_gd.theory.comparison import compare
from minimal_gd.verify import __main__ as command
from minimal_gd.verify.table import Line, text

LABELS = [statement.label for statement in STATEMENTS]
REFERENCE = reference_table.stored()


def test_every_statement_has_its_numbers():
    assert sorted(LABELS) == sorted(REFERENCE)


@pytest.fixture(scope="module")
def small_examples():
    return reference_table.small_examples()


@pytest.mark.parametrize("statement", STATEMENTS, ids=LABELS)
def test_every_row_says_what_it_said(statement, small_examples):
    """On the same networks, the same data and for the same arguments: see `make_reference_table.py`."""
    comparison = statement.compare(small_examples)
    assert comparison.left.size > 0
    assert text([Line(statement.label, comparison)]).count("\n") == 1
    reference_table.assert_same(reference_table.kept(comparison), REFERENCE[statement.label])


# ------------------------------------------------------------------ what it is computed on


def test_the_nets_are_wide_unless_asked_otherwise():
    shared = examples()
    nets = [shared.one_layer, shared.fc, shared.resnet, shared.conv, shared.two_layer]
    assert [example.net.width for example in nets] == [512, 512, 512, 128, 4096]
    assert [example.steps for example in nets] == 5 * [60]


def test_a_definition_is_compared_with_fifty_networks():
    _, _, seeds = STATEMENTS[LABELS.index("Means b^(h)")].arguments(examples())
    assert seeds == 50


def test_the_experiments_take_seconds_not_minutes(monkeypatch):
    """From 32 to 2048 units, each four times the last, where the companion goes further, with 1000 inputs."""
    monkeypatch.setattr(two_layer_experiments, "experiment", lambda *sizes, **options: (*sizes, options))
    widths, *sizes, options = examples().two_layer.experiment
    np.testing.assert_array_equal(widths, 32 * 4 ** np.arange(4))
    assert sizes == [200, 200, 100]
    assert options == {"step_size": 0.2, "every": 10}


# ------------------------------------------------------------------ the command


def run_as_a_script(monkeypatch, *arguments):
    """The exit code of `python -m minimal_gd.verify`."""
    monkeypatch.delitem(sys.modules, "minimal_gd.verify.__main__")
    monkeypatch.setattr(sys, "argv", ["verify", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("minimal_gd.verify", run_name="__main__")
    return end.value.code


def test_the_command_prints_the_rows_that_are_asked_for(capsys, monkeypatch):
    assert run_as_a_script(monkeypatch, "Loss step", "I_1", "--width", "32") == 0
    printed = capsys.readouterr().out
    assert [line.split("  ")[0] for line in printed.splitlines()[1:3]] == ["Loss step", "I_1"]
    assert printed.splitlines()[3:] == [
        "",
        "2 statements: 0 fail although their premises hold; 0 have premises that are not met.",
    ]


def test_the_command_prints_all_rows_of_nets_of_512_units_if_none_is_asked_for(capsys, monkeypatch):
    widths = []

    def row(shared):
        widths.append(shared.resnet.net.width)
        return compare("1 ≤ 2", 1.0, "≤", 2.0)

    monkeypatch.setattr(Statement, "compare", lambda statement, shared: row(shared))
    assert command.main([]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in printed[1:-2]] == LABELS
    assert printed[-1].startswith(f"{len(LABELS)} statements: 0 fail")
    assert set(widths) == {512}


def test_the_command_says_whose_premises_are_not_met(capsys, monkeypatch):
    narrow = compare("m ≥ 9", 2.0, "≥", 9.0)
    monkeypatch.setattr(
        Statement, "compare", lambda statement, shared: compare("2 ≤ 1", 2.0, "≤", 1.0, premises=(narrow,))
    )
    assert command.main(["Loss step"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "",
        "Premises that are not met here, so that nothing is promised:",
        "",
        "Loss step: m ≥ 9 (2 against 9)",
        "",
        "1 statements: 0 fail although their premises hold; 1 have premises that are not met.",
    ]


def test_the_command_fails_if_something_that_must_hold_does_not(capsys, monkeypatch):
    monkeypatch.setattr(Statement, "compare", lambda statement, shared: compare("2 ≤ 1", 2.0, "≤", 1.0))
    assert command.main(["Loss step"]) == 1
    assert "1 fail although their premises hold (Loss step)" in capsys.readouterr().out


def test_the_command_names_a_statement_that_there_is_not(capsys):
    with pytest.raises(SystemExit):
        command.main(["Lemma Z.9"])
    assert "no statement Lemma Z.9" in capsys.readouterr().err
