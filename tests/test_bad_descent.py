"""Wrong options of gradient descent, and runs that cannot be resumed, are refused."""

import numpy as np
import pytest
from public_functions import NETS, REFUSED, not_positive, problem

import minimal_gd as mgd

RESNET = NETS["ResNet"]


def descend(net=RESNET, step_size=1e-3, steps=2, **options):
    return mgd.gradient_descent(net, *problem(net), step_size, steps, **options)


@pytest.mark.parametrize("name", ["step_size", "target_loss"])
@not_positive
def test_a_step_size_or_target_that_is_not_finite_and_positive_is_refused(name, value):
    if name == "target_loss" and value is None:
        value = "None"  # None itself stands for no target
    with pytest.raises(REFUSED, match=rf"^{name} must be a finite number > 0, got"):
        descend(**{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps must be an integer ≥ 0, got -1"),
        ({"steps": 2.0}, "steps must be an integer ≥ 0, got float"),
        ({"steps": True}, "steps must be an integer ≥ 0, got bool"),
        ({"steps": None}, "steps must be an integer ≥ 0, got NoneType"),
        ({"observe": 3}, "observe must be a function .*got int 3"),
        ({"observe": lambda k, params: None}, "observe must return .*object"),
        ({"observe": lambda k, params: "x"}, "observe must return .*<U1"),
        ({"observe": lambda k, params: [1, [2, 3]]}, "observe must return "),
        ({"observe_every": 0}, "observe_every must be an integer ≥ 1, got 0"),
        ({"observe_every": 1.5}, "observe_every must be an integer ≥ 1, got float"),
        ({"normalisation": "average"}, "normalisation must be one of 'sum', 'mean', got 'average'"),
        ({"normalisation": None}, "normalisation must be one of 'sum', 'mean', got NoneType"),
        ({"progress": 1}, "progress must be True or False, got int"),
        ({"predictions": "yes"}, "predictions must be True or False, got str"),
        ({"distances": 1}, "distances must be True or False, got int"),
        ({"every": 3}, "every must come with checkpoint, got"),
        ({"checkpoint": "run.npz"}, "every must be given with checkpoint.* got None"),
        ({"checkpoint": "run.npz", "every": 0}, "every must be an integer ≥ 1, got 0"),
        ({"checkpoint": "run.npz", "every": True}, "every must be an integer ≥ 1, got bool"),
        ({"checkpoint": 3, "every": 1}, "checkpoint must be a path, got int 3"),
        ({"checkpoint": ".", "every": 1}, "checkpoint must name a file .*got '.'"),
        ({"checkpoint": "no/such/folder/run.npz", "every": 1}, "checkpoint must name a file .*got 'no/such"),
        ({"resume": "run.npz"}, "resume must be a Trajectory, got str"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ", ".join(f"{k}={v!r:.20}" for k, v in value.items()),
)
def test_wrong_options_of_gradient_descent_are_refused(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(REFUSED, match=f"^{message}"):
        descend(**options)
    assert not list(tmp_path.iterdir())


def test_resuming_another_run_is_refused():
    run = descend(steps=3)
    params, X, y = problem(RESNET)
    for call, message in [
        (lambda: descend(steps=5, step_size=2e-3, resume=run), "step_size must be .*0.001, got 0.002"),
        (lambda: descend(steps=5, normalisation="mean", resume=run), "normalisation must be .*'sum', got 'mean'"),
        (lambda: descend(steps=5, predictions=True, resume=run), "predictions must be as .*did not record"),
        (lambda: descend(steps=5, distances=True, resume=run), "distances must be as .*did not record"),
        (lambda: descend(steps=2, resume=run), "steps .*must be ≥ 3.* got 2"),
        (lambda: mgd.gradient_descent(RESNET, params, 2 * X, y, 1e-3, 5, resume=run), "resume must be .*X and y"),
        (lambda: mgd.gradient_descent(RESNET, params, X, -y, 1e-3, 5, resume=run), "resume must be .*X and y"),
    ]:
        with pytest.raises(ValueError, match=f"^{message}"):
            call()


def test_resuming_a_run_of_another_network_is_refused_by_its_name():
    for other in (mgd.ResNet(3, 7, 3, "tanh"), mgd.ResNet(3, 5, 2, "tanh")):
        with pytest.raises(ValueError, match=r"^resume.* must .*got"):
            descend(other, steps=5, resume=descend(steps=3))


def test_resuming_does_not_depend_on_the_dtype_of_params():
    params, X, y = problem(RESNET)
    whole = mgd.gradient_descent(RESNET, params, X, y, 1e-3, 6)
    half = mgd.gradient_descent(RESNET, params, X, y, 1e-3, 3)
    single = params.map(lambda array: array.astype(np.float32))
    try:  # the weights are those of resume; refusing params of another dtype is fine too
        resumed = mgd.gradient_descent(RESNET, single, X, y, 1e-3, 6, resume=half)
    except REFUSED as error:
        assert "params" in str(error) or "resume" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(resumed.loss, whole.loss)
