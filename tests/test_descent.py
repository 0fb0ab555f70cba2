"""Gradient descent: the path it takes, what it records, and how it stops."""

import re
import threading
import tracemalloc

import numpy as np
import pytest
import tqdm.std
from threadpoolctl import threadpool_info, threadpool_limits

import minimal_gd as mgd
from minimal_gd.descent.recorder import Recorder
from minimal_gd.descent.step import Step
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks import blocks
from minimal_gd.testing.strategies import problem

NETS = [
    mgd.FullyConnected(5, 8, 3),
    mgd.ResNet(5, 8, 3, "tanh"),
    mgd.ConvResNet((2, 3, 4), 6, 2, (3, 3), "gelu"),
    mgd.TwoLayerReLU(5, 8),
]
SECONDS = 60  # what a thread waits for another before the test fails: far longer than a busy machine takes


def stable(case):
    return mgd.stable_step_size(case.net, case.params, case.X)


def assert_same_run(one: Trajectory, two: Trajectory) -> None:
    """Bit for bit."""
    for name in ("loss", "predictions", "distances", "observed_steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    first, second = ((*run.params.W, run.params.a, *run.observed) for run in (one, two))
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


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


def test_zero_loss_is_as_small_as_the_readme_says():
    X, _ = mgd.data.digits(20, seed=0)
    y = mgd.data.random_labels(20, seed=1)
    net = mgd.FullyConnected(64, 256, 2, "tanh")
    for dtype, floor in ((np.float64, 1e-26), (np.float32, 1e-10)):
        params = net.init(0, dtype)
        eta = 1.8 * mgd.stable_step_size(net, params, X)
        assert mgd.gradient_descent(net, params, X, y, eta, 1500).loss[-1] <= floor


def test_a_run_stops_at_a_loss_equal_to_the_target():
    case = problem(NETS[0], n=6, seed=0)
    losses = mgd.gradient_descent(*case.everything, stable(case) / 10, 5).loss
    assert mgd.gradient_descent(*case.everything, stable(case) / 10, 5, target_loss=losses[3]).steps == 3


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


def test_blas_has_its_threads_back_after_overlapping_runs():
    """The run that begins first ends first, while the other still holds BLAS to one thread."""
    case, second_has_begun, first_has_ended = problem(NETS[0], n=6, seed=0), threading.Event(), threading.Event()
    before = threadpool_info()

    def wait(k, params):
        second_has_begun.set()
        assert first_has_ended.wait(SECONDS)
        return k

    def begin_the_second(k, params):
        if k == 1:
            second.start()
            assert second_has_begun.wait(SECONDS)
        return k

    second = threading.Thread(target=lambda: mgd.gradient_descent(*case.everything, 1e-3, 2, observe=wait))
    mgd.gradient_descent(*case.everything, 1e-3, 2, observe=begin_the_second)
    first_has_ended.set()
    second.join()
    assert threadpool_info() == before


@pytest.mark.parametrize(
    ("net", "n"),
    [
        (mgd.FullyConnected(2, 2, 3), 100_000),
        (mgd.ResNet(2, 2, 3), 100_000),
        (mgd.ConvResNet((1, 2), 2, 2, (3,)), 100_000),
        (mgd.TwoLayerReLU(2, 2), 100_000),
        (mgd.FullyConnected(2, 100_000, 1), 4),
        (mgd.ResNet(2, 100_000, 1), 4),
        (mgd.ConvResNet((1, 3), 100_000, 1, (3,)), 4),
        (mgd.TwoLayerReLU(2, 100_000), 4),
        (mgd.FullyConnected(2, 400, 2), 4),
        (mgd.ResNet(2, 400, 2), 4),
        (mgd.ConvResNet((1, 3), 200, 2, (3,)), 4),
    ],
    ids=str,
)
def test_a_step_allocates_nothing_that_grows_with_the_problem(monkeypatch, net, n):
    """Half of n numbers, half of m, or half of the m² of a layer take 400 kB or more here: a step takes less.

    Half, because there are two blocks of samples and two of units. The bound leaves room for a few of the buffers, of
    64 kB each, in which NumPy casts, and for Python's own objects, those of other threads too.
    """
    for name, size in (("_MULTIPLICATIONS_A_BLOCK", 1), ("_MOST_BLOCKS", 2)):
        monkeypatch.setattr(blocks, name, size)
    case = problem(net, n=n, seed=0)
    step = Step(*case.everything, 1e-9, run=lambda function, parts: [function(part) for part in parts])
    assert (len(step._samples), len(step._units)) == (2, 2)
    try:
        for start in (lambda: None, tracemalloc.start):  # once without, for what is made only once
            start()
            step.evaluate()
            step.descend()
            step.evaluate()
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------------- recording


def test_an_observer_sees_every_so_many_steps_and_what_it_returns_is_kept():
    case = problem(NETS[0], n=6, seed=0)
    run = mgd.gradient_descent(
        *case.everything, stable(case), 10, observe=lambda k, params: params.W[0][0], observe_every=4
    )
    assert run.observed_steps.tolist() == [0, 4, 8]
    np.testing.assert_array_equal(run.observed[0], case.params.W[0][0])
    assert (run.observed[1] != run.observed[2]).any()  # copies, not the array in training


def test_an_observer_may_return_numbers_and_arrays_by_name():
    case = problem(NETS[0], n=6, seed=0)
    run = mgd.gradient_descent(
        *case.everything, stable(case), 5, observe=lambda k, params: {"W": params.W[0], "k": k}, observe_every=2
    )
    assert [value.item() for value in run.observed["k"]] == [0, 2, 4]
    assert len(run.observed["W"]) == 3
    np.testing.assert_array_equal(run.observed["W"][0], case.params.W[0])
    assert (run.observed["W"][1] != run.observed["W"][2]).any()  # copies, not the array in training


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, r"step 1 lacks \['b'\] and adds \[\]"),
        ({"a": 1}, {"b": 1}, r"step 1 lacks \['a'\] and adds \['b'\]"),
        ({"a": 1}, 1.0, "a dict at step 0 and none at 1"),
        (1.0, {"a": 1}, "a dict at step 1 and none at 0"),
    ],
)
def test_an_observer_must_return_the_same_names_at_every_step(first, then, message):
    case = problem(NETS[0], n=6, seed=0)
    with pytest.raises(ValueError, match=r"^observe must return the same") as caught:
        mgd.gradient_descent(*case.everything, 1e-3, 3, observe=lambda k, params: then if k else first)
    assert re.search(message, str(caught.value))
    assert caught.value.trajectory.observed_steps.tolist() == [0]


