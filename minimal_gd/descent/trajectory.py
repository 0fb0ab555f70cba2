"""What a run of gradient descent leaves behind, in memory and on disk."""

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import files as atomic
from minimal_gd._runtime.content import by_content
from minimal_gd.parameters import Parameters

_CHECKSUM = "sha256"
_NAMES = "observed_names"  # as JSON: no name is taken for a part of the file


@by_content
@dataclass
class Trajectory:
    """k steps of gradient descent, counted from the first start however often the run was resumed.

    Attributes
    ----------
    loss : (k + 1,) float64 array
        The loss after 0, 1, …, k steps, in the run's normalisation.
    params : Parameters
        θ(k), the last.
    step_size : float
        η, in the run's normalisation.
    normalisation : "sum" or "mean"
        The paper's loss ½ Σ, or the poster's (1/2n) Σ.
    predictions : (k + 1, n) array or None
        u(0), …, u(k), where asked for.
    distances : (k + 1, H + 1) float64 array or None
        ‖W^(h)(k) - W^(h)(0)‖_F for h = 1, …, H and ‖a(k) - a(0)‖_2 last, where asked for.
    start : Parameters or None
        θ(0), kept where distances are asked for.
    observed_steps : (j,) int array
        The steps at which the caller's function observed.
    observed : list of j arrays, or dict of such lists
        What it returned: name by name, `observed[name]`, where it returned a dict.
    """

    loss: NDArray
    params: Parameters
    step_size: float
    normalisation: str = "sum"
    predictions: NDArray | None = None
    distances: NDArray | None = None
    start: Parameters | None = None
    observed_steps: NDArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    observed: list[NDArray] | dict[str, list[NDArray]] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """k, the number of steps taken since the first start."""
        return len(self.loss) - 1

    def save(self, path: str | os.PathLike) -> Path:
        """Write everything to an .npz file, without pickle. A reader sees the old file or the new one, never half.

        Parameters
        ----------
        path : path
            Written as given: no suffix is added.

        Returns
        -------
        Path

        Raises
        ------
        TypeError
            If `path` is not a path.
        OSError
            If it cannot be written; a file that was there stays as it was.
        """
        path = atomic.as_path("path", path)
        arrays: dict[str, Any] = {
            "loss": self.loss,
            "step_size": self.step_size,
            "normalisation": self.normalisation,
            "observed_steps": self.observed_steps,
            **_packed("params", self.params),
            **_packed_observed(self.observed),
        }
        if self.predictions is not None:
            arrays["predictions"] = self.predictions
        if self.distances is not None:
            arrays["distances"] = self.distances
        if self.start is not None:
            arrays |= _packed("start", self.start)
        atomic.save(path, arrays | {_CHECKSUM: atomic.checksum(arrays)})
        return path

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Trajectory":
        """Read what `save` wrote, all of it: a checksum shows whether an array is missing, changed or of another run.

        Raises
        ------
        TypeError
            If `path` is not a path.
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged or incomplete, holds arrays of different runs, or is not a trajectory.
        """
        path = atomic.as_path("path", path)
        with path.open("rb") as file:
            try:
                return cls._from_arrays(dict(np.load(file, allow_pickle=False)))
            except Exception as error:  # a damaged file can fail anywhere in the zip or the .npy reader
                wanted = "a whole trajectory, as save writes it"
                raise ValueError(f"path must name {wanted}, got {str(path)!r} ({error!r})") from error

    def require_whole(self, name: str) -> None:
        """Refuse a trajectory whose parts do not belong together, calling it `name`.

        Raises
        ------
        ValueError
            It says which part does not fit the number of steps or the parameters.
        """
        k, layers, observed = np.size(self.loss) - 1, (*self.params.W, self.params.a), self.observed
        lists = list(observed.values()) if isinstance(observed, dict) else [observed]
        fits = {
            "loss": np.ndim(self.loss) == 1 and k >= 0,
            "params": len(layers) > 1 and all(np.ndim(W) == 2 for W in layers[:-1]) and _is_of_one_width(layers),
            "step_size": math.isfinite(self.step_size) and self.step_size > 0,
            "normalisation": self.normalisation in ("sum", "mean"),
            "predictions": self.predictions is None
            or (np.ndim(self.predictions) == 2 and len(self.predictions) == k + 1),
            "distances": self.distances is None or np.shape(self.distances) == (k + 1, len(layers)),
            "start": self.start is None or [*map(np.shape, (*self.start.W, self.start.a))] == [*map(np.shape, layers)],
            "observed_steps": np.ndim(self.observed_steps) == 1
            and (np.diff(self.observed_steps, prepend=-1, append=k + 1) > 0).all(),
            "observed": all(len(values) == len(self.observed_steps) for values in lists),
        }
        for part, fit in fits.items():
            if not fit:
                raise ValueError(f"{name}.{part} must fit the other parts of one run, of {k} steps by its losses")

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray]) -> "Trajectory":
        if str(arrays.pop(_CHECKSUM)) != atomic.checksum(arrays):
            raise ValueError("an array in it is missing, added or changed: its checksum is wrong")
        run = cls(
            loss=arrays["loss"],
            params=_unpacked("params", arrays),
            step_size=float(arrays["step_size"]),
            normalisation=str(arrays["normalisation"]),
            predictions=arrays.get("predictions"),
            distances=arrays.get("distances"),
            start=_unpacked("start", arrays) if "start.a" in arrays else None,
            observed_steps=arrays["observed_steps"],
            observed=_unpacked_observed(arrays),
        )
        run.require_whole("run")
        return run


def _is_of_one_width(layers: tuple[NDArray, ...]) -> bool:
    """Whether every W^(h) has a row, and `a` an entry or a row, for each of m hidden units."""
    return len({np.shape(array)[:1] for array in layers}) == 1


def _packed(name: str, params: Parameters) -> dict[str, NDArray]:
    return {f"{name}.W{h}": W for h, W in enumerate(params.W)} | {f"{name}.a": params.a}


def _unpacked(name: str, arrays: dict[str, NDArray]) -> Parameters:
    depth = sum(key.startswith(f"{name}.W") for key in arrays)
    return Parameters(tuple(arrays[f"{name}.W{h}"] for h in range(depth)), arrays[f"{name}.a"])


def _packed_observed(observed: list[NDArray] | dict[str, list[NDArray]]) -> dict[str, Any]:
    if not isinstance(observed, dict):
        return {f"observed_{j}": value for j, value in enumerate(observed)}
    named = {f"observed_{j}.{i}": value for i, name in enumerate(observed) for j, value in enumerate(observed[name])}
    return {_NAMES: json.dumps([*observed]), **named}


def _unpacked_observed(arrays: dict[str, NDArray]) -> list[NDArray] | dict[str, list[NDArray]]:
    steps = range(len(arrays["observed_steps"]))
    if _NAMES not in arrays:
        return [arrays[f"observed_{j}"] for j in steps]
    names = json.loads(str(arrays[_NAMES]))
    return {name: [arrays[f"observed_{j}.{i}"] for j in steps] for i, name in enumerate(names)}
