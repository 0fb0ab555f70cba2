"""Cases handed to an executor a few at a time, and worker processes that may die or be stopped at any moment.

The worker processes are not those of `concurrent.futures`: there all of them share one pipe and its lock, and a worker
that dies in the middle of a large result leaves the others, and the process that waits, blocked for ever. Here each
has a pipe of its own.
"""

import json
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing, suppress
from itertools import islice
from multiprocessing.connection import Connection, wait

from minimal_gd._runtime.interrupts import Interrupts
from minimal_gd._runtime.threads import one_thread
from minimal_gd.sweeps.results import Maker, Result, as_result, measure_code, versions

Outcome = tuple[Result, Maker] | str
Outcomes = Generator[tuple[str, Outcome | BaseException], None, None]  # each case with what became of it

PATIENCE = 1.0  # seconds, for a worker that has nothing left to do


class DeadWorkerError(RuntimeError):
    """A worker process ended before it had computed its case."""


def task(measure: Callable, case: str) -> Outcome:
    """Compute one case, where the executor says: what came out and what made it there, or the error as a text.

    A text, because not every exception finds its way from one process to another.
    """
    try:
        maker = measure_code(measure) | versions()
        with one_thread():
            return as_result(measure(**json.loads(case))), maker
    except (Exception, SystemExit):  # sys.exit ends a case, and no worker
        return traceback.format_exc()


def outcomes(executor: Executor, measure: Callable, cases: Sequence[str], together: int) -> Outcomes:
    """Yield each case with what became of it, as it comes, with at most `together` of them under way.

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


def outcomes_in_processes(measure: Callable, cases: Sequence[str], workers: int) -> Outcomes:
    """Yield each case with what became of it, as it comes, from worker processes on this machine.

    A case whose worker died is computed once more when all others are done, alone: it may have lacked memory only.

    Raises
    ------
    RuntimeError
        If the first worker ends before it has begun.
    """
    lost = []
    with closing(_from_workers(measure, cases, workers)) as coming:
        for case, outcome in coming:
            if isinstance(outcome, DeadWorkerError):
                lost.append(case)
            else:
                yield case, outcome
    yield from _from_workers(measure, lost, 1)


def _from_workers(measure: Callable, cases: Sequence[str], count: int) -> Outcomes:
    """Yield each case with what became of it, with at most `count` workers, which all have ended when this ends."""
    waiting = deque(cases)
    at_work: list[_Worker] = []
    have_begun = False
    try:
        while waiting or at_work:
            while waiting and len(at_work) < count:
                with Interrupts() as interrupts, interrupts.held_back:
                    at_work.append(_Worker(measure, waiting.popleft()))
            ready = wait([worker.pipe for worker in at_work], timeout=1)
            for worker in [one for one in at_work if (one.pipe in ready if ready else not one.is_alive())]:
                message = worker.message()
                if message is None:
                    have_begun = True
                    continue
                is_dead = isinstance(message, DeadWorkerError)
                if is_dead and not have_begun:
                    raise RuntimeError(
                        "worker processes do not start: a script that sweeps must do so under "
                        f"`if __name__ == '__main__':`, as every worker imports it ({message})"
                    )
                yield worker.case, message
                if waiting and not is_dead:
                    worker.begin(waiting.popleft())
                else:
                    worker.end(PATIENCE)
                    at_work.remove(worker)
    finally:
        with Interrupts() as interrupts, interrupts.held_back:
            for worker in at_work:
                worker.kill()
            for worker in at_work:
                worker.end(0)


class _Worker:
    """A process that computes one case after another, and this end of the pipe to it, through which nobody else writes.

    So whatever ends the process, even in the middle of a message, ends the pipe as well: nobody waits for the rest.
    """

    def __init__(self, measure: Callable, case: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.case = case
        self.pipe, its_end = context.Pipe()
        self._process = context.Process(target=_work, args=(its_end, measure, case), daemon=True)
        self._process.start()
        its_end.close()

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def begin(self, case: str) -> None:
        """Send it the next case; a worker that is dead by now says so at the next `message`."""
        self.case = case
        with suppress(OSError):
            self.pipe.send(case)

    def message(self) -> Outcome | DeadWorkerError | None:
        """What it has sent: None when it begins, and then an outcome a case. Or that it is dead."""
        with suppress(EOFError, OSError):
            if self.pipe.poll():
                return self.pipe.recv()
        self.end(PATIENCE)
        return DeadWorkerError(f"the worker process ended with exit code {self._process.exitcode}")

    def kill(self) -> None:
        self._process.kill()

    def end(self, patience: float) -> None:
        """Let the process end by itself within so many seconds, or kill it."""
        self.pipe.close()
        self._process.join(patience)
        self._process.kill()
        self._process.join()


def _work(pipe: Connection, measure: Callable, case: str) -> None:
    """What a worker does, until the other end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    multiprocessing.current_process().daemon = False  # a measure may start processes of its own
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            pipe.send(task(measure, case))
            case = pipe.recv()


def _end_with_the_parent() -> None:
    if parent := multiprocessing.parent_process():  # as every worker has
        parent.join()
    os._exit(1)
