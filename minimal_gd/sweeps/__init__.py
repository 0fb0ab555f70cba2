"""Sweeps over widths, depths, seeds, architectures that lose nothing: each result is on disk as soon as it is there.

A sweep that was killed, by whatever, is started again by the same call. It goes on where it was: it computes what is
not there, and at most the cases that were under way a second time.
"""

import inspect
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import closing
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from minimal_gd._runtime import files as atomic
from minimal_gd._runtime import validate
from minimal_gd.sweeps.results import BusyFolderError, Folder, Maker, Result, differences
from minimal_gd.sweeps.workers import outcomes, outcomes_in_processes

__all__ = ["BusyFolderError", "SweepError", "grid", "sweep"]

Case = dict[str, Any]


class SweepError(RuntimeError):
    """Some cases could not be computed; the results of all others are in the folder.

    Attributes
    ----------
    failures : dict of str
        By case, as JSON: its traceback, or what became of its worker.
    """

    def __init__(self, message: str, failures: dict[str, str]) -> None:
        super().__init__(message, failures)  # both, so that a pickled copy can be made again
        self.failures = failures

    def __str__(self) -> str:
        return self.args[0]


def grid(**axes: Any) -> list[Case]:
    """Every combination of the values given by name, the last name's changing fastest.

    Parameters
    ----------
    **axes : list, tuple, range, array, or one value
        The values of each name. Anything else stands for itself.

    Returns
    -------
    list of dict

    Raises
    ------
    ValueError
        If a name has no values.
    """
    values = {}
    for name, axis in axes.items():
        if isinstance(axis, np.ndarray):
            axis = axis.tolist()
        values[name] = list(axis) if isinstance(axis, list | tuple | range) else [axis]
        if not values[name]:
            raise ValueError(f"{name} must have at least one value, got none")
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def sweep(
    measure: Callable[..., dict],
    cases: Iterable[Case],
    folder: str | os.PathLike,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: bool = False,
    outdated: str = "refuse",
) -> list[Result]:
    """Compute `measure(**case)` for every case and keep each result in `folder` as soon as it is there.

    The same call again goes on where the last one was stopped, however that was; of a finished sweep it only reads the
    results. A damaged file is named in a warning and computed again. Every case has one thread for BLAS, so that the
    bits do not depend on the executor or the number of workers.

    Parameters
    ----------
    measure : callable
        A function at the top of a module; returns a dict of numbers, arrays or text by name. Whatever its result
        depends on is in its arguments, its seed too.
    cases : iterable of dict
        Its arguments, in what JSON can say (a tuple arrives as a list). `grid` makes them. A case given twice is
        computed once. They are computed in a mixed order, so that the pace so far tells of the rest.
    folder : path
        Made if it is not there; files that are not of this `measure` are left alone. One sweep at a time computes in
        it; where all results are there, they are read even if the folder cannot be written.
    executor : concurrent.futures.Executor, optional
        What computes: threads, a Dask cluster (`client.get_executor()`), MPI (`mpi4py.futures.MPIPoolExecutor`). It is
        left open. Only the process that calls `sweep` needs the folder. Without one, processes on this machine: a
        script then sweeps under `if __name__ == "__main__":`.
    workers : int ≥ 1, optional
        How many cases are under way at a time, and so how many are lost at most when all is killed. Without it, as
        many as this machine has cores; with an executor, all.
    progress : bool
        Show a progress bar, with an estimate of the time left.
    outdated : "refuse", "recompute" or "keep"
        What to do about results that another version made (of Python, NumPy, SciPy, numba, this package, or of
        `measure`: its code, its defaults and what its decorators hold, but not what it calls in your own modules): a
        ValueError, compute them again, or take them.

    Returns
    -------
    list of dict
        The result of every case in their order, as arrays, or as NumPy's numbers where they have no shape.

    Raises
    ------
    SweepError
        If some cases raised an exception, or their workers died of them, once together with others and once alone.
        All others are done and kept.
    TypeError, ValueError
        If an argument is not as above, or results are outdated.
    BusyFolderError
        If another sweep is at work in the folder.
    RuntimeError
        If workers do not start, or have other versions than this process or another code of `measure`, whose module
        was edited after this process imported it.
    OSError
        If a result cannot be written: all before it are.

    Notes
    -----
    Whatever exception ends a sweep, Ctrl-C among them, its worker processes are killed at once.
    """
    _check_measure(measure, is_for_processes=executor is None)
    if executor is not None and not isinstance(executor, Executor):
        raise TypeError(f"executor must be a concurrent.futures.Executor, got {validate.describe(executor)}")
    workers = None if workers is None else validate.integer("workers", workers)
    validate.boolean("progress", progress)
    validate.one_of("outdated", outdated, ("refuse", "recompute", "keep"))
    store = Folder(atomic.as_path("folder", folder), measure)
    signature = inspect.signature(measure)
    texts = [_as_text(case, signature) for case in cases]
    wanted = dict.fromkeys(texts)

    with store.held() as hindrance:
        results = _results_so_far(store, wanted, outdated)
        left = sorted((case for case in wanted if case not in results), key=store.file)
        if left and hindrance is not None:
            raise hindrance
        if executor is None:
            coming = outcomes_in_processes(measure, left, workers or _cores())
        else:
            coming = outcomes(executor, measure, left, workers or len(left))
        failures = {}
        with (
            closing(coming),
            tqdm(
                total=len(wanted),
                initial=len(results),
                desc=store.name,
                smoothing=0,  # the pace of the whole sweep
                leave=None,
                disable=not progress,
            ) as bar,
        ):
            for case, outcome in coming:
                if isinstance(outcome, tuple):
                    results[case], made_with = outcome
                    _check_versions(store, made_with, outdated)
                    store.write(case, results[case])
                else:
                    failures[case] = outcome if isinstance(outcome, str) else repr(outcome)
                bar.update()
    for case in left:
        if case not in results:
            failures.setdefault(case, "not computed: the executor broke before")
    if failures:
        raise SweepError(_said(failures, len(wanted), store.path), failures)
    return [results[case] for case in texts]


