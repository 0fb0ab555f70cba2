"""Gradient descent as the papers run it: full batch, constant step, every layer.

    θ(k+1) = θ(k) - η ∂L/∂θ(k),    L(θ) = ½ Σ_i (u_i - y_i)²

The poster trains on R(θ) = (1/2n) Σ_i (u_i - y_i)² instead, `normalisation="mean"`. R = L/n, so ∂R/∂θ = (1/n) ∂L/∂θ:
the mean with step size n·η takes the same path as the sum with η.
"""

import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from minimal_gd import gram
from minimal_gd._runtime import validate
from minimal_gd._runtime.interrupts import Interrupts
from minimal_gd._runtime.threads import threads
from minimal_gd.descent.recorder import Recorder
from minimal_gd.descent.step import Step
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.networks.base import Network, arguments, half_square
from minimal_gd.parameters import Parameters

# A loss this many times above both the first one and that of predicting 0 has left every basin behind.
_GROWTH_LIMIT = 1e8


class DivergenceError(ArithmeticError):
    """The loss turned non-finite or grew without bound.

    Attributes
    ----------
    step : int
        The step after which it did.
    trajectory : Trajectory
        Everything that was recorded up to and including that step.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message, step)  # both, so that a pickled copy from another process can be made again
        self.step = step
        self.trajectory: Trajectory

    def __str__(self) -> str:
        return self.args[0]


@validate.quietly
def gradient_descent(
    net: Network,
    params: Parameters,
    X: NDArray,
    y: NDArray,
    step_size: float,
    steps: int,
    *,
    target_loss: float | None = None,
    predictions: bool = False,
    distances: bool = False,
    observe: Callable[[int, Parameters], Any] | None = None,
    observe_every: int = 1,
    normalisation: str = "sum",
    progress: bool = False,
    checkpoint: str | os.PathLike | None = None,
    every: int | None = None,
    resume: Trajectory | None = None,
) -> Trajectory:
    """Train `net` from `params` by full-batch gradient descent with a constant step.

    Computes in the dtype of `params`; float64 reaches losses near 1e-26, float32 near 1e-10. The same call gives the
    same bits, on any number of threads. After the first step nothing is allocated that grows with the problem, but
    for what is recorded.

    Parameters
    ----------
    net : Network
    params : Parameters
        θ(0); not changed.
    X : (n, *input_shape) array
    y : (n,) array
    step_size : float > 0
        η. `stable_step_size` gives one that works.
    steps : int ≥ 0
        Stop after this many steps, counted from the first start (with `resume` too).
    target_loss : float > 0, optional
        Stop as soon as the loss is at most this.
    predictions, distances : bool
        Record u(k), and ‖W^(h)(k) - W^(h)(0)‖_F with ‖a(k) - a(0)‖_2, at every step.
    observe : callable, optional
        `observe(k, params)` is called at every step k that `observe_every` divides and returns a number or an array
        to record, or a dict of them, recorded name by name: the same names at every step. `params` are the arrays in
        training, read-only. To see when the run can first be proved to converge, observe `certify`: its docstring shows
        the call.
    observe_every : int ≥ 1
    normalisation : "sum" or "mean"
        The paper's loss L = ½ Σ, or the poster's R = (1/2n) Σ: with n times the step size it takes the same path.
    progress : bool
        Show a progress bar.
    checkpoint : path, optional
        Save the trajectory there every so many steps, when it ends, and when it is interrupted.
    every : int ≥ 1, optional
        How many steps between two checkpoints.
    resume : Trajectory, optional
        Go on from there, with the bits of a run that never stopped: give the data, the step size and what to record
        as they were. The weights are those of `resume`; `params` is only checked to be of this network.

    Returns
    -------
    Trajectory

    Raises
    ------
    DivergenceError
        If the loss turns non-finite or grows without bound; it names the step and 2/λ_max(ΣG).
    TypeError, ValueError
        If an argument is not as above, or `resume` is of another run; if `observe` returns something else than numbers,
        or other names than before.
    OSError
        If a checkpoint cannot be written.

    An interrupt (Ctrl-C) is raised between two steps. Whatever ends a run early, a last checkpoint that cannot be
    written too, the exception's attribute `trajectory` holds what was recorded until then. Where something fails in the
    middle of a step, a note on the exception says that `trajectory.params` are no longer θ(k), and the checkpoint is
    left as it was.

    Paper: section 3.3; the poster for "mean".
    """
    params, X, y = arguments(net, params, X, y)
    step_size = validate.positive_number("step_size", step_size)
    steps = validate.integer("steps", steps, least=0)
    target_loss = 0.0 if target_loss is None else validate.positive_number("target_loss", target_loss)
    validate.one_of("normalisation", normalisation, ("sum", "mean"))
    validate.boolean("progress", progress)
    if observe is not None and not callable(observe):
        raise TypeError(f"observe must be a function of the step and the parameters, got {validate.describe(observe)}")
    recorder = Recorder(
        step_size,
        normalisation,
        predictions=[] if validate.boolean("predictions", predictions) else None,
        distances=[] if validate.boolean("distances", distances) else None,
        start=params.map(np.array) if distances else None,
        observe=observe,
        observe_every=validate.integer("observe_every", observe_every),
    )
    checkpoint, every = _checked_checkpoint(checkpoint, every)
    if resume is not None:
        params = _resumed(resume, net, recorder, steps, params.dtype)

    theta = params.map(lambda array: np.array(array, order="C"))
    scale = 1.0 if normalisation == "sum" else 1 / len(y)
    limit = _GROWTH_LIMIT * scale * half_square(y)
    is_whole = True
    with (
        recorder.kept_by_errors(theta),
        threads() as run,
        Interrupts() as interrupts,
        tqdm(total=steps, initial=max(recorder.last, 0), disable=not progress, unit="step", leave=None) as bar,
    ):
        try:
            with interrupts.held_back:
                step = Step(net, theta, X, y, scale * step_size, run)
                loss = scale * step.evaluate()
                if resume is None:
                    recorder.record(loss, step)
                else:
                    _require_same_loss(loss, recorder.loss[-1], scale * half_square(y) * np.finfo(y.dtype).eps)
            while True:
                k, loss = recorder.last, recorder.loss[-1]
                if not math.isfinite(loss) or loss > max(limit, _GROWTH_LIMIT * recorder.loss[0]):
                    raise _divergence(k, loss, net, params, X, y, scale, step_size)
                recorder.observe_if_due(theta)
                if k >= steps or loss <= target_loss:
                    break
                if checkpoint is not None and k > 0 and k % every == 0:
                    recorder.trajectory(theta).save(checkpoint)
                with interrupts.held_back:
                    is_whole = False
                    step.descend()
                    recorder.record(scale * step.evaluate(), step)
                    is_whole = True
                if progress:
                    bar.set_postfix_str(f"loss {recorder.loss[-1]:.2e}", refresh=False)
                    bar.update()
            trajectory = recorder.trajectory(theta)
            if checkpoint is not None:
                trajectory.save(checkpoint)
        except BaseException as error:
            if not is_whole:
                error.add_note(f"It came in the middle of step {recorder.last + 1}: trajectory.params are not θ(k).")
            elif checkpoint is not None and recorder.loss and not isinstance(error, DivergenceError):
                with interrupts.held_back, suppress(Exception):  # the error on its way out says more
                    recorder.trajectory(theta).save(checkpoint)
            raise
    return trajectory


def _checked_checkpoint(checkpoint: Any, every: Any) -> tuple[Path | None, int]:
    if checkpoint is None:
        if every is not None:
            raise ValueError(f"every must come with checkpoint, got every={every} alone")
        return None, 0
    if not isinstance(checkpoint, str | os.PathLike):
        raise TypeError(f"checkpoint must be a path, got {validate.describe(checkpoint)}")
    if every is None:
        raise ValueError("every must be given with checkpoint: an integer ≥ 1, got None")
    if not Path(checkpoint).parent.is_dir() or Path(checkpoint).is_dir():
        raise ValueError(f"checkpoint must name a file in a folder that there is, got {str(checkpoint)!r}")
    return Path(checkpoint), validate.integer("every", every)


def _resumed(run: Any, net: Network, recorder: Recorder, steps: int, dtype: np.dtype) -> Parameters:
    """Let `recorder` take over what `run` recorded; return the weights to go on from."""
    if not isinstance(run, Trajectory):
        raise TypeError(f"resume must be a Trajectory, got {validate.describe(run)}")
    if steps < run.steps:
        raise ValueError(f"steps counts from the first start: must be ≥ {run.steps}, those of resume, got {steps}")
    recorder.go_on_from(run)
    if run.params.dtype != dtype:
        raise ValueError(f"params must have the dtype of resume.params, {run.params.dtype}, got {dtype}")
    return net.check_params(run.params, "resume.params")


def _require_same_loss(here: float, there: float, rounding: float) -> None:
    """The first loss after resuming is the last one before, to the bit on one machine, to rounding on another."""
    if not math.isclose(here, there, rel_tol=1e-4, abs_tol=rounding) and math.isfinite(here):
        raise ValueError(
            f"resume must be a run on this X and y: its last loss is {there}, here its parameters give {here}"
        )


def _divergence(
    k: int, loss: float, net: Network, params: Parameters, X: NDArray, y: NDArray, scale: float, step_size: float
) -> DivergenceError:
    what = "ΣG^(h)" if scale == 1 else "ΣG^(h)/n"
    try:
        limit = 2 * gram.stable_step_size(net, params, X) / scale
        stable = f"2/λ_max(G) = {limit:.3g}"
    except ValueError:
        limit, stable = 0.0, "2/λ_max(G) = unknown, for G is zero or not finite"
    where = f"{stable} (G = {what} where this run began)"
    if step_size < limit:
        advice = (
            f"step_size = {step_size:.3g} is below {where}, so it was stable there; but labels as large as "
            f"{np.abs(y).max():.3g} at a width of {net.width} move the weights so far that G does not stay as it was. "
            "Scale the labels down, or take a wider network"
        )
    else:
        advice = f"A stable step_size is below {where}"
    grew = "grew without bound" if math.isfinite(loss) else "turned non-finite"
    return DivergenceError(f"the loss {grew} at step {k}: {loss:.3g}. {advice}", step=k)
