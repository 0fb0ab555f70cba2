"""How a run ends early, and what it leaves: divergence, exceptions, checkpoints."""

import pickle
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import brentq
from test_descent import NETS, assert_same_run, stable

import minimal_gd as mgd
from minimal_gd.descent.step import Step
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.testing.strategies import problem


def test_divergence_names_the_step_and_the_limit_and_keeps_what_was_recorded():
    case = problem(NETS[0], n=6, seed=0)
    limit = 2 * stable(case)
    with pytest.raises(mgd.DivergenceError) as caught:
        mgd.gradient_descent(*case.everything, 50 * limit, 500, predictions=True)
    error = caught.value
    run = error.trajectory
    assert f"2/λ_max(G) = {limit:.3g} (G = ΣG^(h) where" in str(error)
    assert f"at step {error.step}" in str(error)
    assert run.steps == error.step < 500
    assert len(run.predictions) == len(run.loss)
    before = mgd.gradient_descent(*case.everything, 50 * limit, error.step - 1)
    np.testing.assert_array_equal(run.loss[:-1], before.loss)


@pytest.mark.parametrize("normalisation", ["sum", "mean"])
@pytest.mark.parametrize("factor", [1.5, -1.0], ids=["predicting 0 is worse", "the first loss is worse"])
def test_a_loss_of_more_than_1e8_times_the_first_one_and_that_of_predicting_0_is_divergence(factor, normalisation):
    """A step size that reaches this bound up to 5e-9, found by bisection."""
    net, params, X, _ = problem(NETS[0], n=3, seed=0).everything
    y = factor * net.predict(params, X)
    n = 1 if normalisation == "sum" else 3
    bound = 1e8 * max(net.loss(params, X, y), 0.5 * y @ y) / n

    def run_of_one_step(log_step_size: float) -> Trajectory:
        return mgd.gradient_descent(net, params, X, y, np.exp(log_step_size), 1, normalisation=normalisation)

    def beyond(log_step_size: float) -> float:
        try:
            return np.log(run_of_one_step(log_step_size).loss[1] / bound)
        except mgd.DivergenceError as error:
            return np.log(error.trajectory.loss[1] / bound)

    log_step_size = brentq(beyond, np.log(1e-3), np.log(1e9), xtol=1e-14, rtol=1e-15)
    slope = (beyond(log_step_size + 1e-6) - beyond(log_step_size - 1e-6)) / 2e-6
    assert run_of_one_step(log_step_size - 5e-9 / slope).steps == 1
    with pytest.raises(mgd.DivergenceError, match="grew without bound at step 1"):
        run_of_one_step(log_step_size + 5e-9 / slope)


def test_a_network_that_is_right_from_the_start_takes_no_step():
    """Its loss is 0, and 1e8 times that of predicting 0: no divergence."""
    case = problem(NETS[0], n=6, seed=0)
    params = mgd.Parameters(case.params.W, np.zeros(8))
    assert mgd.gradient_descent(case.net, params, case.X, np.zeros(6), 1e-3, 5).loss.tolist() == [0]


def test_divergence_of_the_mean_loss_states_the_limit_in_that_normalisation():
    case = problem(NETS[1], n=6, seed=0)
    with pytest.raises(mgd.DivergenceError, match=rf"= {6 * 2 * stable(case):.3g} \(G = ΣG\^\(h\)/n"):
        mgd.gradient_descent(*case.everything, 6e4 * stable(case), 500, normalisation="mean")


@pytest.mark.parametrize("normalisation", ["sum", "mean"])
def test_a_step_that_was_small_enough_is_not_called_too_large(normalisation):
    """Labels × 1e6 drive the weights out of where the step is stable: the labels and the width are named instead."""
    case = problem(NETS[0], n=6, seed=0)
    net, params, X, y = case.everything
    step_size = stable(case) * (6 if normalisation == "mean" else 1)
    with pytest.raises(mgd.DivergenceError) as caught:
        mgd.gradient_descent(net, params, X, 1e6 * y, step_size, 500, normalisation=normalisation)
    message = str(caught.value)
    assert f"step_size = {step_size:.3g} is below 2/λ_max(G) = {2 * step_size:.3g}" in message
    assert f"labels as large as {1e6 * np.abs(y).max():.3g} at a width of {net.width}" in message
    assert "A stable step_size is" not in message


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
    with pytest.raises(mgd.DivergenceError, match=r"= unknown, for G is zero or not finite"):
        mgd.gradient_descent(mgd.FullyConnected(5, 8, 3, "square"), case.params, 1e200 * case.X, case.y, 1e-3, 5)


def failing_at(step: int) -> Callable:
    def fail(k, params):
        if k == step:
            raise RuntimeError("enough")
        return k

    return fail


def test_an_exception_in_an_observer_carries_the_trajectory():
    case = problem(NETS[0], n=6, seed=0)
    with pytest.raises(RuntimeError, match="enough") as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 10, observe=failing_at(4))
    assert caught.value.trajectory.steps == 4
    assert caught.value.trajectory.observed == [0, 1, 2, 3]


