"""What a sweep refuses, and what it does not mix: bad input, results and workers of other versions."""

import functools
import importlib
import inspect
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import sweep_measures
from sweep_measures import SEEDS, Here, logged

import minimal_gd as mgd
from minimal_gd.sweeps import grid, sweep

# ------------------------------------------------------------------ other versions


def test_results_of_another_text_of_the_measure_are_not_mixed_in(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "changing.py").write_text("def measure(seed):\n    return {'value': seed}\n", encoding="utf-8")
    changing = importlib.import_module("changing")
    sweep(changing.measure, SEEDS[:2], tmp_path / "out", executor=Here())
    (tmp_path / "changing.py").write_text(
        "def measure(seed):\n    return {'value': 10 + seed}\n\n\nmore = 1\n", encoding="utf-8"
    )
    importlib.reload(changing)
    assert "10" in inspect.getsource(changing.measure)
    with pytest.raises(ValueError, match=r"outdated must be .* 2 results in .* made with measure's code"):
        sweep(changing.measure, SEEDS[:3], tmp_path / "out", executor=Here())
    kept = sweep(changing.measure, SEEDS[:3], tmp_path / "out", executor=Here(), outdated="keep")
    assert [int(result["value"]) for result in kept] == [0, 1, 12]
    new = sweep(changing.measure, SEEDS[:3], tmp_path / "out", executor=Here(), outdated="recompute")
    assert [int(result["value"]) for result in new] == [10, 11, 12]
    sweep(changing.measure, SEEDS[:3], tmp_path / "out", executor=Here())


def test_results_of_another_version_are_named(tmp_path, monkeypatch):
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path, executor=Here())
    here = np.__version__
    monkeypatch.setattr(np, "__version__", "9.9.9")
    with pytest.raises(ValueError, match=rf"numpy {re.escape(here)} instead of 9\.9\.9"):
        sweep(sweep_measures.slow, SEEDS[:1], tmp_path, executor=Here())


def test_workers_of_another_version_are_refused(tmp_path, monkeypatch):
    """As on a cluster whose machines are not alike."""
    monkeypatch.setattr(np, "__version__", "9.9.9")
    with pytest.raises(RuntimeError, match=r"workers must have the versions of this process, got numpy .* instead of"):
        sweep(sweep_measures.slow, SEEDS[:1], tmp_path, workers=1)
    assert list(tmp_path.glob("*.npz")) == []


# ------------------------------------------------------------------ what is refused


class Network:
    def __call__(self, seed):
        return {}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"measure": 3}, "measure must be a function at the top of a module, got int 3"),
        ({"measure": lambda seed: {}}, "measure must be a function at the top of a module"),
        ({"measure": functools.partial(sweep_measures.slow, 1)}, "measure must be a function at the top of a module"),
        ({"measure": Network()}, "measure must be a function at the top of a module"),
        ({"cases": [{"sede": 1}]}, "cases must be dicts of the arguments of measure, got .*sede"),
        ({"cases": [{}]}, "cases must be .*missing a required argument: 'seed'"),
        ({"cases": [3]}, "cases must be dicts of the arguments of measure, got int 3"),
        ({"cases": [{"seed": np.nan}]}, "cases must be .* JSON .*nan"),
        ({"cases": [{"seed": np.zeros(2)}]}, "cases must be .* JSON .*there is an array of shape"),
        ({"folder": 3}, "folder must be a path, got int 3"),
        ({"executor": "processes"}, "executor must be a concurrent.futures.Executor, got str"),
        ({"workers": 0}, "workers must be an integer ≥ 1, got 0"),
        ({"progress": 1}, "progress must be True or False, got int 1"),
        ({"outdated": "mix"}, "outdated must be one of 'refuse', 'recompute', 'keep', got 'mix'"),
    ],
)
def test_bad_input_is_named_before_any_work(tmp_path, monkeypatch, changed, message):
    log = tmp_path / "log"
    monkeypatch.setenv(sweep_measures.LOG, str(log))
    arguments = {"measure": sweep_measures.slow, "cases": SEEDS, "folder": tmp_path / "out", "executor": Here()}
    with pytest.raises((TypeError, ValueError), match=message):
        sweep(**arguments | changed)
    assert logged(log) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["a number", "an object", "a number by a number", "a mask"])
def test_what_a_measure_returns_is_numbers_arrays_or_text_by_name(tmp_path, kind):
    with pytest.raises(mgd.sweeps.SweepError, match="measure must return numbers, arrays or text by name"):
        sweep(sweep_measures.returns, grid(kind=kind), tmp_path, executor=Here())


def test_processes_refuse_a_measure_that_they_cannot_import(tmp_path):
    typed = "def f(seed): return {}\nimport minimal_gd as mgd\nmgd.sweeps.sweep(f, [{'seed': 1}], 'out')"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", typed], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
    )
    assert "measure must be a function at the top of a module that is a file" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_script_without_its_guard_is_told_so(tmp_path):
    script = """
        import minimal_gd as mgd

        def measure(seed):
            return {"seed": seed}

        mgd.sweeps.sweep(measure, mgd.sweeps.grid(seed=range(40)), "out", workers=2)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "script.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "worker processes do not start: a script that sweeps must do so under `if __name__" in done.stderr
