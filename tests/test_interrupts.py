"""Ctrl-C: it waits until a step is whole, and where it means something else, it still does."""

import signal
import threading

import pytest
from test_descent import NETS, assert_same_run

import minimal_gd as mgd
from minimal_gd._runtime.interrupts import Interrupts
from minimal_gd.descent.step import Step
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.testing.strategies import problem


@pytest.fixture
def interruptible():
    """Python's own handler of SIGINT, also where the tests run in a background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_waits_for_the_end_of_what_holds_it_back_and_no_longer():
    done = []

    def hold_back_then_go_on(interrupts):
        with interrupts.held_back:
            interrupt()
            done.append("all that is held back")
        done.append("what comes after")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        hold_back_then_go_on(interrupts)
    assert done == ["all that is held back"]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_that_nothing_holds_back_comes_at_once():
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        with interrupts.held_back:
            pass  # no interrupt is left over
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        with pytest.raises(KeyboardInterrupt), interrupts.held_back:
            interrupt()
        with interrupts.held_back:
            pass  # the one that waited does not come twice


@pytest.mark.usefixtures("interruptible")
def test_a_handler_of_the_callers_own_is_called_and_comes_back():
    seen = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append((number, frame is not None)))
    own = signal.getsignal(signal.SIGINT)
    try:
        with Interrupts() as interrupts, interrupts.held_back:
            interrupt()
            assert seen == []
        assert seen == [(signal.SIGINT, True)]
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("half", ["descend", "evaluate"])
def test_a_run_interrupted_in_the_middle_of_a_step_goes_on_to_the_bits_of_one_never_stopped(
    tmp_path, monkeypatch, half
):
    """A real SIGINT: it is raised when the step is whole."""
    case, calls = problem(NETS[0], n=6, seed=0), []
    options = {"predictions": True, "distances": True, "observe": lambda k, params: params.a[:3], "observe_every": 3}
    whole = mgd.gradient_descent(*case.everything, 1e-3, 10, **options)
    uninterrupted = getattr(Step, half)

    def interrupted(step):
        calls.append(step)
        if len(calls) == 5:
            interrupt()
        return uninterrupted(step)

    monkeypatch.setattr(Step, half, interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 10, checkpoint=tmp_path / "run.npz", every=100, **options)
    stopped = caught.value.trajectory
    assert stopped.steps == {"descend": 5, "evaluate": 4}[half]  # there is an evaluation before the first step
    assert len(stopped.predictions) == len(stopped.distances) == len(stopped.loss)
    assert_same_run(Trajectory.load(tmp_path / "run.npz"), stopped)
    assert_same_run(mgd.gradient_descent(*case.everything, 1e-3, 10, resume=stopped, **options), whole)


def test_where_interrupts_are_ignored_they_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        case = problem(NETS[0], n=6, seed=0)
        assert mgd.gradient_descent(*case.everything, 1e-3, 2).steps == 2
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_in_another_thread_leaves_the_signals_alone():
    case, runs = problem(NETS[0], n=6, seed=0), []
    worker = threading.Thread(target=lambda: runs.append(mgd.gradient_descent(*case.everything, 1e-3, 2)))
    worker.start()
    worker.join()
    assert runs[0].steps == 2
