"""What a run of gradient descent leaves behind, in memory and on disk."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minimal_gd import atomic
from minimal_gd.parameters import Parameters


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
    observed : list of j arrays
        What it returned.
    """

    loss: NDArray
    params: Parameters
    step_size: float
    normalisation: str = "sum"
    predictions: NDArray | None = None
    distances: NDArray | None = None
    start: Parameters | None = None
    observed_steps: NDArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    observed: list[NDArray] = field(default_factory=list)

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
            **{f"observed_{j}": value for j, value in enumerate(self.observed)},
        }
        if self.predictions is not None:
            arrays["predictions"] = self.predictions
        if self.distances is not None:
            arrays["distances"] = self.distances
        if self.start is not None:
            arrays |= _packed("start", self.start)
        atomic.save(path, arrays)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Trajectory":
        """Read what `save` wrote.

        Raises
        ------
        TypeError
            If `path` is not a path.
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged, or not a trajectory.
        """
        path = atomic.as_path("path", path)
        with path.open("rb") as file:
            try:
                return cls._from_arrays(dict(np.load(file, allow_pickle=False)))
            except Exception as error:  # a damaged file can fail anywhere in the zip or the .npy reader
                wanted = "a whole trajectory, as save writes it"
                raise ValueError(f"path must name {wanted}, got {str(path)!r} ({error!r})") from error

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray]) -> "Trajectory":
        return cls(
            loss=arrays["loss"],
            params=_unpacked("params", arrays),
            step_size=float(arrays["step_size"]),
            normalisation=str(arrays["normalisation"]),
            predictions=arrays.get("predictions"),
            distances=arrays.get("distances"),
            start=_unpacked("start", arrays) if "start.a" in arrays else None,
            observed_steps=arrays["observed_steps"],
            observed=[arrays[f"observed_{j}"] for j in range(len(arrays["observed_steps"]))],
        )


def _packed(name: str, params: Parameters) -> dict[str, NDArray]:
    return {f"{name}.W{h}": W for h, W in enumerate(params.W)} | {f"{name}.a": params.a}


def _unpacked(name: str, arrays: dict[str, NDArray]) -> Parameters:
    depth = sum(key.startswith(f"{name}.W") for key in arrays)
    return Parameters(tuple(arrays[f"{name}.W{h}"] for h in range(depth)), arrays[f"{name}.a"])
