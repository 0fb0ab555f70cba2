"""Threads over blocks, each with a BLAS of one thread inside.

Thread pools that spin in one another's way cost more than they bring, so while the blocks run in Python threads BLAS
keeps to one. Its own number comes back when the last run of the process that asked for this has ended.

A step of descent on a small network is over in the time that a `ThreadPoolExecutor` takes to hand out its parts. So the
calling thread works too, and the others wait on a queue for the next function and its parts: `Team`.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cache, partial
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from minimal_gd._runtime.validate import QUIET

# seconds
_AWAKE = 2e-4
_pause = getattr(os, "sched_yield", partial(time.sleep, 0))  # a sleep of 0 takes 70 µs on some machines

Run = Callable[[Callable, list], Iterable]


@cache
def _blas() -> ThreadpoolController:
    """Looking for the BLAS takes longer than a small step."""
    return ThreadpoolController().select(user_api="blas")


class _SingleThreadedBlas:
    """A process-wide limit that overlapping users share: the first one sets it, the last one lifts it.

    threadpoolctl lets a limit be lifted only by the thread that set it, and ignores all other threads meanwhile. So the
    first user sets it in its own thread, and where it leaves before the others, hands the limit over to a keeper: a
    thread that does nothing else and waits for the last user.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._count: int
        self._keeper: ThreadPoolExecutor | None = None
        self._limit = ExitStack()

    @contextmanager
    def held(self, by_keeper: bool = False) -> Iterator[int]:
        """Hold BLAS to one thread; yield the number that it had.

        While the limit is handed over, BLAS is free for a moment. With `by_keeper`, users that overlap have a keeper
        from the first on.
        """
        with self._lock:
            is_first = self._users == 0 and not by_keeper
            self._users += 1
            if is_first:
                self._set()
            elif self._users == 1:
                self._hand_over()
        try:
            yield self._count
        finally:
            with self._lock:
                self._users -= 1
                if is_first:
                    self._limit.close()
                    if self._users > 0:
                        self._hand_over()
                elif self._users == 0 and self._keeper is not None:
                    self._keeper.submit(self._limit.close).result()
                    self._keeper.shutdown()
                    self._keeper = None

    def _hand_over(self) -> None:
        self._keeper = ThreadPoolExecutor(1)
        self._keeper.submit(self._set).result()

    def _set(self) -> None:
        blas = _blas()
        self._count = max((library["num_threads"] for library in blas.info()), default=1)
        self._limit = ExitStack()
        self._limit.enter_context(blas.limit(limits=1))


_single_threaded_blas = _SingleThreadedBlas()
_is_alone = ContextVar("is_alone", default=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS and `threads` to one thread, for work that is done many times side by side."""
    with _single_threaded_blas.held(by_keeper=True):
        token = _is_alone.set(True)
        try:
            yield
        finally:
            _is_alone.reset(token)


class Team:
    """The calling thread and `count` - 1 others, each taking the next part when it is done with one.

    Overflow gives no warning inside: what is not finite tells.

    Parameters
    ----------
    count : int ≥ 1
    """

    def __init__(self, count: int) -> None:
        self._rounds: list[SimpleQueue] = [SimpleQueue() for _ in range(count - 1)]
        self._done: SimpleQueue = SimpleQueue()
        self._members: list[threading.Thread] = []

    def __call__(self, function: Callable[[Any], Any], parts: list) -> list:
        """Return what `function` gives for every part, in order, or raise what it raised, once all have stopped."""
        results = [None] * len(parts)
        rest = iter(list(enumerate(parts)))
        helpers = self._rounds[: max(len(parts) - 1, 0)]
        for rounds in helpers:
            rounds.put((function, rest, results))
        if helpers and not self._members:
            self._start()
        errors = [_take(function, rest, results)]
        errors += [_get(self._done) for _ in helpers]
        for error in errors:
            if error is not None:
                raise error
        return results

    def _start(self) -> None:
        """Call the others in: not before there is work for them, as they stay awake for a while."""
        self._members = [threading.Thread(target=self._work, args=(rounds,), daemon=True) for rounds in self._rounds]
        for member in self._members:
            member.start()

    def close(self) -> None:
        """End the other threads."""
        for rounds in self._rounds:
            rounds.put(None)
        for member in self._members:
            member.join()

    def _work(self, rounds: SimpleQueue) -> None:
        with np.errstate(**QUIET):
            while (order := _get(rounds)) is not None:
                self._done.put(_take(*order))


def _get(queue: SimpleQueue) -> Any:
    """Take the next item, and stay awake for a while for it: a thread that sleeps takes longer to wake than most."""
    end = time.perf_counter() + _AWAKE
    while time.perf_counter() < end:
        try:
            return queue.get_nowait()
        except Empty:
            _pause()  # and lets the other threads have Python's lock
    return queue.get()


def _take(function: Callable[[Any], Any], rest: Iterator[tuple[int, Any]], results: list) -> BaseException | None:
    """Do part after part until none is left, or one fails; then leave none, and return why."""
    try:
        for place, part in rest:
            results[place] = function(part)
    except BaseException as error:
        list(rest)
        return error
    return None


@contextmanager
def threads() -> Iterator[Run]:
    """Yield a `map` over a list, that runs in as many threads as BLAS would use.

    Results come in order, as a list. Overflow gives no warning inside: what is not finite tells.
    """
    with _single_threaded_blas.held() as count, np.errstate(**QUIET):
        team = Team(1 if _is_alone.get() else count)
        try:
            yield team
        finally:
            team.close()


@contextmanager
def one_blas_thread() -> Iterator[Run]:
    """Keep BLAS to one thread, for bits that do not depend on how many it may use; yield `map` to run in this one."""
    with _single_threaded_blas.held():
        yield map
