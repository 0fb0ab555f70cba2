"""How a run ends early, what it leaves, and how it goes on: divergence, interrupts, checkpoints, resumption."""

import pickle
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from strategies import problem
from test_descent import NETS, assert_same_run, stable

import minimal_gd as mgd
from minimal_gd.trajectory import Trajectory


def test_divergence_names_the_step_and_the_limit_and_keeps_what_was_recorded():
    case = problem(NETS[0], n=6, seed=0)
    limit = 2 * stable(case)
    with pytest.raises(mgd.DivergenceError) as caught:
        mgd.gradient_descent(*case.everything, 50 * limit, 500, predictions=True)
    error = caught.value
    run = error.trajectory
    assert f"2/λ_max(G) = {limit:.3g}" in str(error)
    assert f"at step {error.step}" in str(error)
    assert run.steps == error.step < 500
    assert len(run.predictions) == len(run.loss)
    before = mgd.gradient_descent(*case.everything, 50 * limit, error.step - 1)
    np.testing.assert_array_equal(run.loss[:-1], before.loss)


def test_divergence_of_the_mean_loss_states_the_limit_in_that_normalisation():
    case = problem(NETS[1], n=6, seed=0)
    with pytest.raises(mgd.DivergenceError, match=rf"= {6 * 2 * stable(case):.3g} \(G = ΣG\^\(h\)/n"):
        mgd.gradient_descent(*case.everything, 6e4 * stable(case), 500, normalisation="mean")


def test_a_divergence_error_survives_the_way_back_from_another_process():
    case = problem(NETS[0], n=6, seed=0)
    with pytest.raises(mgd.DivergenceError) as caught:
        mgd.gradient_descent(*case.everything, 100 * stable(case), 500)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.step) == (str(caught.value), caught.value.step)
    np.testing.assert_array_equal(copy.trajectory.loss, caught.value.trajectory.loss)


def test_a_non_finite_first_loss_is_divergence_at_step_zero():
    case = problem(NETS[0], n=6, seed=0)
    with pytest.raises(mgd.DivergenceError, match="turned non-finite at step 0"):
        mgd.gradient_descent(case.net, case.params, case.X, 1e200 * case.y, 1e-3, 5)


def test_an_exception_in_an_observer_carries_the_trajectory():
    case = problem(NETS[0], n=6, seed=0)

    def fail(k, params):
        if k == 4:
            raise RuntimeError("enough")
        return k

    with pytest.raises(RuntimeError, match="enough") as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 10, observe=fail)
    assert caught.value.trajectory.steps == 4
    assert caught.value.trajectory.observed == [0, 1, 2, 3]


@pytest.fixture
def interruptible():
    """Python's own handler of SIGINT, also where the tests run in a background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_run_resumes_to_the_bits_of_one_never_stopped(tmp_path):
    """A real SIGINT in the middle of a step: it is raised when the step is whole."""
    case = problem(mgd.FullyConnected(30, 400, 3), n=120, seed=0)
    options = {"predictions": True, "distances": True, "observe": lambda k, params: params.a[:3], "observe_every": 3}
    whole = mgd.gradient_descent(*case.everything, 1e-4, 60, **options)
    timer = threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        mgd.gradient_descent(*case.everything, 1e-4, 20_000, checkpoint=tmp_path / "run.npz", every=1000, **options)
    timer.join()
    stopped = caught.value.trajectory
    assert 0 < stopped.steps < 20_000
    assert len(stopped.predictions) == len(stopped.distances) == len(stopped.loss)
    assert_same_run(Trajectory.load(tmp_path / "run.npz"), stopped)
    if stopped.steps <= 60:
        assert_same_run(mgd.gradient_descent(*case.everything, 1e-4, 60, resume=stopped, **options), whole)


def test_resuming_refuses_another_run():
    case = problem(NETS[0], n=6, seed=0)
    run = mgd.gradient_descent(*case.everything, 1e-3, 5)
    for wrong, message in [
        ({"step_size": 2e-3}, "step_size must be that of the run to resume"),
        ({"y": case.y + 1}, "resume must be a run on this X and y"),
        ({"steps": 3}, "steps counts from the first start: must be ≥ 5"),
        ({"normalisation": "mean"}, "normalisation must be that of the run to resume"),
        ({"distances": True}, "distances must be as in the run to resume, which did not record them"),
        ({"resume": "run.npz"}, "resume must be a Trajectory"),
    ]:
        arguments = {"X": case.X, "y": case.y, "step_size": 1e-3, "steps": 9, "resume": run} | wrong
        with pytest.raises((ValueError, TypeError), match=message):
            mgd.gradient_descent(case.net, case.params, **arguments)


def test_a_killed_process_loses_no_more_than_the_steps_since_its_last_checkpoint(tmp_path):
    """Killed from inside, at step 17 with a checkpoint every 5: steps 0 to 15 are there, and the rest follows."""
    setup = textwrap.dedent(
        """
        import os, signal, numpy as np, minimal_gd as mgd
        net = mgd.ResNet(5, 8, 3)
        rng = np.random.default_rng(0)
        params, X, y = net.init(rng), rng.standard_normal((6, 5)), rng.standard_normal(6)
        """
    )
    kill = "SIGKILL" if hasattr(signal, "SIGKILL") else "SIGTERM"  # the latter is as sudden where there is no other
    killed = f"""mgd.gradient_descent(net, params, X, y, 1e-3, 40, checkpoint="run.npz", every=5,
        observe=lambda k, params: os.kill(os.getpid(), signal.{kill}) if k == 17 else 0)"""
    process = subprocess.run([sys.executable, "-c", setup + killed], cwd=tmp_path, capture_output=True, check=False)
    assert abs(process.returncode) == getattr(signal, kill), process.stderr.decode()
    run = Trajectory.load(tmp_path / "run.npz")
    assert run.steps == 15
    names: dict = {}
    exec(setup, names)
    whole = names["mgd"].gradient_descent(*(names[name] for name in ("net", "params", "X", "y")), 1e-3, 40)
    arguments = [names[name] for name in ("net", "params", "X", "y")]
    resumed = mgd.gradient_descent(*arguments, 1e-3, 40, resume=run, checkpoint=tmp_path / "run.npz", every=5)
    np.testing.assert_array_equal(resumed.loss, whole.loss)
    assert Trajectory.load(tmp_path / "run.npz").steps == 40


@pytest.mark.parametrize(
    ("every", "steps_in_the_file"), [(1, [None, None, 1, 2, 3, 4]), (2, [None, None, None, 2, 2, 4])]
)
def test_checkpoints_are_written_every_so_many_steps_and_not_before(tmp_path, every, steps_in_the_file):
    """The observer of step k comes before the checkpoint of step k."""
    case, path, seen = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz", []

    def look(k, params):
        seen.append(Trajectory.load(path).steps if path.exists() else None)
        return k

    mgd.gradient_descent(*case.everything, 1e-3, 5, observe=look, checkpoint=path, every=every)
    assert seen == steps_in_the_file
    assert Trajectory.load(path).steps == 5


def test_a_disk_that_fills_up_leaves_the_last_checkpoint_and_the_trajectory(tmp_path, monkeypatch):
    case, path = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz"
    whole_save = np.savez

    def full_after_the_first(file, **arrays):
        if path.exists():
            raise OSError(28, "No space left on device")
        whole_save(file, **arrays)

    monkeypatch.setattr(np, "savez", full_after_the_first)
    with pytest.raises(OSError, match="No space left") as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 10, checkpoint=path, every=3)
    assert caught.value.trajectory.steps == 6
    assert Trajectory.load(path).steps == 3
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


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
