"""The plan of the mutation testing fits the package."""

import json
import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "minimal_gd"
PLAN = tomllib.loads((TESTS / "mutants.toml").read_text(encoding="utf-8"))


def test_every_module_with_code_has_tests_that_its_mutants_face():
    files = PACKAGE.rglob("*.py")
    modules = [file for file in files if file.name != "__init__.py" or "def " in file.read_text(encoding="utf-8")]
    assert set(PLAN["tests"]) == {str(path.relative_to(PACKAGE)) for path in modules}


@pytest.mark.parametrize("name", PLAN["tests"])
def test_the_tests_of_a_module_are_there(name):
    files = [argument.split("::")[0] for argument in PLAN["tests"][name] if argument.startswith("test_")]
    assert files
    assert all((TESTS / file).is_file() for file in files)


def test_every_equivalent_mutant_is_argued_and_changes_a_line_that_is_there():
    for mutant in PLAN.get("equivalent", []):
        assert set(mutant) == {"file", "was", "becomes", "why"}
        lines = [line.strip() for line in (PACKAGE / mutant["file"]).read_text(encoding="utf-8").splitlines()]
        assert mutant["was"] in lines, mutant


def test_no_module_that_was_run_has_no_mutants():
    results = json.loads((TESTS / "mutants.json").read_text(encoding="utf-8"))
    assert set(results) <= set(PLAN["tests"])
    assert all(result["mutants"] > 0 for result in results.values())
