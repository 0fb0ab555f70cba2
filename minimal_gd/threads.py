"""Threads over blocks, each with a BLAS of one thread inside.

Thread pools that spin in one another's way cost more than they bring, so while the blocks run in Python threads BLAS
keeps to one. Its own number comes back when the last run of the process that asked for this has ended.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

Run = Callable[[Callable, list], Iterator]


@cache
def _blas() -> ThreadpoolController:
    """Looking for the BLAS takes longer than a small step."""
    return ThreadpoolController().select(user_api="blas")


class _SingleThreadedBlas:
    """A process-wide limit that overlapping users share: the first one sets it, the last one lifts it.

    threadpoolctl lets a limit be lifted only by the thread that set it. So where the first user leaves before the
    others, it hands the limit over to a thread of its own, which waits for the last.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._count = 1
        self._heir: ThreadPoolExecutor | None = None
        self._limit = ExitStack()

    @contextmanager
    def held(self) -> Iterator[int]:
        """Hold BLAS to one thread; give the number that it had."""
        with self._lock:
            is_first = self._users == 0
            self._users += 1
            if is_first:
                self._set()
        try:
            yield self._count
        finally:
            with self._lock:
                self._users -= 1
                if is_first:
                    self._limit.close()
                    if self._users > 0:
                        self._heir = ThreadPoolExecutor(1)
                        self._heir.submit(self._set).result()
                elif self._users == 0 and self._heir is not None:
                    self._heir.submit(self._limit.close).result()
                    self._heir.shutdown()
                    self._heir = None

    def _set(self) -> None:
        blas = _blas()
        self._count = max((library["num_threads"] for library in blas.info()), default=1)
        self._limit = ExitStack()
        self._limit.enter_context(blas.limit(limits=1))


_single_threaded_blas = _SingleThreadedBlas()


@contextmanager
def threads() -> Iterator[Run]:
    """Give a `map` over a list that runs in as many threads as BLAS would use.

    Results come in order. Overflow gives no warning inside: what is not finite tells.
    """
    with _single_threaded_blas.held() as count, ThreadPoolExecutor(count) as pool:

        def run(function: Callable, parts: list) -> Iterator:
            def quietly(part: object) -> object:
                with np.errstate(over="ignore", invalid="ignore"):
                    return function(part)

            return map(quietly, parts) if count == 1 or len(parts) == 1 else pool.map(quietly, parts)

        yield run
