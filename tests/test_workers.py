"""What becomes of the cases of a sweep whose executor breaks or whose workers die, with executors that do as told."""

import multiprocessing
import os
import queue
import signal
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import sweep_measures
from sweep_measures import Here

from minimal_gd import workers
from minimal_gd.results import versions
from minimal_gd.workers import outcomes, outcomes_in_processes, task

CASES = [f'{{"seed": {seed}}}' for seed in range(8)]


class Pool(Executor):
    """Computes at once, but cases named slow wait until one named deadly breaks the pool, if it has room for both."""

    def __init__(self, count: int = 2, slow: tuple = (), deadly: tuple = ()) -> None:
        self.slow, self.deadly = slow if count > 1 else (), deadly
        self.is_broken = False
        self.submitted: list[str] = []
        self.waiting: list[Future] = []

    def submit(self, function, /, measure, case):
        self.submitted.append(case)
        if self.is_broken:
            raise BrokenProcessPool("broken before")
        future = Future()
        if case in self.slow:
            self.waiting.append(future)
        elif case in self.deadly:
            self.is_broken = True
            for lost in [*self.waiting, future]:
                lost.set_exception(BrokenProcessPool(f"broken at {case}"))
        else:
            future.set_result(f"done {case}")
        return future


# ------------------------------------------------------------------ one case


def test_a_case_comes_with_its_versions_or_with_its_traceback():
    result, maker = task(sweep_measures.returns, '{"kind": "good"}')
    assert (result["text"], maker) == ("softplus", versions())
    said = task(sweep_measures.fails, '{"seed": 2}')
    assert said.startswith("Traceback")
    assert "in fails\n" in said
    assert said.splitlines()[-1].endswith("StubbornError: this and that")


# ------------------------------------------------------------------ one executor


def test_every_case_is_given_with_its_outcome():
    assert dict(outcomes(Pool(), abs, CASES, together=3)) == {case: f"done {case}" for case in CASES}


def test_so_many_cases_are_under_way_together_and_no_more():
    pool = Pool(slow=CASES[:2])
    coming = outcomes(pool, abs, CASES, together=3)
    for done in range(1, 6):
        next(coming)
        assert len(pool.submitted) == 2 + done
    coming.close()
    assert all(future.cancelled() for future in pool.waiting)  # whoever goes away takes back what waits
    assert len(pool.waiting) == 2


def test_where_the_executor_breaks_nothing_more_is_submitted():
    pool = Pool(slow=CASES[:2], deadly=CASES[2:3])
    found = dict(outcomes(pool, abs, CASES, together=5))
    assert pool.submitted == CASES[:4]  # at the fourth it says that it is broken
    assert list(found) == CASES[:3]
    assert all(isinstance(outcome, BrokenExecutor) for outcome in found.values())
    alone = Pool(deadly=CASES[:1])
    assert list(dict(outcomes(alone, abs, CASES, together=1))) == alone.submitted == CASES[:1]


def test_cases_that_are_done_after_all_count_though_the_executor_takes_no_more():
    class Short(Pool):
        def submit(self, *arguments):
            self.is_broken = len(self.submitted) >= 2
            return super().submit(*arguments)

    pool = Short()
    assert dict(outcomes(pool, abs, CASES, together=2)) == {case: f"done {case}" for case in CASES[:2]}
    assert pool.submitted == CASES[:3]


def test_a_wait_is_a_second_long_at_most():
    """So that Ctrl-C comes through on Windows."""
    waits = []

    def get(timeout):
        waits.append(timeout)
        if len(waits) < 3:
            raise queue.Empty
        return "a future"

    assert workers._next(SimpleNamespace(get=get)) == "a future"
    assert waits == [1, 1, 1]


# ------------------------------------------------------------------ processes, one pool after the other


