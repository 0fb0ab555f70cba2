"""Runs that go on where another one ended: the same bits, the same checks of their arguments, and what is refused."""

import numpy as np
import pytest
from test_descent import NETS, assert_same_run, stable

import minimal_gd as mgd
from minimal_gd.testing.strategies import problem

CASE = problem(NETS[0], n=6, seed=0)
RECORDED = {"predictions": True, "distances": True, "observe": lambda k, params: params.a[:3], "observe_every": 3}


@pytest.mark.parametrize("net", NETS[:2], ids=repr)
@pytest.mark.parametrize("normalisation", ["sum", "mean"])
@pytest.mark.parametrize("stop", [0, 3, 4])  # where the observer has just been called, and where it has not
def test_a_run_in_two_parts_has_the_bits_of_one_in_a_single_part(net, normalisation, stop):
    case = problem(net, n=6, seed=0)
    options = {"normalisation": normalisation, **RECORDED}
    whole = mgd.gradient_descent(*case.everything, 2e-3, 9, **options)
    first = mgd.gradient_descent(*case.everything, 2e-3, stop, **options)
    rest = mgd.gradient_descent(*case.everything, 2e-3, 9, resume=first, **options)
    assert_same_run(rest, whole)
    assert rest.observed_steps.tolist() == [0, 3, 6, 9]
    np.testing.assert_array_equal(rest.start.W[0], case.params.W[0])
    assert first.steps == stop  # it is not changed


def test_what_is_observed_by_name_is_resumed_by_name():
    def by_name(k, params):
        return {"a": params.a, "k": k}

    def run(steps, **options):
        return mgd.gradient_descent(*CASE.everything, 1e-3, steps, observe=by_name, observe_every=2, **options)

    assert run(7, resume=run(4)) == run(7)
    for other, message in (
        (lambda k, params: {"a": 0.0}, r"lacks \['k'\]"),
        (lambda k, params: 0.0, "a dict at step 4"),
    ):
        with pytest.raises(ValueError, match=message):
            mgd.gradient_descent(*CASE.everything, 1e-3, 7, observe=other, observe_every=2, resume=run(4))


def test_what_was_not_recorded_is_not_there_after_resuming_either():
    first = mgd.gradient_descent(*CASE.everything, 1e-3, 2)
    rest = mgd.gradient_descent(*CASE.everything, 1e-3, 4, resume=first)
    assert rest.predictions is rest.distances is rest.start is None
    kept = mgd.Trajectory(first.loss, first.params, first.step_size, start=CASE.params)  # θ(0), but no distances
    rest = mgd.gradient_descent(*CASE.everything, 1e-3, 4, resume=kept)
    assert (rest.steps, rest.distances, rest.start) == (4, None, CASE.params)


def test_a_run_resumed_at_its_last_step_is_returned_as_it_was():
    run = mgd.gradient_descent(*CASE.everything, 1e-3, 4, **RECORDED)
    assert_same_run(mgd.gradient_descent(*CASE.everything, 1e-3, 4, resume=run, **RECORDED), run)


def test_a_run_that_grew_without_bound_does_so_again_where_it_is_resumed():
    with pytest.raises(mgd.DivergenceError) as first:
        mgd.gradient_descent(*CASE.everything, 100 * stable(CASE), 500)
    with pytest.raises(mgd.DivergenceError, match=f"at step {first.value.step}") as again:
        mgd.gradient_descent(*CASE.everything, 100 * stable(CASE), 500, resume=first.value.trajectory)
    assert_same_run(again.value.trajectory, first.value.trajectory)


def test_progress_counts_the_steps_of_the_run_to_resume(capsys):
    run = mgd.gradient_descent(*CASE.everything, 1e-3, 2)
    mgd.gradient_descent(*CASE.everything, 1e-3, 5, resume=run, progress=True)
    shown = capsys.readouterr().err
    assert "2/5" in shown
    assert "5/5" in shown


# ---------------------------------------------------------------------- another machine, another run


@pytest.mark.parametrize("normalisation", ["sum", "mean"])
@pytest.mark.parametrize("is_near_zero", [False, True])
def test_the_last_loss_may_be_off_by_a_ten_thousandth_or_a_rounding(normalisation, is_near_zero):
    """A rounding of the loss of predicting 0: what is left of a loss near zero is rounding, another on each machine."""
    case, n = problem(mgd.FullyConnected(3, 8, 1, "identity"), n=2, seed=0), 1 if normalisation == "sum" else 2
    arguments = case.net, case.params, case.X, 6 * case.y, 0.1 * n * stable(case)
    options = {"normalisation": normalisation}
    run = mgd.gradient_descent(*arguments, 5000, **options, target_loss=1e-24 if is_near_zero else 1e-2)
    here, of_zero = run.loss[-1], 0.5 * np.sum((6 * case.y) ** 2) / n
    allowed = max(1e-4 * here, np.finfo(float).eps * of_zero)
    for share in (0.9, 1.1):
        run.loss[-1] = there = here + share * allowed
        if share < 1:
            assert mgd.gradient_descent(*arguments, run.steps, **options, resume=run).loss[-1] == there
        else:
            with pytest.raises(ValueError, match=f"its last loss is {there}, here its parameters give {here}"):
                mgd.gradient_descent(*arguments, run.steps, **options, resume=run)


def test_resuming_refuses_another_run():
    run = mgd.gradient_descent(*CASE.everything, 1e-3, 5)
    for wrong, message in [
        ({"step_size": 2e-3}, "step_size must be that of the run to resume"),
        ({"y": CASE.y + 1}, "resume must be a run on this X and y"),
        ({"steps": 3}, "steps counts from the first start: must be ≥ 5"),
        ({"normalisation": "mean"}, "normalisation must be that of the run to resume"),
        ({"distances": True}, "distances must be as in the run to resume, which did not record them"),
        ({"resume": "run.npz"}, "resume must be a Trajectory"),
    ]:
        arguments = {"X": CASE.X, "y": CASE.y, "step_size": 1e-3, "steps": 9, "resume": run} | wrong
        with pytest.raises((ValueError, TypeError), match=message):
            mgd.gradient_descent(CASE.net, CASE.params, **arguments)


@pytest.mark.parametrize("name", ["predictions", "distances"])
def test_resuming_goes_on_recording_what_was_recorded(name):
    run = mgd.gradient_descent(*CASE.everything, 1e-3, 5, **{name: True})
    with pytest.raises(ValueError, match=f"^{name} must be as in the run to resume, which recorded them"):
        mgd.gradient_descent(*CASE.everything, 1e-3, 9, resume=run)


def test_resuming_in_another_dtype_is_refused():
    run = mgd.gradient_descent(*CASE.everything, 1e-3, 5)
    single = CASE.params.map(lambda array: array.astype(np.float32))
    with pytest.raises(ValueError, match=r"^params must have the dtype of resume\.params, float64, got float32"):
        mgd.gradient_descent(CASE.net, single, CASE.X, CASE.y, 1e-3, 9, resume=run)