@pytest.mark.parametrize(
    "wrong", [{}, {1: 2.0}, {"a": "text"}, {"a": [[1], [1, 2]]}, {"a": {"b": 1.0}}, np.ma.array([1.0], mask=[True])]
)
def test_an_observer_must_return_numbers_by_name(wrong):
    case = problem(NETS[0], n=6, seed=0)
    with pytest.raises(TypeError, match=r"^observe must return a number or an array of numbers, or a dict of"):
        mgd.gradient_descent(*case.everything, 1e-3, 3, observe=lambda k, params: wrong)


def test_a_recorder_observes_every_step_unless_told_otherwise():
    case = problem(NETS[0], n=6, seed=0)
    recorder = Recorder(1e-3, "sum", observe=lambda k, params: k)
    for _ in range(3):
        recorder.loss.append(1.0)
        recorder.observe_if_due(case.params)
    assert recorder.observed_steps == [0, 1, 2]


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
    run = mgd.gradient_descent(*case.everything, 1e-3, 3, progress=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert f"loss {run.loss[3]:.2e}" in shown


def test_progress_is_not_drawn_at_every_step(capsys, monkeypatch):
    """A line for each would take longer than a small step. By a clock that stands still, no step takes any time."""
    monkeypatch.setattr(tqdm.std, "time", lambda: 0.0)
    case = problem(NETS[0], n=6, seed=0)
    mgd.gradient_descent(*case.everything, 1e-3, 200, progress=True)
    assert capsys.readouterr().err.count("\r") < 200
