"""Time several contenders in turn in one run, each in a process of its own, after they were shown to agree."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import works
from numpy.typing import NDArray
from tqdm.auto import tqdm
from workers import Worker


@dataclass(frozen=True)
class Contender:
    """Who does which work.

    Attributes
    ----------
    worker : str
        As in `<worker>_worker.py`.
    form : dict
        What else the worker is told.
    work : dict
        See `works.py`.
    """

    worker: str
    form: dict
    work: dict


@dataclass(frozen=True)
class Conditions:
    """Under which all of them are timed: threads, repeats, and the interpreter of each worker."""

    threads: int
    repeats: int
    pythons: dict[str, Path]


def time_in_turn(contenders: dict[str, Contender], conditions: Conditions) -> dict:
    """Return seconds by contender (a list with a time a round), differences, versions, and who was skipped and why.

    Contenders with equal work must have equal results, those of the first of them, or nothing is timed.
    """
    result = {"seconds": {}, "differences": {}, "skipped": {}, "versions": {}}
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as name:
        try:
            for who, contender in contenders.items():
                _prepare(who, contender, contenders, workers, Path(name), conditions, result)
            result["seconds"] = {who: [] for who in workers}
            for _ in tqdm(range(conditions.repeats), desc="rounds", leave=False):
                for who, worker in workers.items():
                    result["seconds"][who].append(_answer(worker, who, do="run")["seconds"])
        finally:
            for worker in workers.values():
                worker.close()
    return result


def _prepare(
    who: str,
    contender: Contender,
    contenders: dict[str, Contender],
    workers: dict[str, Worker],
    folder: Path,
    conditions: Conditions,
    result: dict,
) -> None:
    """Start a worker and compare its results with those of the first that did the same work."""
    work = contender.work
    same = next(other for other in contenders if contenders[other].work == work)
    inputs, outputs = (folder / f"{kind} {same}.npz" for kind in ("inputs", "outputs"))
    if same == who:
        np.savez(inputs, **works.inputs(work))
    else:
        outputs = folder / "outputs.npz"
    try:
        python = conditions.pythons[contender.worker]
        worker = Worker(contender.worker, python, folder / f"{who}.txt", conditions.threads)
    except FileNotFoundError:
        _skip(who, "its Python is not there, benchmarks/README.md says how to install it", result)
        return
    files = {"inputs": str(inputs), "outputs": str(outputs)}
    answer = worker.ask(do="prepare", work=work, threads=conditions.threads, **files, **contender.form)
    if "error" in answer:
        worker.close()
        if who == "ours":
            raise SystemExit(f"ours: {answer['error']}")
        _skip(who, answer["error"], result)
        return
    if sum(other.work == work for other in contenders.values()) == 1:
        outputs.unlink(missing_ok=True)  # nobody to compare with, and it may be large
    workers[who] = worker
    result["versions"] |= answer["versions"]
    if outputs.name == "outputs.npz" and outputs.exists():
        with (
            np.load(inputs, allow_pickle=False) as start,
            np.load(folder / f"outputs {same}.npz", allow_pickle=False) as ours,
            np.load(outputs, allow_pickle=False) as theirs,
        ):
            difference = largest_difference(dict(theirs), dict(ours), dict(start))
        outputs.unlink()
        result["differences"][who] = difference
        if not difference <= work["tolerance"]:
            raise SystemExit(f"{who} does not compute the same: off by {difference:.1e}; no time would mean anything")


def _skip(who: str, why: str, result: dict) -> None:
    result["skipped"][who] = why
    tqdm.write(f"{who} is skipped: {why}")


def largest_difference(theirs: dict[str, NDArray], ours: dict[str, NDArray], start: dict[str, NDArray]) -> float:
    """Compare every array, relative to its largest entry; what was trained, relative to its largest change."""
    differences = []
    for name, array in ours.items():
        expected = array.astype(np.float64)
        scale = np.abs(expected - start[name] if name in start else expected).max()
        off = np.abs(theirs[name] - expected).max()
        differences.append(0.0 if off == 0 else off / scale)
    return float(np.max(differences))  # nan if one of them is


def _answer(worker: Worker, who: str, **request: object) -> dict:
    answer = worker.ask(**request)
    if "error" in answer:
        raise SystemExit(f"{who} gave up: {answer['error']}")
    return answer
