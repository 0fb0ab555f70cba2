"""Sweeps that are killed, interrupted, out of disk, or lose a worker: they go on, and lose nothing that was written."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest
import sweep_measures
from sweep_measures import GIVEN_UP, LOG, SEEDS, Here, assert_same_results, logged

from minimal_gd.sweeps import SweepError, grid, sweep
from minimal_gd.sweeps.results import Folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and limits")

WORKERS = 2
START = 2.0  # seconds, about what processes take to start
PATIENCE = 60.0  # seconds, for what takes one


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setenv(LOG, str(path))
    return path


def start(folder, cases, body):
    """Sweep in a process of its own that leads a process group."""
    script = f"""
        import signal, sys
        import sweep_measures
        from concurrent.futures import ThreadPoolExecutor
        from minimal_gd.sweeps import sweep

        if __name__ == "__main__":
            signal.signal(signal.SIGINT, signal.default_int_handler)
            folder, cases = {str(folder)!r}, {cases!r}
            {body}
    """
    file = folder.parent / f"sweep_{folder.name}.py"
    file.write_text(textwrap.dedent(script), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with said_by(folder).open("wb") as errors:
        return subprocess.Popen([sys.executable, file], env=environment, start_new_session=True, stderr=errors)


def said_by(folder):
    return folder.parent / f"sweep_{folder.name}.err"


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def has_begun(process, log, lines):
    return len(logged(log)) > lines or process.poll() is not None


def is_alive(pid):
    """Whether the process runs; a dead one that nobody has asked about is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = f"/proc/{pid}/stat"
    if not os.path.exists(stat):
        return True
    with open(stat, encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def written(folder, cases):
    """The seeds whose results are whole."""
    store = Folder(folder, sweep_measures.slow)
    return {case["seed"] for case in cases if store.file(f'{{"seed": {case["seed"]}}}').exists()}


def test_a_sweep_killed_at_random_times_goes_on_and_computes_nothing_twice(request, tmp_path, log):
    """SIGKILL to the sweep and all of its workers, once, with --long 50 times, from the first second to the last.

    What is on disk when the kill comes is never computed again; of the rest at most what the workers had in hand.
    """
    kills, rng = 50 if request.config.getoption("--long") else 1, random.Random(0)
    cases = grid(seed=range(60))
    body = f"sweep(sweep_measures.slow, cases, folder, workers={WORKERS})"
    never_killed = sweep(sweep_measures.slow, cases, tmp_path / "never", executor=Here())
    work = sweep_measures.SLOW * len(cases) / WORKERS
    killed = folders = 0
    while killed < kills:
        folder, killed_here = tmp_path / f"killed_{folders}", 0
        folders += 1
        log.unlink(missing_ok=True)
        while True:
            before, lines = written(folder, cases), len(logged(log))
            process = start(folder, cases, body)
            if killed % 2 == 0:  # half of the kills come once the work has begun
                wait_until(partial(has_begun, process, log, lines))
            try:
                longest = work if killed % 2 == 0 else START + work
                process.wait(timeout=rng.uniform(0, longest) if killed < kills else None)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            assert {case["seed"] for case, _ in logged(log)[lines:]}.isdisjoint(before)
            if status == 0:
                break
            assert status == -signal.SIGKILL, said_by(folder).read_text(encoding="utf-8")
            killed, killed_here = killed + 1, killed_here + 1
        assert len(cases) <= len(logged(log)) <= len(cases) + WORKERS * killed_here
        files = {name.name: name.read_bytes() for name in folder.glob("*.npz")}
        assert files == {name.name: name.read_bytes() for name in (tmp_path / "never").glob("*.npz")}
        assert list(folder.glob("*.partial")) == []
        assert_same_results(sweep(sweep_measures.slow, cases, folder), never_killed)


def test_workers_end_with_a_sweep_that_is_killed(tmp_path, log):
    """SIGKILL to the process that called `sweep` alone, while its workers sleep in a case."""
    process = start(tmp_path / "out", SEEDS, "sweep(sweep_measures.endless, cases[1:], folder, workers=2)")
    wait_until(lambda: len(logged(log)) == 2)
    process.kill()
    process.wait()
    wait_until(lambda: not any(is_alive(pid) for _, pid in logged(log)))


def test_ctrl_c_ends_a_sweep_and_its_workers_at_once_and_keeps_what_is_written(tmp_path, log):
    process = start(tmp_path / "out", SEEDS[:2], "sweep(sweep_measures.endless, cases, folder, workers=2)")
    wait_until(lambda: len(logged(log)) == 2 and list((tmp_path / "out").glob("*.npz")))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    process.wait(timeout=PATIENCE)
    said = said_by(tmp_path / "out").read_text(encoding="utf-8")
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1  # nothing from the workers
    wait_until(lambda: not any(is_alive(pid) for _, pid in logged(log)))
    assert len(list((tmp_path / "out").iterdir())) == 2  # the result and the lock
    sweep(sweep_measures.endless, SEEDS[:1], tmp_path / "out")
    assert len(logged(log)) == 2


def test_ctrl_c_in_the_middle_of_large_results_ends_a_sweep_and_its_workers(tmp_path, log):
    cases = grid(seed=5, copy=range(1000))
    process = start(tmp_path / "out", cases, "sweep(sweep_measures.large, cases, folder, workers=2)")
    wait_until(lambda: process.poll() is not None or list((tmp_path / "out").glob("*.npz")))
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=PATIENCE)
    assert said_by(tmp_path / "out").read_text(encoding="utf-8").rstrip().endswith("KeyboardInterrupt")
    wait_until(lambda: not any(is_alive(pid) for _, pid in logged(log)))


