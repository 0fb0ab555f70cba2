"""What a sweep hands on and what it says, without processes: to whom the cases go, and which were not computed."""

import functools
import json
import os
import sys
from concurrent.futures import BrokenExecutor, Executor, Future
from types import ModuleType

import numpy as np
import pytest
import sweep_measures
import tqdm
from sweep_measures import SEEDS, Here, assert_same_results

from minimal_gd import sweeps
from minimal_gd.sweeps import SweepError, grid, sweep, workers
from minimal_gd.sweeps.results import versions

# ------------------------------------------------------------------ to whom the cases go


@pytest.fixture
def processes(monkeypatch):
    """How many workers were asked for; the cases are computed here."""
    asked = []

    def outcomes_here(measure, cases, count):
        asked.append(count)
        return workers.outcomes(Here(), measure, cases, 1)

    monkeypatch.setattr(sweeps, "outcomes_in_processes", outcomes_here)
    return asked


def test_without_an_executor_there_are_as_many_processes_as_asked_or_as_cores(tmp_path, monkeypatch, processes):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0: range(7)}[pid], raising=False)
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path / "asked", workers=3)
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path / "as cores")
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path / "an executor", executor=Here())
    assert processes == [3, 7]


def test_there_are_at_most_61_processes_as_windows_has_it(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0: range(200)}[pid], raising=False)
    assert sweeps._cores() == 61
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, expected in ((8, 8), (200, 61), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert sweeps._cores() == expected


def test_an_executor_gets_all_cases_at_once_unless_told_otherwise(tmp_path):
    class Late(Executor):
        """Computes when the last of six is there."""

        def __init__(self):
            self.waiting = []

        def submit(self, function, /, *arguments):
            self.waiting.append((Future(), function, arguments))
            if len(self.waiting) == 6:
                for future, function, arguments in self.waiting:
                    future.set_result(function(*arguments))
            return self.waiting[-1][0]

    assert len(sweep(sweep_measures.slow, SEEDS, tmp_path, executor=Late())) == 6


def test_the_pace_of_the_whole_sweep_tells_of_the_rest(tmp_path, monkeypatch):
    """Not that of the last cases."""
    bars = []

    class Recorded(tqdm.tqdm):
        def __init__(self, *arguments, **options):
            bars.append(options)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(sweeps, "tqdm", Recorded)
    sweep(sweep_measures.slow, SEEDS[:2], tmp_path, executor=Here())
    assert [(bar["total"], bar["initial"], bar["smoothing"]) for bar in bars] == [(2, 0, 0)]


# ------------------------------------------------------------------ what processes can import


def in_a_module(name: str, **attributes):
    """A function at the top of a module of its own."""
    module = ModuleType(name)
    vars(module).update(attributes)
    exec("def measure(seed): return {'seed': seed}", vars(module))
    return module


def test_processes_refuse_what_they_cannot_import_and_an_executor_takes_it(tmp_path):
    measure = in_a_module("a_module_that_nobody_finds").measure
    with pytest.raises(ValueError, match="measure must be a function at the top of a module, as worker processes"):
        sweep(measure, SEEDS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(sweep(measure, SEEDS, tmp_path / "out", executor=Here())) == 6


def test_processes_take_what_a_script_defines_and_not_what_is_typed(tmp_path, monkeypatch, processes):
    typed, script = in_a_module("__main__"), in_a_module("__main__", __file__="script.py")
    monkeypatch.setitem(sys.modules, "__main__", typed)
    with pytest.raises(ValueError, match="measure must be a function at the top of a module that is a file"):
        sweep(typed.measure, SEEDS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path / "out")  # typed, but what it sweeps is not
    monkeypatch.setitem(sys.modules, "__main__", script)
    assert len(sweep(script.measure, SEEDS, tmp_path / "out")) == 6


# ------------------------------------------------------------------ what was not computed


def failing(seed):
    """The text of an error may have several lines."""
    raise ArithmeticError(f"first line\nseed {seed}")


@pytest.mark.parametrize("count", [19, 20, 21, 25])
def test_twenty_failures_are_told_by_their_last_line_and_the_others_counted(tmp_path, count):
    with pytest.raises(SweepError) as caught:
        sweep(failing, grid(seed=range(count)), tmp_path, executor=Here())
    first, *lines = str(caught.value).split("\nThe first: ")[0].splitlines()
    assert first == (
        f"{count} of {count} cases were not computed; the others are in {tmp_path}, and the same call goes on"
    )
    if count > 20:
        assert lines.pop() == f"and {count - 20} more"
    assert len(lines) == min(count, 20)
    failures = caught.value.failures
    assert lines == [f"{case}: seed {json.loads(case)['seed']}" for case in failures][:20]
    assert str(caught.value).endswith(f"The first: {next(iter(failures.values()))}")
    assert next(iter(failures.values())).startswith("Traceback")


class Breaking(Here):
    """Computes two cases; the third breaks it."""

    def __init__(self):
        self.submitted = 0

    def submit(self, function, /, *arguments):
        self.submitted += 1
        if self.submitted > 3:
            raise BrokenExecutor("broken before")
        if self.submitted == 3:
            future = Future()
            future.set_exception(BrokenExecutor("a worker is gone"))
            return future
        return super().submit(function, *arguments)


@pytest.mark.parametrize("options", [{}, {"workers": 1}], ids=["all at once", "one by one"])
def test_an_executor_that_breaks_leaves_every_case_that_was_not_computed_named(tmp_path, options):
    with pytest.raises(SweepError, match=r"^4 of 6 cases were not computed") as caught:
        sweep(sweep_measures.slow, SEEDS, tmp_path, executor=Breaking(), **options)
    said = list(caught.value.failures.values())
    assert said == ["BrokenExecutor('a worker is gone')", *["not computed: the executor broke before"] * 3]
    done = {file.name for file in tmp_path.glob("*.npz")}
    assert len(done) == 2
    assert len(sweep(sweep_measures.slow, SEEDS, tmp_path, executor=Here())) == 6


# ------------------------------------------------------------------ other versions, other names


class Elsewhere(Here):
    """A machine with another NumPy."""

    def submit(self, function, /, *arguments):
        future = super().submit(function, *arguments)
        result, _ = future.result()
        there = Future()
        there.set_result((result, versions() | {"numpy": "9.9.9"}))
        return there


@pytest.mark.parametrize("outdated", ["refuse", "recompute"])
def test_results_of_workers_of_another_version_are_not_kept(tmp_path, outdated):
    with pytest.raises(RuntimeError, match=rf"got numpy 9\.9\.9 instead of {np.__version__}$"):
        sweep(sweep_measures.slow, SEEDS[:1], tmp_path, executor=Elsewhere(), outdated=outdated)
    assert list(tmp_path.glob("*.npz")) == []


def test_results_of_workers_of_another_version_are_kept_on_request(tmp_path):
    assert len(sweep(sweep_measures.slow, SEEDS, tmp_path, executor=Elsewhere(), outdated="keep")) == 6


def test_the_order_of_the_names_in_a_case_plays_no_part(tmp_path):
    case = {"depth": 1, "architecture": "ResNet", "width": 2, "seed": 0}
    first = sweep(sweep_measures.gram, [case], tmp_path, executor=Here())
    again = sweep(sweep_measures.gram, [dict(sorted(case.items()))], tmp_path, executor=Here())
    assert_same_results(again, first)
    assert len(list(tmp_path.glob("*.npz"))) == 1


def test_names_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(TypeError, match=r"^cases must be dicts of the arguments of measure, got dict \{1: 2\}$"):
        sweep(sweep_measures.slow, [{1: 2}], tmp_path, executor=Here())


def test_the_number_of_workers_is_checked_without_an_executor_too(tmp_path):
    with pytest.raises(ValueError, match="workers must be an integer ≥ 1, got 0"):
        sweep(sweep_measures.slow, SEEDS, tmp_path, workers=0)


def test_a_callable_without_a_name_is_refused_by_any_executor(tmp_path):
    for measure in (functools.partial(sweep_measures.slow, 1), lambda seed: {}):
        with pytest.raises(ValueError, match="as its name and its arguments tell results apart"):
            sweep(measure, SEEDS, tmp_path / "out", executor=Here())
