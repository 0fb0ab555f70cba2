"""Gradient descent: the path it takes, what it records, and how it stops."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import networks, problem, problems
from threadpoolctl import threadpool_limits

import minimal_gd as mgd
from minimal_gd.step import Step
from minimal_gd.trajectory import Trajectory

NETS = [
    mgd.FullyConnected(5, 8, 3),
    mgd.ResNet(5, 8, 3, "tanh"),
    mgd.ConvResNet((2, 3, 4), 6, 2, (3, 3), "gelu"),
    mgd.TwoLayerReLU(5, 8),
]


def stable(case):
    return mgd.stable_step_size(case.net, case.params, case.X)


def assert_same_run(one: Trajectory, two: Trajectory) -> None:
    """Bit for bit."""
    for name in ("loss", "predictions", "distances", "observed_steps", "observed"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    for first, second in zip((*one.params.W, one.params.a), (*two.params.W, two.params.a), strict=True):
        np.testing.assert_array_equal(first, second)


# ---------------------------------------------------------------------- the path


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_each_step_is_theta_minus_eta_times_the_gradient(net):
    case = problem(net, n=6, seed=0)
    eta, theta = stable(case), case.params
    run = mgd.gradient_descent(*case.everything, eta, 5, predictions=True, distances=True)
    for k in range(6):
        assert run.loss[k] == pytest.approx(net.loss(theta, case.X, case.y), rel=1e-11)
        np.testing.assert_allclose(run.predictions[k], net.predict(theta, case.X), rtol=1e-9, atol=1e-12)
        moved = [np.linalg.norm(W - W0) for W, W0 in zip(theta.W, case.params.W, strict=True)]
        moved.append(np.linalg.norm(theta.a - case.params.a))
        np.testing.assert_allclose(run.distances[k], moved, rtol=1e-9, atol=1e-12)
        if k < 5:
            gradient = net.gradient(theta, case.X, case.y)
            W = tuple(W - eta * G for W, G in zip(theta.W, gradient.W, strict=True))
            theta = mgd.Parameters(W, theta.a - eta * gradient.a)
    for ours, plain in zip((*run.params.W, run.params.a), (*theta.W, theta.a), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", [mgd.FullyConnected, mgd.ResNet])
def test_wide_networks_reach_zero_loss_on_random_labels(kind):
    X, _ = mgd.data.digits(20, seed=0)
    y = mgd.data.random_labels(20, seed=1)
    net = kind(64, 256, 2, "tanh")
    params = net.init(0)
    eta = 1.8 * mgd.stable_step_size(net, params, X)
    run = mgd.gradient_descent(net, params, X, y, eta, 3000, target_loss=1e-20)
    assert run.loss[-1] <= 1e-20
    assert run.steps < 3000
    assert run.loss[-2] > 1e-20  # it stopped as soon as it could


def test_the_companions_output_layer_stays_unless_it_is_trained():
    for train_output in (False, True):
        case = problem(mgd.TwoLayerReLU(5, 8, train_output=train_output), n=6, seed=0)
        run = mgd.gradient_descent(*case.everything, stable(case), 3, distances=True)
        assert (run.params.a == case.params.a).all() == (not train_output)
        assert (run.distances[-1, -1] == 0) == (not train_output)


def test_the_mean_loss_with_n_times_the_step_size_takes_the_same_path():
    case = problem(NETS[0], n=6, seed=0)
    paper = mgd.gradient_descent(*case.everything, stable(case), 20)
    poster = mgd.gradient_descent(*case.everything, 6 * stable(case), 20, normalisation="mean")
    np.testing.assert_allclose(poster.loss, paper.loss / 6, rtol=1e-10)
    np.testing.assert_allclose(poster.params.a, paper.params.a, rtol=1e-10)


def test_float32_parameters_are_trained_in_float32():
    case = problem(NETS[0], n=6, seed=0)
    single = case.params.map(lambda array: array.astype(np.float32))
    run = mgd.gradient_descent(case.net, single, case.X, case.y, stable(case), 20, predictions=True)
    assert run.params.dtype == run.predictions.dtype == np.float32
    reference = mgd.gradient_descent(*case.everything, stable(case), 20)
    np.testing.assert_allclose(run.loss, reference.loss, rtol=1e-4)


def test_params_and_data_are_not_changed():
    case = problem(NETS[1], n=6, seed=0)
    arrays = [*case.params.W, case.params.a, case.X, case.y]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    mgd.gradient_descent(*case.everything, stable(case), 3)
    for array, was in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, was)


# ---------------------------------------------------------------------- bits, threads, memory


@pytest.mark.parametrize(
    "net", [mgd.FullyConnected(30, 300, 3), mgd.ConvResNet((2, 8, 8), 40, 3, (3, 3))], ids=["dense", "convolution"]
)
def test_any_number_of_threads_gives_the_same_bits(net):
    case = problem(net, n=70, seed=0)
    runs = []
    for count in (1, 2, 5):
        with threadpool_limits(count, user_api="blas"):
            runs.append(mgd.gradient_descent(*case.everything, 1e-3, 3, predictions=True))
    assert_same_run(runs[0], runs[1])
    assert_same_run(runs[0], runs[2])


def test_blas_has_its_threads_back_after_a_run():
    from threadpoolctl import threadpool_info

    case = problem(NETS[0], n=6, seed=0)
    before = threadpool_info()
    mgd.gradient_descent(*case.everything, 1e-3, 2)
    assert threadpool_info() == before


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ((mgd.FullyConnected(20, 150, 3), 150), (mgd.FullyConnected(20, 300, 3), 600)),
        ((mgd.ResNet(20, 150, 3), 150), (mgd.ResNet(20, 300, 3), 600)),
        ((mgd.ConvResNet((2, 8, 8), 10, 3, (3, 3)), 30), (mgd.ConvResNet((2, 8, 8), 20, 3, (3, 3)), 120)),
        ((mgd.TwoLayerReLU(20, 150), 150), (mgd.TwoLayerReLU(20, 300), 600)),
    ],
    ids=["fully connected", "ResNet", "convolution", "two layers"],
)
def test_a_step_allocates_nothing_that_grows_with_the_problem(small, large):
    peaks = []
    for net, n in (small, large):
        case = problem(net, n=n, seed=0)
        step = Step(net, case.params, case.X, case.y, run=lambda function, parts: [function(part) for part in parts])
        for measured in (False, True):
            if measured:
                tracemalloc.start()
            step.loss()
            step.descend(1e-6)
            step.loss()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # the large problem's smallest array that a step could allocate by mistake, u, takes 8 · 90 bytes more
    assert peaks[1] - peaks[0] < 700


# ---------------------------------------------------------------------- recording


def test_an_observer_sees_every_so_many_steps_and_what_it_returns_is_kept():
    case = problem(NETS[0], n=6, seed=0)
    run = mgd.gradient_descent(
        *case.everything, stable(case), 10, observe=lambda k, params: params.W[0][0], observe_every=4
    )
    assert run.observed_steps.tolist() == [0, 4, 8]
    np.testing.assert_array_equal(run.observed[0], case.params.W[0][0])
    assert (run.observed[1] != run.observed[2]).any()  # copies, not the array in training


def test_an_observer_cannot_change_the_parameters():
    case = problem(NETS[0], n=6, seed=0)

    def meddle(k, params):
        params.a[0] = 0

    with pytest.raises(ValueError, match="read-only"):
        mgd.gradient_descent(*case.everything, 1e-3, 3, observe=meddle)


def test_an_observer_must_return_numbers():
    case = problem(NETS[0], n=6, seed=0)
    with pytest.raises(TypeError, match="observe must return a number or an array of numbers"):
        mgd.gradient_descent(*case.everything, 1e-3, 3, observe=lambda k, params: "a" + str(k))


def test_only_what_is_asked_for_is_recorded():
    case = problem(NETS[0], n=6, seed=0)
    run = mgd.gradient_descent(*case.everything, 1e-3, 0)
    assert run.loss.shape == (1,)
    assert run.steps == 0
    assert run.predictions is run.distances is run.start is None
    assert run.observed == []


def test_progress_is_shown_on_request_only(capsys):
    case = problem(NETS[0], n=6, seed=0)
    mgd.gradient_descent(*case.everything, 1e-3, 3)
    assert capsys.readouterr().err == ""
    mgd.gradient_descent(*case.everything, 1e-3, 3, progress=True)
    assert "3/3" in capsys.readouterr().err


# ---------------------------------------------------------------------- divergence, interrupts, resumption


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
    with pytest.raises(mgd.DivergenceError, match=rf"= {6 * 2 * stable(case):.3g} "):
        mgd.gradient_descent(*case.everything, 6e4 * stable(case), 500, normalisation="mean")


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


def test_an_interrupted_run_resumes_to_the_bits_of_one_never_stopped(tmp_path):
    """A real SIGINT in the middle of a step: it is raised when the step is whole."""
    case = problem(mgd.FullyConnected(30, 400, 3), n=120, seed=0)
    options = {"predictions": True, "distances": True, "observe": lambda k, params: params.a[:3], "observe_every": 3}
    whole = mgd.gradient_descent(*case.everything, 1e-4, 60, **options)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        mgd.gradient_descent(*case.everything, 1e-4, 10**6, checkpoint=tmp_path / "run.npz", every=1000, **options)
    timer.join()
    stopped = caught.value.trajectory
    assert 0 < stopped.steps < 10**6
    assert len(stopped.predictions) == len(stopped.distances) == len(stopped.loss)
    assert_same_run(Trajectory.load(tmp_path / "run.npz"), stopped)
    if stopped.steps <= 60:
        assert_same_run(mgd.gradient_descent(*case.everything, 1e-4, 60, resume=stopped, **options), whole)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@settings(max_examples=25)
@given(problems(networks()), st.integers(0, 6), st.integers(0, 6))
def test_a_resumed_run_gives_the_bits_of_one_that_never_stopped(case, first, more):
    options = {"predictions": True, "distances": True, "observe": lambda k, params: params.a, "observe_every": 2}
    eta = 1e-3
    whole = mgd.gradient_descent(*case.everything, eta, first + more, **options)
    part = mgd.gradient_descent(*case.everything, eta, first, **options)
    before = part.loss.copy()
    resumed = mgd.gradient_descent(*case.everything, eta, first + more, resume=part, **options)
    assert_same_run(resumed, whole)
    np.testing.assert_array_equal(part.loss, before)  # the run that was resumed stays as it was
    assert part.steps == first


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
    """SIGKILL from inside, at step 17 with a checkpoint every 5: steps 0 to 15 are there, and the rest follows."""
    setup = textwrap.dedent(
        """
        import os, signal, numpy as np, minimal_gd as mgd
        net = mgd.ResNet(5, 8, 3)
        rng = np.random.default_rng(0)
        params, X, y = net.init(rng), rng.standard_normal((6, 5)), rng.standard_normal(6)
        """
    )
    killed = """mgd.gradient_descent(net, params, X, y, 1e-3, 40, checkpoint="run.npz", every=5,
        observe=lambda k, params: os.kill(os.getpid(), signal.SIGKILL) if k == 17 else 0)"""
    process = subprocess.run([sys.executable, "-c", setup + killed], cwd=tmp_path, capture_output=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    run = Trajectory.load(tmp_path / "run.npz")
    assert run.steps == 15
    names: dict = {}
    exec(setup, names)
    whole = names["mgd"].gradient_descent(*(names[name] for name in ("net", "params", "X", "y")), 1e-3, 40)
    arguments = [names[name] for name in ("net", "params", "X", "y")]
    resumed = mgd.gradient_descent(*arguments, 1e-3, 40, resume=run, checkpoint=tmp_path / "run.npz", every=5)
    np.testing.assert_array_equal(resumed.loss, whole.loss)
    assert Trajectory.load(tmp_path / "run.npz").steps == 40


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
