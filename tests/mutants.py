"""Mutation testing: make one line of minimal_gd a little wrong, and see whether its tests notice; once for every line.

    make mutants                                every file, most important first, then the table
    make mutants ONLY="kernels.py gram.py"      these files
    python tests/mutants.py --survivors FILE    try again what the tests of a file did not notice
    python tests/mutants.py --times             how long the tests of every file take where nothing is wrong

cosmic-ray makes the mutants and keeps what became of them, one session a file in build/mutants, so that a run that is
stopped goes on where it was. `mutations.py` says which mutants there are, `mutants.toml` which tests a file's mutants
face, and which mutants are equivalent. No file is touched: a process that has imported the libraries forks, imports
minimal_gd with one module changed, and runs the tests until one fails. As many processes at a time as there are
processors, or as `--workers` says. Leave the files alone meanwhile: a test that cannot be imported fails too.
"""

import os

os.environ.update(NUMBA_DISABLE_JIT="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import gc
import importlib.util
import json
import math
import multiprocessing
import shlex
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import SourceFileLoader
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

# The libraries of minimal_gd and of its tests, so that no fork has to import them.
import hypothesis.extra.numpy  # noqa: F401
import mpmath  # noqa: F401
import numba.extending  # noqa: F401
import numpy as np  # noqa: F401
import pytest
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.signal
import scipy.special
import scipy.stats  # noqa: F401
import sybil.integration.pytest
import sybil.parsers.markdown  # noqa: F401
import threadpoolctl  # noqa: F401
import tqdm
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult
from mutations import PACKAGE, ROOT, SESSIONS, changed_line, digest_of, mutated, session_of, start_session

RESULTS = ROOT / "tests" / "mutants.json"
PLAN = ROOT / "tests" / "mutants.toml"
README = ROOT / "tests" / "README.md"
SECONDS = 10  # what a file's tests may take; a mutant that takes three times as long is killed


class Mutant(MetaPathFinder, SourceFileLoader):
    """A module of other source than its file."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        super().__init__(name, str(path))
        self.source = source

    def find_spec(self, name, path, target=None):
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname):
        return self.source_to_code(self.source, self.path)


def run_tests(path: Path, source: str, arguments: list[str]) -> None:
    """Exit with pytest's code, which says all there is to know; to be run in a process of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    tqdm.tqdm._instances.clear()  # the bar of the process that forked: a test's own is not below it
    os.chdir(ROOT / "tests")
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    parts = path.relative_to(ROOT).with_suffix("").parts
    sys.meta_path.insert(0, Mutant(".".join(parts), path, source))
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", "--rootdir", str(ROOT)]
    options += ["-p", "no:unraisableexception", "-p", "no:threadexception"]  # they collect garbage three times
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # Hypothesis was imported before pytest was started
    sys.exit(pytest.main([*options, *arguments]))


def started(path: Path, source: str, arguments: list[str]) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(path, source, arguments))
    process.start()
    return process


def survivors_of(session: WorkDB) -> Iterator[WorkItem]:
    """What no test has noticed, to be tried again."""
    return (item for item, result in session.completed_work_items if result.test_outcome == TestOutcome.SURVIVED)


# ---------------------------------------------------------------------- one file


def seconds_of_tests(path: Path, arguments: list[str]) -> float:
    """How long the tests take where nothing is wrong.

    Raises
    ------
    RuntimeError
        If one fails, or they take too long.
    """
    began = time.monotonic()
    process = started(path, path.read_text(encoding="utf-8"), arguments)
    process.join()
    seconds = time.monotonic() - began
    if process.exitcode != 0:
        raise RuntimeError(f"pytest {shlex.join(arguments)} ends with {process.exitcode} where nothing is wrong")
    return seconds


def run_file(path: Path, arguments: list[str], again: bool, workers: int, end: float) -> None:
    """Run the mutants of a file that have not been run yet; after `end`, start no other."""
    if time.monotonic() > end:
        return
    start_session(path)
    with use_db(session_of(path)) as session:
        pending = list(session.pending_work_items) + (list(survivors_of(session)) if again else [])
        if not pending:
            return
        bar = tqdm.tqdm(pending, desc=str(path.relative_to(PACKAGE)), unit="mutant")
        limit = 3 * max(seconds_of_tests(path, arguments), SECONDS)
        running: dict[BaseProcess, tuple[str, float, float]] = {}
        for item in bar:
            if time.monotonic() > end:
                break
            while len(running) == workers:
                collect(session, running)
            process = started(path, mutated(path, item.mutations[0]), arguments)
            began = time.monotonic()
            running[process] = item.job_id, began, began + limit
        while running:
            collect(session, running)


