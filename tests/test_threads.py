"""Threads over blocks: what they do with the parts, and who holds BLAS to one thread, and until when."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from minimal_gd._runtime import threads
from minimal_gd._runtime.threads import one_blas_thread, one_thread

SECONDS = 60  # what a thread waits for another before the test fails: far longer than a busy machine takes


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def begun():
    """How many threads there are that were not there before."""
    before = set(threading.enumerate())
    return lambda: len(set(threading.enumerate()) - before)


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


@pytest.fixture
def run(three_blas_threads, begun):
    """Three threads at most, none of which is left in the end."""
    with threads.threads() as run:
        assert begun() == 0
        yield run
    assert begun() == 0


# ---------------------------------------------------------------------- parts


@pytest.mark.parametrize("parts", [0, 1, 2, 3, 20])
def test_results_come_in_the_order_of_the_parts_each_done_once(run, parts):
    done = []

    def square(part):
        done.append(part)
        return part**2

    assert run(square, list(range(parts))) == [part**2 for part in range(parts)]
    assert sorted(done) == list(range(parts))


def test_results_come_in_the_order_of_the_parts_when_the_first_is_done_last(run):
    others = [threading.Event() for _ in range(5)]

    def wait_for_the_others(part):
        if part == 0:
            assert all(other.wait(SECONDS) for other in others)
        else:
            others[part - 1].set()
        return part

    assert run(wait_for_the_others, list(range(6))) == list(range(6))


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_are_done_at_the_same_time_as_long_as_there_are_threads(run, parts):
    barrier = threading.Barrier(parts)

    def meet(part):
        barrier.wait(SECONDS)
        return threading.get_ident()

    assert len(set(run(meet, list(range(parts))))) == parts


def test_a_single_part_starts_no_thread(run, begun):
    assert run(lambda part: threading.get_ident(), [0]) == [threading.get_ident()]
    assert begun() == 0


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


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_is_raised_when_all_have_stopped_and_it_is_the_first_of_the_parts(run, failing):
    """Three threads meet at the first three parts; those before the failing one are done, all others fail too."""
    barrier, ended = threading.Barrier(3), []

    def fail_from(part):
        if part < 3:
            barrier.wait(SECONDS)
        try:
            if part >= failing:
                raise KeyError(f"part {part}")
        finally:
            ended.append(part)

    with pytest.raises(KeyError, match=f"part {failing}"):
        run(fail_from, list(range(9)))
    assert {0, 1, 2} <= set(ended)
    before = len(ended)
    assert run(abs, [-1, -2, -3, -4]) == [1, 2, 3, 4]  # it is as good as new, and no part is left over
    assert len(ended) == before


def test_after_an_error_parts_that_have_not_begun_are_left_out(run, monkeypatch):
    """All parts but the first, which fails, last until the others have been left out."""
    left_out, done, wait = threading.Event(), [], threads.wait
    monkeypatch.setattr(threads, "wait", lambda futures: left_out.set() or wait(futures))

    def work(part):
        if part == 0:
            raise KeyError
        assert left_out.wait(SECONDS)
        done.append(part)

    with pytest.raises(KeyError):
        run(work, list(range(9)))
    assert set(done) <= {1, 2, 3}  # the thread that failed may have begun another


# ---------------------------------------------------------------------- BLAS


def is_alone(run):
    """Whether the calling thread does all parts."""
    return set(run(lambda part: threading.get_ident(), [1, 2, 3])) == {threading.get_ident()}


@pytest.mark.usefixtures("three_blas_threads")
def test_there_are_as_many_threads_as_blas_had_which_has_one_meanwhile(begun):
    for _ in range(2):
        with threads.threads() as outer, threads.threads() as inner:
            assert blas_threads() == {1}
            for run in (outer, inner):
                barrier = threading.Barrier(3)
                run(lambda part, barrier=barrier: barrier.wait(SECONDS), [0, 1, 2])
            assert begun() == 4  # two for each: the calling thread is the third
        assert blas_threads() == {3}
    assert begun() == 0


@pytest.mark.usefixtures("three_blas_threads")
def test_an_exception_between_two_runs_ends_the_threads(begun):
    def fail_between_two_runs():
        with threads.threads() as run:
            run(abs, [-1, -2])
            raise KeyError

    with pytest.raises(KeyError):
        fail_between_two_runs()
    assert begun() == 0


@pytest.mark.usefixtures("three_blas_threads")
def test_one_thread_is_for_the_thread_that_asks_alone():
    with ThreadPoolExecutor(1) as other:
        alone = one_thread()
        other.submit(alone.__enter__).result()
        with threads.threads() as run:
            assert not is_alone(run)
        other.submit(alone.__exit__, None, None, None).result()


@pytest.mark.usefixtures("three_blas_threads")
def test_one_thread_has_no_others_and_leaves_none(begun):
    for _ in range(2):
        with one_thread():
            assert blas_threads() == {1}
            assert begun() == 1  # the one that is to lift the limit
            with threads.threads() as run:
                assert is_alone(run)
        assert blas_threads() == {3}
        with threads.threads() as run:
            assert not is_alone(run)
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
        assert is_alone(run)
