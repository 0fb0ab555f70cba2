"""What becomes of the cases of a sweep whose executor breaks or whose workers die, with executors that do as told."""

import multiprocessing
import os
import queue
import signal
import sys
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from types import SimpleNamespace
from typing import ClassVar

import pytest
import sweep_measures

from minimal_gd.sweeps import workers
from minimal_gd.sweeps.results import measure_code, versions
from minimal_gd.sweeps.workers import DeadWorkerError, outcomes, outcomes_in_processes, task

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
    assert (result["text"], maker) == ("softplus", measure_code(sweep_measures.returns) | versions())
    said = task(sweep_measures.fails, '{"seed": 2}')
    assert said.startswith("Traceback")
    assert "in fails\n" in said
    assert said.splitlines()[-1].endswith("StubbornError: this and that")


def leaves(seed):
    sys.exit("enough")


def test_a_measure_that_leaves_python_fails_and_ends_no_worker():
    assert task(leaves, '{"seed": 2}').splitlines()[-1] == "SystemExit: enough"


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


# ------------------------------------------------------------------ workers that do as told


class Staged:
    """A worker that does at once what its case says, and writes down what is asked of it."""

    made: ClassVar[list] = []
    deadly: ClassVar[dict[str, int]] = {}  # how often a case kills its worker
    begins = True

    def __init__(self, measure, case):
        assert measure is abs
        self.case, self.pipe, self.asked, self.cases = case, object(), [], [case]
        self.messages = [None] if self.begins else []
        self.made.append(self)

    def message(self):
        if self.messages:
            return self.messages.pop()
        if not self.begins or self.deadly.get(self.case):
            self.deadly[self.case] = self.deadly.get(self.case, 1) - 1
            return DeadWorkerError("the worker process ended with exit code -9")
        return f"done {self.case}"

    def begin(self, case):
        self.case = case
        self.cases.append(case)

    def is_alive(self):
        return True

    def kill(self):
        self.asked.append("kill")

    def end(self, patience):
        self.asked.append(patience)


@pytest.fixture
def staged(monkeypatch):
    """Every worker that was made; all have something to say whenever one waits for them."""
    monkeypatch.setattr(Staged, "made", [])
    monkeypatch.setattr(Staged, "deadly", {})
    monkeypatch.setattr(workers, "_Worker", Staged)
    monkeypatch.setattr(workers, "wait", lambda pipes, timeout: list(pipes))
    return Staged


def test_without_a_death_there_are_as_many_workers_as_asked_or_as_there_are_cases(staged):
    assert dict(outcomes_in_processes(abs, CASES, 3)) == {case: f"done {case}" for case in CASES}
    assert len(list(outcomes_in_processes(abs, CASES[:2], 3))) == 2
    assert len(staged.made) == 5
    assert all(worker.asked == [workers.PATIENCE] for worker in staged.made)  # none is killed


def test_no_more_cases_than_workers_are_under_way_until_a_result_is_taken(staged):
    coming = outcomes_in_processes(abs, CASES, 3)
    for taken in range(len(CASES)):
        next(coming)
        assert sum(len(worker.cases) for worker in staged.made) == min(taken + 3, len(CASES))


def test_a_case_whose_worker_dies_is_computed_again_alone_when_the_others_are_done(staged):
    staged.deadly = {CASES[2]: 1, CASES[3]: 2}
    *done, (last, error) = outcomes_in_processes(abs, CASES, 4)
    assert [case for case, _ in done[:6]] == [case for case in CASES if case not in CASES[2:4]]
    assert dict(done) == {case: f"done {case}" for case in CASES if case != CASES[3]}
    assert last == CASES[3]
    assert repr(error) == "DeadWorkerError('the worker process ended with exit code -9')"
    alone = [worker for worker in staged.made if set(worker.cases) <= set(CASES[2:4])]
    assert [worker.cases for worker in alone[2:]] == [CASES[2:4]]  # one after the other


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, OSError])
def test_workers_are_killed_at_once_where_an_exception_ends_the_sweep(staged, stopped):
    def take(coming):
        with closing(coming):
            next(coming)
            raise stopped

    with pytest.raises(stopped):
        take(outcomes_in_processes(abs, CASES, 3))
    assert [worker.asked for worker in staged.made] == [["kill", 0]] * 3


def test_where_the_first_worker_dies_before_it_begins_there_is_no_second(staged, monkeypatch):
    monkeypatch.setattr(staged, "begins", False)
    with pytest.raises(RuntimeError, match=r"worker processes do not start: a script .* code -9"):
        list(outcomes_in_processes(abs, CASES, 1))
    assert len(staged.made) == 1


def test_a_worker_that_is_dead_is_found_though_its_pipe_says_nothing(staged, monkeypatch):
    asked = []
    monkeypatch.setattr(staged, "is_alive", lambda worker: asked.append(worker))
    monkeypatch.setattr(workers, "wait", lambda pipes, timeout: [])
    assert len(list(outcomes_in_processes(abs, CASES[:2], 1))) == 2
    assert set(asked) == set(staged.made)