# ------------------------------------------------------------------ before any work


def _check_measure(measure: Any, is_for_processes: bool) -> None:
    wanted = "measure must be a function at the top of a module"
    if not callable(measure):
        raise TypeError(f"{wanted}, got {validate.describe(measure)}")
    if "<" in getattr(measure, "__qualname__", "<"):  # <lambda>, <locals>; partial has no name
        raise ValueError(
            f"{wanted}, as its name and its arguments tell results apart, got {validate.describe(measure)}"
        )
    if is_for_processes:
        try:
            pickle.dumps(measure)
        except Exception as error:
            raise ValueError(f"{wanted}, as worker processes import it, got {validate.describe(measure)}") from error
        if measure.__module__ == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
            raise ValueError(
                f"{wanted} that is a file, as worker processes import it (here, give an executor, such as "
                f"concurrent.futures.ThreadPoolExecutor()), got {validate.describe(measure)}"
            )


def _as_text(case: Any, signature: inspect.Signature) -> str:
    wanted = "cases must be dicts of the arguments of measure"
    if not isinstance(case, dict) or not all(isinstance(name, str) for name in case):
        raise TypeError(f"{wanted}, got {validate.describe(case)}")
    try:
        signature.bind(**case)
    except TypeError as error:
        raise TypeError(f"{wanted}, got {validate.describe(case)} ({error})") from None
    try:
        return json.dumps(case, sort_keys=True, allow_nan=False, default=_number)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted} in what JSON can say, got {validate.describe(case)} ({error})") from None


def _number(value: Any) -> int | float | bool | str:
    """One of NumPy's numbers, for JSON."""
    if not isinstance(value, np.generic):
        raise TypeError(f"there is {validate.describe(value)}")
    return value.item()


def _cores() -> int:
    """How many cores this process may use; a Windows pool has at most 61 workers."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return min(61, len(affinity(0)) if affinity else os.cpu_count() or 1)


# ------------------------------------------------------------------ the results so far


def _results_so_far(store: Folder, cases: Iterable[str], outdated: str) -> dict[str, Result]:
    """The results that the folder holds, but for those to compute again."""
    results, others = {}, []
    for case in cases:
        found = store.read(case)
        if found is not None:
            result, maker = found
            if maker == store.maker or outdated == "keep":
                results[case] = result
            else:
                others.append(maker)
    if others and outdated == "refuse":
        raise ValueError(
            f"outdated must be 'recompute' or 'keep', or folder another one: {len(others)} results in {store.path} "
            f"were made with {differences(others[0], store.maker)}"
        )
    return results


def _check_versions(store: Folder, worker: Maker, outdated: str) -> None:
    here = {name: store.maker[name] for name in worker}
    if worker != here and outdated != "keep":
        raise RuntimeError(f"workers must have the versions of this process, got {differences(worker, here)}")


def _said(failures: dict[str, str], total: int, path: Path) -> str:
    """The first twenty failures, and the whole text of the first."""
    lines = [f"{case}: {text.splitlines()[-1]}" for case, text in islice(failures.items(), 20)]
    return "\n".join(
        [
            f"{len(failures)} of {total} cases were not computed; the others are in {path}, and the same call goes on",
            *lines,
            *([f"and {len(failures) - len(lines)} more"] if len(failures) > len(lines) else []),
            f"The first: {next(iter(failures.values()))}",
        ]
    )
