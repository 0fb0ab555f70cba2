"""Files that are written whole or not at all."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from minimal_gd._runtime import validate


def as_path(name: str, path: Any) -> Path:
    """Return `path` as a Path."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {validate.describe(path)}")
    return Path(path)


def partial(path: Path) -> Path:
    """Where the file grows before it takes its name. Whoever kills the process leaves it behind."""
    return path.with_name(path.name + ".partial")


def save(path: Path, arrays: dict[str, Any]) -> None:
    """Write an .npz file of arrays of numbers and text. A reader sees the old file or the new one, never half."""
    growing = partial(path)
    try:
        with growing.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(growing, path)
    finally:
        growing.unlink(missing_ok=True)


def checksum(arrays: dict[str, Any], text: str = "") -> str:
    """A digest of a text, and of the names, dtypes, shapes and entries of arrays, in whatever order they are stored."""
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(arrays.items()):
        array = np.asarray(value)
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()
