"""What a run records, step by step, until it becomes a `Trajectory`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd.descent.step import Step
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.parameters import Parameters

Observation = Array | dict[str, Array]

_WANTED = "observe must return a number or an array of numbers, or a dict of them by name"


@dataclass
class Recorder:
    """Lists that grow by one entry a step.

    `predictions`, `distances` and `start` are None where they are not asked for. `observe` is the caller's function;
    `observations` holds pairs of a step and what it returned then, an array or a dict of arrays.
    """

    step_size: float
    normalisation: str
    loss: list[float] = field(default_factory=list)
    predictions: list[Array] | None = None
    distances: list[Array] | None = None
    start: Parameters | None = None
    observe: Callable[[int, Parameters], Any] | None = None
    observe_every: int = 1
    observations: list[tuple[int, Observation]] = field(default_factory=list)

    @property
    def last(self) -> int:
        """k, the last step recorded; -1 before the first."""
        return len(self.loss) - 1

    @property
    def observed_steps(self) -> list[int]:
        """The steps at which the caller's function observed."""
        return [k for k, _ in self.observations]

    @contextmanager
    def kept_by_errors(self, params: Parameters) -> Iterator[None]:
        """Whatever exception leaves this block carries all that was recorded as its attribute `trajectory`."""
        try:
            yield
        except BaseException as error:
            error.trajectory = self.trajectory(params)  # type: ignore[attr-defined]  # of any class
            raise

    def go_on_from(self, run: Trajectory) -> None:
        """Take over what `run` has recorded.

        Raises
        ------
        ValueError
            If `run` was made with another step size or normalisation, did not record what is asked for, or its parts
            do not belong together.
        """
        run.require_whole("resume")
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
        observed: Any = run.observed
        if isinstance(observed, dict):
            observed = [dict(zip(observed, values, strict=True)) for values in zip(*observed.values(), strict=True)]
        self.observations = list(zip(run.observed_steps.tolist(), observed, strict=True))

    def record(self, loss: float, step: Step) -> None:
        """Add one step, all of it or, where something fails, nothing."""
        u = None if self.predictions is None else step.predictions.copy()
        distances = None if self.distances is None or self.start is None else step.distances(self.start)
        self.loss.append(loss)
        if self.predictions is not None and u is not None:
            self.predictions.append(u)
        if self.distances is not None and distances is not None:
            self.distances.append(distances)

    def observe_if_due(self, params: Parameters) -> None:
        """Call the caller's function, if it is to observe the last step and has not yet."""
        k = self.last
        if self.observe is None or k % self.observe_every != 0 or (self.observations and self.observations[-1][0] == k):
            return
        seen = _as_observation(self.observe(k, params.map(_read_only)))
        if self.observations:
            _require_same_names(k, seen, *self.observations[-1])
        self.observations.append((k, seen))

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
            observed=self._observed(),
        )

    def _observed(self) -> list[Array] | dict[str, list[Array]]:
        """What was observed, step by step, and name by name where there are names."""
        named = [seen for _, seen in self.observations if isinstance(seen, dict)]
        if named:
            return {name: [values[name] for values in named] for name in named[0]}
        return [seen for _, seen in self.observations if not isinstance(seen, dict)]


def _as_observation(seen: Any) -> Observation:
    """What the caller's function returned, as arrays."""
    if not isinstance(seen, dict):
        return _as_numbers(seen, "")
    if not seen or not all(isinstance(name, str) for name in seen):
        raise TypeError(f"{_WANTED}, got {validate.describe(seen)}")
    return {name: _as_numbers(value, f" for {name!r}") for name, value in seen.items()}


def _as_numbers(value: Any, place: str) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{_WANTED}, got a masked array{place}")
    try:
        array = np.array(value)
    except ValueError as error:
        raise TypeError(f"{_WANTED}, but{place}: {error}") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{_WANTED}, got dtype {array.dtype}{place}")
    return array


def _require_same_names(k: int, seen: Observation, last: int, before: Observation) -> None:
    """Refuse an observation of other names than those that were observed before."""
    names, wanted = (sorted(value) if isinstance(value, dict) else None for value in (seen, before))
    if names == wanted:
        return
    if names is None or wanted is None:
        named, plain = (last, k) if names is None else (k, last)
        raise ValueError(f"observe must return the same at every step, got a dict at step {named} and none at {plain}")
    missing, new = sorted({*wanted} - {*names}), sorted({*names} - {*wanted})
    raise ValueError(
        f"observe must return the same names at every step: step {k} lacks {missing} and adds {new}, "
        f"compared with step {last}"
    )


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view
