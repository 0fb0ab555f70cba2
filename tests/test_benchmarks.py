"""The benchmark runs without its peers, refuses results that differ, and the README shows the committed results."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def scripts(monkeypatch):
    """Make the scripts importable, as they are to one another."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A few rows at tiny sizes, with no peer there."""
    out = tmp_path_factory.mktemp("benchmarks")
    rows = ["step-ConvResNet", "limits-relu", "memory"]
    options = ["--shrink", "64", "--repeats", "2", "--out", out]
    nowhere = ["--python", out / "none", "--neural-tangents", out / "none"]
    command = [sys.executable, "-X", "utf8", BENCHMARKS / "bench.py", "--only", *rows, *options, *nowhere]
    done = subprocess.run(list(map(str, command)), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return out, done


def test_a_benchmark_times_ours_and_the_floor_and_says_which_peers_it_skips(tiny):
    out, done = tiny
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    step = results["cases"]["step-ConvResNet"]
    floors = {f"products, {way}" for way in ("BLAS threads", "blocks", "one thread")}
    assert step["seconds"].keys() == {"ours"} | floors
    assert all(len(times) == 2 and min(times) > 0 for times in step["seconds"].values())
    for peer in ("torch", "torch compiled", "JAX"):
        assert peer in step["skipped"]
        assert f"{peer} is skipped: " in done.stdout + done.stderr
    assert results["memory"]
    assert (out / "ratios.png").stat().st_size > 0
    assert "neural-tangents | skipped: its Python is not there" in (out / "table.md").read_text(encoding="utf-8")


def test_every_row_of_a_table_has_the_columns_of_its_head(tiny, scripts):
    for table in (tiny[0] / "table.md").read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_results_that_differ_are_seen(scripts):
    from contest import largest_difference

    start, ours = {"W0": np.ones(3)}, {"W0": np.array([1.0, 1.0, 1.001]), "loss": np.array([2.0, 1.0])}
    assert largest_difference(ours, ours, start) == 0
    off = ours | {"W0": ours["W0"] + 1e-9}
    assert largest_difference(off, ours, start) == pytest.approx(1e-6, rel=1e-3)  # of the largest change
    assert not largest_difference(ours | {"loss": np.array([2.0, np.nan])}, ours, start) < 1


def test_goals_are_met_or_missed_by_the_median_of_ratios(scripts):
    from cases import Goal
    from report import said_goal

    seconds = {"ours": [1.0, 2.0, 3.0], "products, blocks": [1.0, 1.0, 1.0], "JAX": [3.0, 6.0, 9.0], "torch": [9.0] * 3}
    assert said_goal(Goal(1.5), seconds) == "≤ 1.50 × floor: missed, 2"
    assert said_goal(Goal(2.5), seconds) == "≤ 2.50 × floor: met, 2"
    assert said_goal(Goal(3, ("JAX", "torch")), seconds).endswith(": met, 3")
    assert said_goal(Goal(3.1, ("JAX", "torch")), seconds).endswith(": missed, 3")
    assert said_goal(Goal(2, ("neural-tangents",)), seconds).endswith(": not measured")


def test_growth_is_the_slope_of_the_logarithms(scripts, tmp_path):
    import pictures
    import report

    seconds = {str(n): [1e-6 * n**2, 5e-6 * n**2, 1e-9] for n in (100, 200, 1000)}
    results = {"cases": {}, "growth": {"limits, n samples": {"seconds": seconds}}, "shrink": 1}
    assert report.table_of_growth(results).endswith("| n^2.00 | n^2: met |")
    pictures.draw(results, tmp_path)
    assert (tmp_path / "growth.png").stat().st_size > 0


def test_the_readme_shows_the_committed_results(scripts):
    import report

    results = json.loads((BENCHMARKS / "results" / "results.json").read_text(encoding="utf-8"))
    assert report.for_readme(results) in (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.full_report(results) == (BENCHMARKS / "results" / "table.md").read_text(encoding="utf-8")


def test_the_committed_rows_have_every_peer_and_nine_rounds_and_the_others_are_named(scripts):
    import cases
    import report

    results = json.loads((BENCHMARKS / "results" / "results.json").read_text(encoding="utf-8"))
    assert results["shrink"] == 1
    assert results["growth"].keys() == cases.growth().keys()
    for name, case in cases.cases().items():
        if name not in results["cases"]:
            assert case.title in report.conditions(results).split("Not measured here: ")[1]
            continue
        row = results["cases"][name]
        assert not row["skipped"]
        assert row["seconds"].keys() == case.who.keys()
        assert min(map(len, row["seconds"].values())) >= 9
