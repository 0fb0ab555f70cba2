"""The map of the papers' statements: complete, true, and held by tests that notice a wrong side."""

import dataclasses
import importlib
import re
import sys

import pytest

from minimal_gd.paper import STATEMENTS

LABELS = [statement.label for statement in STATEMENTS]


def named_test(statement):
    file, name = statement.test.split("::")
    return getattr(importlib.import_module(file.removesuffix(".py")), name)


def words(text):
    """Lower-case letters and digits of a label or a name: "Lemma B.1" and "test_lemma_b_1" agree."""
    return re.sub(r"[^a-z0-9∞σ]+", " ", text.lower()).strip()


def test_every_statement_has_one_row():
    assert len(set(LABELS)) == len(LABELS)


@pytest.mark.parametrize("statement", STATEMENTS, ids=LABELS)
def test_the_function_of_a_statement_says_where_it_comes_from(statement):
    sources = statement.function.__doc__.split("Paper:")[-1] if "Paper:" in statement.function.__doc__ else ""
    sources += statement.function.__doc__.split("Companion:")[-1] if "Companion:" in statement.function.__doc__ else ""
    sources += statement.function.__doc__.split("Poster:")[-1] if "Poster:" in statement.function.__doc__ else ""
    label = statement.label.removeprefix("Companion ").removeprefix("Poster ")
    assert words(label) in words(sources) or words(statement.where) in words(sources)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("statement", STATEMENTS, ids=LABELS)
def test_the_test_of_a_statement_fails_when_a_side_is_doubled(statement, side, monkeypatch):
    function = statement.function

    def doubled(*args, **kwargs):
        comparison = function(*args, **kwargs)
        return dataclasses.replace(comparison, **{side: 2 * getattr(comparison, side)})

    monkeypatch.setattr(sys.modules[function.__module__], function.__name__, doubled)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        named_test(statement)()