@pytest.mark.parametrize("moment", ["__init__", "kill"])
def test_ctrl_c_while_workers_start_or_are_killed_leaves_none_behind(staged, monkeypatch, moment):
    """At a moment when not all of them are known, or not all are dead."""
    done = getattr(staged, moment)

    def interrupted(worker, *how):
        signal.raise_signal(signal.SIGINT)
        done(worker, *how)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(staged, moment, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt), closing(outcomes_in_processes(abs, CASES, 3)) as coming:
            next(coming)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(staged.made) == {"__init__": 1, "kill": 3}[moment]
    assert all(worker.asked == ["kill", 0] for worker in staged.made)


# ------------------------------------------------------------------ one worker


class Process:
    """What a worker needs of a process, which ends by itself or does not."""

    def __init__(self, ends=True):
        self.ends, self.exitcode, self.asked = ends, None, []

    def join(self, patience=None):
        self.asked.append(patience)
        assert patience is not None or self.ends
        self.exitcode = 0 if self.ends else None

    def kill(self):
        self.ends = True


@pytest.fixture
def pair():
    """A worker without a process behind it, and the end of the pipe that this would have."""
    worker = object.__new__(workers._Worker)
    worker.pipe, its_end = multiprocessing.Pipe()
    worker._process = Process()
    yield worker, its_end
    worker.pipe.close()
    its_end.close()


def test_a_worker_alone_has_the_other_end_of_its_pipe_and_ends_with_the_process_that_made_it(monkeypatch):
    """Where anybody else had it, a worker that dies would not end the pipe."""
    made = []

    def process(target, args, daemon):
        made.append((target, *args[1:], daemon))
        return SimpleNamespace(start=lambda: made.append(args[0]))

    context = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=process)
    monkeypatch.setattr(multiprocessing, "get_context", lambda how: {"spawn": context}[how])
    worker = workers._Worker(abs, "a case")
    assert made[0] == (workers._work, abs, "a case", True)
    assert made[1].closed
    assert not worker.pipe.closed
    worker.pipe.close()


def test_a_worker_is_given_a_case_and_says_what_became_of_it(pair):
    worker, its_end = pair
    its_end.send("an outcome")
    assert worker.message() == "an outcome"
    worker.begin("a case")
    assert (worker.case, its_end.recv()) == ("a case", "a case")


@pytest.mark.skipif(os.name == "nt", reason="a pipe of POSIX")
def test_a_worker_that_is_cut_off_in_the_middle_of_a_message_is_dead(pair):
    worker, its_end = pair
    os.write(its_end.fileno(), (10**6).to_bytes(4, "big") + b"half")
    its_end.close()
    assert isinstance(worker.message(), DeadWorkerError)


def test_a_worker_that_is_dead_is_so_although_others_hold_its_pipe_and_takes_no_case(pair):
    """As a process does that a measure has forked."""
    worker, its_end = pair
    assert str(worker.message()) == "the worker process ended with exit code 0"
    its_end.close()
    worker.pipe, other = multiprocessing.Pipe()
    other.close()
    worker.begin("a case")


def test_a_worker_that_does_not_end_by_itself_is_killed(pair):
    worker, _ = pair
    worker._process = Process(ends=False)
    worker.end(0.5)
    assert worker.pipe.closed
    assert worker._process.ends
    assert worker._process.asked == [0.5, None]


def test_a_worker_ignores_ctrl_c_and_computes_until_its_pipe_ends(monkeypatch):
    started, ends, itself = [], [], SimpleNamespace(daemon=True)
    monkeypatch.setattr(workers, "signal", SimpleNamespace(**vars(signal) | {"signal": lambda *how: ends.append(how)}))
    monkeypatch.setattr(
        workers,
        "threading",
        SimpleNamespace(Thread=lambda **how: SimpleNamespace(start=lambda: started.append(how))),
    )
    monkeypatch.setattr(multiprocessing, "current_process", lambda: itself)
    monkeypatch.setattr(workers, "task", lambda measure, case: f"done {case}")
    here, there = multiprocessing.Pipe()
    here.send("second")
    here.send("third")
    with here:
        shut = SimpleNamespace(send=there.send, recv=lambda: there.recv() if there.poll() else ends_now())

        def ends_now():
            raise EOFError

        workers._work(shut, abs, "first")
        assert [here.recv() for _ in range(4)] == [None, "done first", "done second", "done third"]
    assert ends == [(signal.SIGINT, signal.SIG_IGN)]
    assert not itself.daemon  # it may have processes of its own
    assert started == [{"target": workers._end_with_the_parent, "daemon": True}]
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(join=lambda: ends.append("parent")))
    monkeypatch.setattr(os, "_exit", ends.append)
    workers._end_with_the_parent()
    assert ends[1:] == ["parent", 1]