# ------------------------------------------------------------------ no room


def test_a_file_that_may_not_grow_stops_a_sweep_that_then_goes_on(tmp_path, log):
    """What fitted is kept, the rest is computed when there is room."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4_100_000, 4_100_000)); "
    body = limit + "sweep(sweep_measures.large, cases, folder, executor=ThreadPoolExecutor(1))"
    folder = tmp_path / "out"
    assert start(folder, SEEDS, body).wait(timeout=PATIENCE) == 1
    said = said_by(folder).read_text(encoding="utf-8")
    assert "File too large" in said
    assert "could not be written; the same sweep goes on" in said
    kept, lines = list(folder.glob("*.npz")), len(logged(log))
    assert 0 < len(kept) < len(SEEDS)
    assert list(folder.glob("*.partial")) == []
    results = sweep(sweep_measures.large, SEEDS, folder, executor=Here())
    assert len(logged(log)) == lines + len(SEEDS) - len(kept)
    assert_same_results(results, sweep(sweep_measures.large, SEEDS, tmp_path / "never", executor=Here()))


# A disk that nobody else sees, and that goes with the process that sweeps, however this ends.
ON_A_SMALL_DISK = """mount -t tmpfs -o size=8m tmpfs "$1" && shift && exec "$@\""""


@pytest.fixture
def small_disk(tmp_path):
    """A folder, and the command before a script within which a disk of 8 MB is mounted there."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", str(folder)]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a disk of 8 MB takes Linux, and a user who may")
    return folder, command


def test_a_full_disk_stops_a_sweep_that_then_goes_on(small_disk, tmp_path, log):
    """The disk is there for the process alone that sweeps, so that says what it finds."""
    folder, command = small_disk
    script = """
        import subprocess, sys
        from pathlib import Path
        import sweep_measures
        from minimal_gd.sweeps import sweep

        def files():
            return {file.name for file in folder.iterdir()} - {"sweep.lock"}

        if __name__ == "__main__":
            folder = Path(sys.argv[1])
            try:
                sweep(sweep_measures.large, sweep_measures.SEEDS, folder, workers=2)
            except OSError as error:
                assert error.strerror == "No space left on device"
                assert "could not be written; the same sweep goes on" in error.__notes__[0]
            kept, begun = files(), len(sweep_measures.logged(Path(sys.argv[2])))
            assert 0 < len(kept) < 6
            assert all(name.endswith(".npz") for name in kept)
            subprocess.run(["mount", "-o", "remount,size=80m", str(folder)], check=True)
            results = sweep(sweep_measures.large, sweep_measures.SEEDS, folder, executor=sweep_measures.Here())
            assert len(sweep_measures.logged(Path(sys.argv[2]))) == begun + 6 - len(kept)
            assert len(files()) == 6
            for seed, result in enumerate(results):
                assert (result["draw"] == sweep_measures.large(seed)["draw"]).all()
    """
    file = tmp_path / "full.py"
    file.write_text(textwrap.dedent(script), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    full = [*command, sys.executable, str(file), str(folder), str(log)]
    done = subprocess.run(full, env=environment, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert list(folder.iterdir()) == []  # the disk is gone


# ------------------------------------------------------------------ errors and dead workers


@pytest.mark.parametrize("options", [{"executor": Here()}, {"workers": 2}], ids=["here", "processes"])
def test_a_case_that_raises_is_named_and_the_others_are_done(tmp_path, log, monkeypatch, options):
    with pytest.raises(SweepError, match=r'1 of 6 cases .*\n\{"seed": 2\}: .*StubbornError: this and that') as caught:
        sweep(sweep_measures.fails, SEEDS, tmp_path / "out", **options)
    assert list(caught.value.failures) == ['{"seed": 2}']
    assert "in fails\n" in str(caught.value)  # the traceback
    assert len(list((tmp_path / "out").glob("*.npz"))) == 5
    monkeypatch.setenv(GIVEN_UP, "yes")
    results = sweep(sweep_measures.fails, SEEDS, tmp_path / "out", **options)
    assert [int(result["seed"]) for result in results] == list(range(6))
    assert len(logged(log)) == 7


def test_a_worker_that_dies_once_costs_only_the_cases_that_were_under_way(tmp_path, log):
    cases = grid(seed=[*range(8), 10], marks=str(tmp_path))
    results = sweep(sweep_measures.dies, cases, tmp_path / "out", workers=2)
    assert [int(result["seed"]) for result in results] == [*range(8), 10]
    assert len(cases) + 1 <= len(logged(log)) <= len(cases) + 2


def test_a_case_that_always_kills_its_worker_is_named_and_the_others_are_done(tmp_path, log):
    cases = grid(seed=[*range(8), 20], marks=str(tmp_path))
    with pytest.raises(SweepError, match=r'1 of 9 cases .*\n.*"seed": 20\}: DeadWorkerError'):
        sweep(sweep_measures.dies, cases, tmp_path / "out", workers=2)
    assert len(list((tmp_path / "out").glob("*.npz"))) == 8
    before = len(logged(log))
    results = sweep(sweep_measures.dies, cases[:-1], tmp_path / "out", workers=2)
    assert [int(result["seed"]) for result in results] == list(range(8))
    assert len(logged(log)) == before


def test_an_executor_that_breaks_leaves_a_list_of_the_cases_to_do(tmp_path, log):
    cases = grid(seed=[*range(8), 20], marks=str(tmp_path))
    with ProcessPoolExecutor(1, get_context("spawn")) as executor, pytest.raises(SweepError) as caught:
        sweep(sweep_measures.dies, cases, tmp_path / "out", executor=executor, workers=1)
    done = len(list((tmp_path / "out").glob("*.npz")))
    assert len(caught.value.failures) == len(cases) - done
    assert any('"seed": 20' in case for case in caught.value.failures)
    assert all(case in str(caught.value) for case in caught.value.failures)
    sweep(sweep_measures.dies, cases[:-1], tmp_path / "out", executor=Here())
    assert np.bincount([case["seed"] for case, _ in logged(log)])[:8].tolist() == [1] * 8
