"""Threads over blocks: what a team does with its parts, and who holds BLAS to one thread, and until when."""

import importlib.util
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import Empty
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from minimal_gd._runtime import threads
from minimal_gd._runtime.threads import Team, one_blas_thread, one_thread

SECONDS = 60  # what a thread waits for another before the test fails: far longer than a busy machine takes


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def begun():
    """How many threads there are that were not there before."""
    before = set(threading.enumerate())
    return lambda: len(set(threading.enumerate()) - before)


@pytest.fixture
def team(begun):
    """Three threads: the calling one and two others, who come when there is work for them."""
    team = Team(3)
    team(abs, [-1])
    assert begun() == 0
    team(abs, [-1, -2])
    assert begun() == 2
    yield team
    team.close()
    assert begun() == 0


# ---------------------------------------------------------------------- a team


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("parts", [0, 1, 2, 3, 20])
def test_results_come_in_the_order_of_the_parts_each_done_once(count, parts):
    team, done = Team(count), []

    def square(part):
        done.append(part)
        return part**2

    assert team(square, list(range(parts))) == [part**2 for part in range(parts)]
    assert sorted(done) == list(range(parts))
    team.close()


def test_results_come_in_the_order_of_the_parts_when_the_first_is_done_last(team):
    others = [threading.Event() for _ in range(5)]

    def wait_for_the_others(part):
        if part == 0:
            assert all(other.wait(SECONDS) for other in others)
        else:
            others[part - 1].set()
        return part

    assert team(wait_for_the_others, list(range(6))) == list(range(6))


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_are_done_at_the_same_time_as_long_as_there_are_threads(team, parts):
    barrier = threading.Barrier(parts)

    def meet(part):
        barrier.wait(SECONDS)
        return threading.get_ident()

    assert len(set(team(meet, list(range(parts))))) == parts


def test_a_thread_without_a_part_is_left_asleep(team):
    asleep, team._rounds[1] = team._rounds[1], None  # nothing can be given to it
    assert team(abs, [-1, -2]) == [1, 2]
    team._rounds[1] = asleep


def test_the_members_do_not_keep_a_process_alive(team):
    assert all(member.daemon for member in team._members)


@pytest.mark.usefixtures("three_blas_threads")
@pytest.mark.parametrize("state", ["warn", "raise"])
def test_overflow_gives_no_warning_in_any_thread(state):
    """Each of the three has a part; here a warning is an error."""
    barrier = threading.Barrier(3)

    def overflow(power):
        barrier.wait(SECONDS)
        return np.array([1e200]) ** power - np.array([1e200]) ** power

    with np.errstate(all=state), threads.threads() as run:
        assert np.isnan(run(overflow, [2, 3, 4])).all()
        assert len(run._members) == 2


@pytest.mark.parametrize("failing", [0, 2])
def test_an_error_is_raised_when_all_have_stopped_and_nothing_more_is_begun(team, failing, monkeypatch):
    """Three threads meet at the first three parts; two of them go on when the third has failed and is done."""
    barrier, failed, done, take = threading.Barrier(3), threading.Event(), [], threads._take

    def take_and_say_if_it_failed(*order):
        error = take(*order)
        if error is not None:
            failed.set()
        return error

    def fail_at_one(part):
        if part < 3:
            barrier.wait(SECONDS)
        if part == failing:
            raise KeyError(f"part {part}")
        failed.wait(SECONDS)
        done.append(part)

    monkeypatch.setattr(threads, "_take", take_and_say_if_it_failed)

    with pytest.raises(KeyError, match=f"part {failing}"):
        team(fail_at_one, list(range(9)))
    assert sorted([*done, failing]) == [0, 1, 2]
    assert team(abs, [-1, -2, -3, -4]) == [1, 2, 3, 4]  # it is as good as new


class Nothing:
    """A queue in which nothing comes until its reader has gone to sleep."""

    polls = 0

    def get_nowait(self):
        self.polls += 1
        raise Empty

    def get(self):
        return "woken"


