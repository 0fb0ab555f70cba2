"""Threads over blocks, each with a BLAS of one thread inside.

Thread pools that spin in one another's way cost more than they bring, so while the blocks run in Python threads BLAS
keeps to one. Its own number comes back when the last run of the process that asked for this has ended.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from minimal_gd._runtime.validate import QUIET

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


@contextmanager
def threads() -> Iterator[Run]:
    """Yield a `map` over a list that runs in as many threads as BLAS would use, or in the calling one if that is one.

    Results come in order, as a list. The first exception in this order is raised once all threads have stopped, and
    parts that have not begun by then are left out. Overflow gives no warning inside: what is not finite tells.
    """
    initializer = partial(np.seterr, **QUIET)
    with (
        _single_threaded_blas.held() as count,
        np.errstate(**QUIET),
        ThreadPoolExecutor(max(count - 1, 1), initializer=initializer) as executor,
    ):
        yield partial(_run, executor, 1 if _is_alone.get() else count)


def _run(executor: ThreadPoolExecutor, count: int, function: Callable[[Any], Any], parts: list) -> list:
    """Call `function` for every part, in `count` threads, each taking the next part when it is done with one.

    The calling thread is one of them, as to wake another takes as long as a step of a small network.
    """
    results: list[Any] = [None] * len(parts)
    errors: dict[int, BaseException] = {}
    rest = iter(list(enumerate(parts)))

    def take() -> None:
        for place, part in rest:
            try:
                results[place] = function(part)
            except BaseException as error:
                errors[place] = error
                list(rest)  # leave no part to begin

    others = [executor.submit(take) for _ in range(min(count, len(parts)) - 1)]
    take()
    wait(others)
    if errors:
        raise errors[min(errors)]
    return results


@contextmanager
def one_blas_thread() -> Iterator[Run]:
    """Keep BLAS to one thread, for bits that do not depend on how many it may use; yield `map` to run in this one."""
    with _single_threaded_blas.held():
        yield map