@pytest.mark.parametrize("step", [0, 4])
def test_an_exception_leaves_a_checkpoint_of_what_was_recorded(tmp_path, step):
    case, path = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz"
    with pytest.raises(RuntimeError, match="enough") as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 10, observe=failing_at(step), checkpoint=path, every=3)
    assert caught.value.trajectory.steps == step
    assert_same_run(Trajectory.load(path), caught.value.trajectory)


def test_divergence_leaves_the_last_checkpoint_before(tmp_path):
    case, path = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz"
    with pytest.raises(mgd.DivergenceError) as caught:
        mgd.gradient_descent(*case.everything, 100 * stable(case), 500, checkpoint=path, every=1)
    assert Trajectory.load(path).steps == caught.value.step - 1


def test_what_fails_before_the_first_loss_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    case, path = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz"
    path.write_bytes(b"an earlier run")

    def fail(step):
        raise MemoryError("in the first step")

    monkeypatch.setattr(Step, "evaluate", fail)
    with pytest.raises(MemoryError):
        mgd.gradient_descent(*case.everything, 1e-3, 10, checkpoint=path, every=3)
    assert path.read_bytes() == b"an earlier run"


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


# ---------------------------------------------------------------------- every exit keeps the trajectory


def no_space(run, path):
    raise OSError(28, "No space left on device")


def folder_gone(run, path):
    raise FileNotFoundError(2, "No such file or directory", str(path))


def interrupted(run, path):
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("which", [1, 2, 3], ids=["first", "second", "last"])
@pytest.mark.parametrize("fails", [no_space, folder_gone, interrupted], ids=lambda fails: fails.__name__)
def test_a_checkpoint_that_fails_keeps_the_trajectory_the_last_one_too(tmp_path, monkeypatch, which, fails):
    """That of step 3, of step 6 or of the end, after step 8; and all that are tried from then on."""
    case, path, saves, save = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz", [], Trajectory.save

    def failing(run, path):
        saves.append(run.steps)
        return fails(run, path) if len(saves) >= which else save(run, path)

    monkeypatch.setattr(Trajectory, "save", failing)
    with pytest.raises((OSError, KeyboardInterrupt)) as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 8, checkpoint=path, every=3)
    stopped = caught.value.trajectory
    assert stopped.steps == saves[-1] == [3, 6, 8][which - 1]
    assert_same_run(stopped, mgd.gradient_descent(*case.everything, 1e-3, stopped.steps))


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_in_the_last_save_leaves_a_whole_file(tmp_path, monkeypatch):
    case, path, savez, tried = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz", np.savez, []

    def interrupted_once(file, **arrays):
        tried.append(file)
        if len(tried) == 1:
            signal.raise_signal(signal.SIGINT)
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", interrupted_once)
    with pytest.raises(KeyboardInterrupt) as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 4, checkpoint=path, every=9)
    assert Trajectory.load(path) == caught.value.trajectory
    assert caught.value.trajectory.steps == 4


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_an_error_saves_waits_for_the_file_and_keeps_the_trajectory(tmp_path, monkeypatch):
    case, path, savez = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz", np.savez

    def interrupted(file, **arrays):
        signal.raise_signal(signal.SIGINT)
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 9, observe=failing_at(4), checkpoint=path, every=99)
    assert isinstance(caught.value.__context__, RuntimeError)
    assert caught.value.trajectory.steps == Trajectory.load(path).steps == 4


@pytest.mark.parametrize("half", ["evaluate", "descend"])
def test_a_step_that_fails_half_way_says_so_and_leaves_the_checkpoint_alone(tmp_path, monkeypatch, half):
    case, path, whole, calls = problem(NETS[0], n=6, seed=0), tmp_path / "run.npz", getattr(Step, half), []

    def fail(step):
        calls.append(step)
        if len(calls) == 6:
            raise MemoryError("in the middle of a step")
        return whole(step)

    monkeypatch.setattr(Step, half, fail)
    with pytest.raises(MemoryError) as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 9, predictions=True, checkpoint=path, every=2)
    k = 5 if half == "descend" else 4
    assert caught.value.__notes__ == [f"It came in the middle of step {k + 1}: trajectory.params are not θ(k)."]
    assert len(caught.value.trajectory.predictions) == len(caught.value.trajectory.loss) == k + 1
    assert Trajectory.load(path).steps == 4


def test_a_step_whose_recording_fails_is_recorded_whole_or_not_at_all(monkeypatch):
    case, distances, calls = problem(NETS[0], n=6, seed=0), Step.distances, []

    def fail(step, start):
        calls.append(step)
        if len(calls) == 4:
            raise MemoryError("for the distances")
        return distances(step, start)

    monkeypatch.setattr(Step, "distances", fail)
    with pytest.raises(MemoryError) as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 9, predictions=True, distances=True)
    run = caught.value.trajectory
    assert len(run.loss) == len(run.predictions) == len(run.distances) == 3
