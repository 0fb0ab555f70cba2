"""What a run records, step by step, until it becomes a `Trajectory`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minimal_gd.parameters import Parameters
from minimal_gd.step import Step
from minimal_gd.trajectory import Trajectory


@dataclass
class Recorder:
    """Lists that grow by one entry a step.

    `predictions`, `distances` and `start` are None where they are not asked for. `observe` is the caller's function.
    """

    step_size: float
    normalisation: str
    loss: list[float] = field(default_factory=list)
    predictions: list[NDArray] | None = None
    distances: list[NDArray] | None = None
    start: Parameters | None = None
    observe: Callable[[int, Parameters], Any] | None = None
    observe_every: int = 1
    observed_steps: list[int] = field(default_factory=list)
    observed: list[NDArray] = field(default_factory=list)

    @property
    def last(self) -> int:
        """k, the last step recorded; -1 before the first."""
        return len(self.loss) - 1

    def go_on_from(self, run: Trajectory) -> None:
        """Take over what `run` has recorded.

        Raises
        ------
        ValueError
            If `run` was made with another step size or normalisation, or did not record what is asked for.
        """
        for name in ("step_size", "normalisation"):
            if getattr(self, name) != getattr(run, name):
                raise ValueError(
                    f"{name} must be that of the run to resume, {getattr(run, name)!r}, got {getattr(self, name)!r}"
                )
        for name in ("predictions", "distances"):
            if (getattr(self, name) is None) != (getattr(run, name) is None):
                did = "did not record" if getattr(run, name) is None else "recorded"
                raise ValueError(f"{name} must be as in the run to resume, which {did} them from its start")
        self.loss = run.loss.tolist()
        self.predictions = None if run.predictions is None else list(run.predictions)
        self.distances = None if run.distances is None else list(run.distances)
        self.start = run.start
        self.observed_steps, self.observed = run.observed_steps.tolist(), list(run.observed)

    def record(self, loss: float, step: Step) -> None:
        """Add one step."""
        self.loss.append(loss)
        if self.predictions is not None:
            self.predictions.append(step.predictions.copy())
        if self.distances is not None and self.start is not None:
            self.distances.append(step.distances(self.start))

    def observe_if_due(self, params: Parameters) -> None:
        """Call the caller's function, if it is to observe the last step and has not yet."""
        k = self.last
        if self.observe is None or k % self.observe_every != 0 or k in self.observed_steps[-1:]:
            return
        seen = self.observe(k, params.map(_read_only))
        try:
            value = np.array(seen)
        except ValueError as error:
            raise TypeError(f"observe must return a number or an array of numbers, but: {error}") from error
        if value.dtype.kind not in "biufc":
            raise TypeError(f"observe must return a number or an array of numbers, got dtype {value.dtype}")
        self.observed_steps.append(k)
        self.observed.append(value)

    def trajectory(self, params: Parameters) -> Trajectory:
        """Everything so far, with θ(k)."""
        return Trajectory(
            loss=np.array(self.loss),
            params=params,
            step_size=self.step_size,
            normalisation=self.normalisation,
            predictions=None if self.predictions is None else np.array(self.predictions),
            distances=None if self.distances is None else np.array(self.distances),
            start=self.start,
            observed_steps=np.array(self.observed_steps, dtype=np.int64),
            observed=list(self.observed),
        )


def _read_only(array: NDArray) -> NDArray:
    view = array.view()
    view.flags.writeable = False
    return view
