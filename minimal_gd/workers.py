"""Cases handed to an executor a few at a time, and worker processes of which one may die.

A worker that dies breaks its whole pool, and nobody can tell which of the cases in it was the cause. So the cases that
were lost get a second chance together, in a new pool, and then one each alone.
"""

import json
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice

from minimal_gd.results import Maker, Result, as_result, versions
from minimal_gd.threads import one_thread

Outcome = tuple[Result, Maker] | str


def task(measure: Callable, case: str) -> Outcome:
    """Compute one case, where the executor says: what came out and with which versions, or the error as a text.

    A text, because not every exception finds its way from one process to another.
    """
    try:
        with one_thread():
            return as_result(measure(**json.loads(case))), versions()
    except Exception:
        return traceback.format_exc()


def outcomes(
    executor: Executor, measure: Callable, cases: Sequence[str], together: int
) -> Iterator[tuple[str, Outcome | BaseException]]:
    """Give each case with what became of it, as it comes, with at most `together` of them under way.

    Ends early where the executor breaks: cases that were not under way then are not given.
    """
    waiting = iter(cases)
    running: dict[Future, str] = {}
    finished: queue.SimpleQueue[Future] = queue.SimpleQueue()
    is_broken = False
    try:
        while True:
            for case in islice(waiting, 0 if is_broken else together - len(running)):
                try:
                    future = executor.submit(task, measure, case)
                except BrokenExecutor:
                    is_broken = True
                    break
                running[future] = case
                future.add_done_callback(finished.put)
            if not running:
                return
            future = _next(finished)
            error = future.exception()
            is_broken |= isinstance(error, BrokenExecutor)
            yield running.pop(future), future.result() if error is None else error
    finally:
        for future in running:
            future.cancel()


def _next(finished: queue.SimpleQueue) -> Future:
    while True:
        with suppress(queue.Empty):
            return finished.get(timeout=1)  # without a timeout Ctrl-C would wait, too, on Windows


def outcomes_in_processes(
    measure: Callable, cases: Sequence[str], workers: int
) -> Iterator[tuple[str, Outcome | BaseException]]:
    """Give each case with what became of it, as it comes, from worker processes on this machine."""
    lost: dict[str, BrokenExecutor] = {}
    for together in (workers, workers, 1):
        lost = {}
        while cases:
            given = dict.fromkeys(cases, False)
            with _processes(min(together, len(cases))) as pool:
                for case, outcome in outcomes(pool, measure, cases, together):
                    given[case] = True
                    if isinstance(outcome, BrokenExecutor):
                        lost[case] = outcome
                    else:
                        yield case, outcome
            if lost.keys() >= {case for case in cases if given[case]}:
                _check_that_workers_start()
            cases = [case for case in cases if not given[case]]
        cases = list(lost)
    yield from lost.items()


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """Worker processes that end when this one ends; at once, if by an exception."""
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _start_worker)
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _check_that_workers_start() -> None:
    with _processes(1) as pool:
        try:
            pool.submit(os.getpid).result()
        except BrokenExecutor as error:
            raise RuntimeError(
                "worker processes do not start: a script that sweeps must do so under `if __name__ == '__main__':`, as "
                "every worker imports it"
            ) from error