@pytest.fixture
def pools(monkeypatch):
    """How large every pool was that was asked for, and when it was checked whether workers start at all."""
    made, behaviour = [], {}

    @contextmanager
    def processes(count):
        made.append(count)
        assert len(made) < 9
        yield Pool(count, **behaviour)

    monkeypatch.setattr(workers, "_processes", processes)
    monkeypatch.setattr(workers, "_check_that_workers_start", lambda: made.append("check"))
    return made, behaviour


def test_without_a_death_there_is_one_pool_as_large_as_asked_or_as_there_are_cases(pools):
    made, _ = pools
    assert dict(outcomes_in_processes(abs, CASES, 3)) == {case: f"done {case}" for case in CASES}
    assert len(list(outcomes_in_processes(abs, CASES[:2], 3))) == 2
    assert made == [3, 2]


def test_cases_that_were_lost_get_a_second_chance_together_and_then_one_each_alone(pools):
    """A slow case is lost with the deadly one, twice; alone it is done. What had not begun goes on in between."""
    made, behaviour = pools
    slow, deadly = CASES[2], CASES[3]
    behaviour.update(slow=(slow,), deadly=(deadly,))
    coming = list(outcomes_in_processes(abs, CASES, 4))
    assert sorted(case for case, _ in coming) == CASES  # each once
    *done, (last, error) = coming
    assert dict(done) == {case: f"done {case}" for case in CASES if case != deadly}
    assert last == deadly
    assert isinstance(error, BrokenProcessPool)
    # four, the other four, the two that were lost, which is all that was given, and these one by one
    assert made == [4, 4, 2, "check", 1]


# ------------------------------------------------------------------ the processes


class Process:
    def __init__(self):
        self.is_terminated = False

    def terminate(self):
        self.is_terminated = True


@pytest.fixture
def made_pools(monkeypatch):
    """Pools of no process: with what each was made, and how it was shut down. One process was there before."""
    made, children = [], [Process()]
    monkeypatch.setattr(multiprocessing, "active_children", lambda: list(children))

    class Recorded(Here):
        def __init__(self, count, context, start):
            self.made_with = count, context.get_start_method(), start
            children.append(Process())
            made.append(self)

        def shutdown(self, **how):
            self.how = how

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Recorded)
    return made, children


def test_workers_are_ended_at_once_where_an_exception_ends_the_sweep(made_pools):
    made, (before, *_) = made_pools
    with workers._processes(3):
        pass
    assert made[0].made_with == (3, "spawn", workers._start_worker)
    assert made[0].how == {"cancel_futures": True}
    with pytest.raises(KeyboardInterrupt), workers._processes(1):
        raise KeyboardInterrupt
    assert made[1].how == {"cancel_futures": True}
    children = multiprocessing.active_children()
    assert [child.is_terminated for child in children] == [False, False, True]
    assert children[0] is before


def test_one_worker_is_enough_to_see_whether_they_start(made_pools, monkeypatch):
    made, _ = made_pools
    workers._check_that_workers_start()
    assert [pool.made_with[0] for pool in made] == [1]

    def broken(pool, function):
        future = Future()
        future.set_exception(BrokenProcessPool("at once"))
        return future

    monkeypatch.setattr(workers.ProcessPoolExecutor, "submit", broken)
    with pytest.raises(RuntimeError, match="worker processes do not start: a script that sweeps must do so under `if"):
        workers._check_that_workers_start()


def test_a_worker_ignores_ctrl_c_and_ends_with_its_parent(monkeypatch):
    started, ends = [], []
    monkeypatch.setattr(workers, "signal", SimpleNamespace(**vars(signal) | {"signal": lambda *how: ends.append(how)}))
    monkeypatch.setattr(
        workers,
        "threading",
        SimpleNamespace(Thread=lambda **how: SimpleNamespace(start=lambda: started.append(how))),
    )
    workers._start_worker()
    assert ends == [(signal.SIGINT, signal.SIG_IGN)]
    assert started == [{"target": workers._end_with_the_parent, "daemon": True}]
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(join=lambda: ends.append("parent")))
    monkeypatch.setattr(os, "_exit", ends.append)
    workers._end_with_the_parent()
    assert ends[1:] == ["parent", 1]