def collect(session: WorkDB, running: dict[BaseProcess, tuple[str, float, float]]) -> None:
    """Wait until a process has ended or its time is over, and write down what became of the mutant."""
    next_end = min(end for _, _, end in running.values())
    wait([process.sentinel for process in running], max(0, next_end - time.monotonic()))
    for process, (job, began, end) in list(running.items()):
        if process.is_alive() and time.monotonic() < end:
            continue
        is_late = process.is_alive()
        process.kill()
        process.join()
        outcome = TestOutcome.SURVIVED if process.exitcode == 0 else TestOutcome.KILLED
        end_of_it = "killed" if is_late else f"ended with {process.exitcode}"
        output = f"{time.monotonic() - began:.2f} s: {end_of_it}"
        session.set_result(job, WorkResult(WorkerOutcome.NORMAL, output, outcome))
        del running[process]


# ---------------------------------------------------------------------- the table


class Score(NamedTuple):
    """What became of a file's mutants; `timeouts` are among the killed, `equivalent` are not among the survivors.

    `seconds` is how long they took in all, in one process each.
    """

    mutants: int
    run: int
    killed: int
    timeouts: int
    equivalent: int
    seconds: float
    survivors: list[tuple[int, str, str]]  # line number, line, line of the mutant


def score_of(path: Path, equivalent: set[tuple[str, str]]) -> Score:
    with use_db(session_of(path)) as session:
        results = [(i, r) for i, r in session.completed_work_items if r.worker_outcome != WorkerOutcome.SKIPPED]
        pending = len(session.pending_work_items)
    survivors = sorted(
        (item.mutations[0].start_pos[0], *changed_line(path, item.mutations[0]))
        for item, result in results
        if result.test_outcome == TestOutcome.SURVIVED
    )
    real = [survivor for survivor in survivors if survivor[1:] not in equivalent]
    timeouts = sum(result.output.endswith(": killed") for _, result in results)
    return Score(
        mutants=len(results) + pending,
        run=len(results),
        killed=len(results) - len(survivors),
        timeouts=timeouts,
        equivalent=len(survivors) - len(real),
        seconds=round(sum(float(result.output.partition(" s: ")[0]) for _, result in results)),
        survivors=real,
    )


def table(results: dict[str, dict]) -> str:
    """The results as Markdown."""
    rows = [
        "| file | mutants | run | killed | of these by time | equivalent | survived | seconds | killed of all run |"
    ]
    rows.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    columns = ("mutants", "run", "killed", "timeouts", "equivalent", "survived", "seconds")
    everything = dict.fromkeys(columns, 0)
    for name, result in results.items():
        counts = {column: result[column] for column in columns}
        everything = {column: everything[column] + counts[column] for column in columns}
        is_old = result["source"] != digest_of(PACKAGE / name)
        rows.append(_row(f"`{name}`{' as it was' * is_old}", counts))
    return "\n".join([*rows, _row("all of these", everything)])


def _row(name: str, counts: dict[str, int]) -> str:
    share = f"{100 * counts['killed'] / counts['run']:.1f} %" if counts["run"] else "–"
    return f"| {name} | {' | '.join(str(count) for count in counts.values())} | {share} |"


def write_report(plan: dict[str, list[str]], equivalents: list[dict]) -> None:
    """Renew tests/mutants.json where there is a session of a file as it is now, and the table of tests/README.md."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in plan:
        path = PACKAGE / name
        if session_of(path).exists():
            argued = {(one["was"], one["becomes"]) for one in equivalents if one["file"] == name}
            score = score_of(path, argued)._asdict()
            survivors = score.pop("survivors")
            results[name] = {"source": digest_of(path), **score, "survived": len(survivors), "survivors": survivors}
    results = {name: results[name] for name in plan if name in results}
    _write(RESULTS, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    before, begin, rest = README.read_text(encoding="utf-8").partition("<!-- mutants -->\n")
    _, end, after = rest.partition("<!-- end of mutants -->\n")
    if begin and end:
        _write(README, f"{before}{begin}{table(results)}\n{end}{after}")


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    growing = path.with_name(path.name + ".partial")
    growing.write_text(text, encoding="utf-8")
    growing.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="*", help="under minimal_gd; all if left out")
    parser.add_argument("--survivors", action="store_true", help="run again what survived")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so many; the next run goes on")
    parser.add_argument("--times", action="store_true", help="only run the tests, with nothing wrong")
    parser.add_argument("--report", action="store_true", help="only renew tests/mutants.json and tests/README.md")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes at a time")
    options = parser.parse_args()
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    tests = plan["tests"]
    gc.freeze()  # the forks need not look at what the libraries made
    SESSIONS.mkdir(parents=True, exist_ok=True)
    if options.times:
        for name in options.files or tests:
            print(f"{seconds_of_tests(PACKAGE / name, tests[name]):5.1f} s  {name}", flush=True)
        return
    end = time.monotonic() + options.seconds
    if not options.report:
        for name in options.files or tests:
            run_file(PACKAGE / name, tests[name], options.survivors, options.workers, end)
    write_report(tests, plan.get("equivalent", []))
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    shown = {name: results[name] for name in options.files or tests if name in results}
    print(table(shown))
    for name in shown if options.files else ():
        for line, was, becomes in results[name]["survivors"]:
            print(f"\nminimal_gd/{name}:{line} survived\n- {was}\n+ {becomes}")


if __name__ == "__main__":
    main()