def test_a_thread_waits_a_fifth_of_a_millisecond_before_it_goes_to_sleep(monkeypatch):
    """By a clock that ticks every tenth of a millisecond."""
    clock, queue = iter([0.0, 1e-4, 2e-4, 3e-4]), Nothing()
    monkeypatch.setattr(threads, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert threads._get(queue) == "woken"
    assert queue.polls == 1


def test_a_pause_is_a_sleep_of_no_time_where_the_system_knows_no_other(monkeypatch):
    slept = []
    monkeypatch.delattr(os, "sched_yield", raising=False)
    monkeypatch.setattr(time, "sleep", slept.append)
    spec = importlib.util.find_spec("minimal_gd._runtime.threads")
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    fresh._pause()
    assert slept == [0]


# ---------------------------------------------------------------------- BLAS


def set_blas_threads(count: int) -> None:
    """In a thread that ends: as long as one that has set a limit lives, threadpoolctl lets no other set one."""
    setting = threading.Thread(target=lambda: threadpool_limits(count, user_api="blas"))
    setting.start()
    setting.join()


@pytest.fixture
def three_blas_threads():
    before = max(blas_threads(), default=1)
    set_blas_threads(3)
    if blas_threads() != {3}:
        pytest.skip("BLAS does not take three threads")
    yield
    assert blas_threads() == {3}
    set_blas_threads(before)


@pytest.mark.usefixtures("three_blas_threads")
def test_a_team_is_as_large_as_blas_had_threads_which_has_one_meanwhile(begun):
    for _ in range(2):
        with threads.threads() as outer, threads.threads() as inner:
            assert blas_threads() == {1}
            assert outer(abs, [-1, -2]) == inner(abs, [-1, -2]) == [1, 2]
            assert len(outer._members) == len(inner._members) == 2
            assert begun() == 4  # none but the members
        assert blas_threads() == {3}
    assert begun() == 0


@pytest.mark.usefixtures("three_blas_threads")
def test_an_exception_between_two_rounds_ends_the_others(begun):
    def fail_between_two_rounds():
        with threads.threads() as run:
            run(abs, [-1, -2])
            raise KeyError

    with pytest.raises(KeyError):
        fail_between_two_rounds()
    assert begun() == 0


@pytest.mark.usefixtures("three_blas_threads")
def test_what_is_not_finite_gives_no_warning_in_any_thread():
    barrier, largest = threading.Barrier(3), np.array([np.finfo(float).max])

    def overflow(part):
        barrier.wait(SECONDS)
        return part * largest - part * largest

    with threads.threads() as run:
        assert np.isnan(run(overflow, [2, 3, 4])).all()


@pytest.mark.usefixtures("three_blas_threads")
def test_one_thread_is_for_the_thread_that_asks_alone():
    with ThreadPoolExecutor(1) as other:
        alone = one_thread()
        other.submit(alone.__enter__).result()
        with threads.threads() as run:
            run(abs, [-1, -2, -3])
            assert len(run._members) == 2
        other.submit(alone.__exit__, None, None, None).result()


@pytest.mark.usefixtures("three_blas_threads")
def test_one_thread_has_no_others_and_leaves_none(begun):
    for _ in range(2):
        with one_thread():
            assert blas_threads() == {1}
            assert begun() == 1  # the one that is to lift the limit
            with threads.threads() as run:
                run(abs, [-1, -2, -3])
                assert run._members == []
        assert blas_threads() == {3}
        with threads.threads() as run:
            run(abs, [-1, -2])
            assert len(run._members) == 2
    assert begun() == 0


@pytest.mark.usefixtures("three_blas_threads")
def test_one_blas_thread_runs_in_the_calling_one(begun):
    with one_blas_thread() as run:
        assert blas_threads() == {1}
        assert list(run(lambda part: threading.get_ident(), [1, 2])) == [threading.get_ident()] * 2
        assert begun() == 0


@pytest.mark.usefixtures("three_blas_threads")
@pytest.mark.parametrize("kinds", [[one_blas_thread] * 3, [one_thread] * 3, [one_thread, one_blas_thread, one_thread]])
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0)])
def test_of_users_that_overlap_the_last_one_to_leave_frees_blas(kinds, order):
    """Each in a thread of its own, as that which sets a limit has to lift it."""
    with ExitStack() as stack:
        users = [stack.enter_context(ThreadPoolExecutor(1)) for _ in kinds]
        held = [kind() for kind in kinds]
        for user, holding in zip(users, held, strict=True):
            user.submit(holding.__enter__).result()
            assert blas_threads() == {1}
        for left, place in enumerate(order, start=1):
            users[place].submit(held[place].__exit__, None, None, None).result()
            assert blas_threads() == ({3} if left == 3 else {1})
        with one_blas_thread():
            assert blas_threads() == {1}


def test_without_a_blas_that_is_known_the_calling_thread_is_alone(monkeypatch):
    monkeypatch.setattr(threads, "_blas", lambda: ThreadpoolController().select(user_api="none"))
    with threads.threads() as run:
        run(abs, [-1, -2, -3])
        assert run._members == []
