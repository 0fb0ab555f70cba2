"""The folder of a sweep: a file a case, with what made it and a checksum."""

import errno
import hashlib
import inspect
import json
import platform
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy
from numpy.typing import NDArray

from minimal_gd import atomic, validate
from minimal_gd.compiling import package_code

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

Result = dict[str, Any]
Maker = dict[str, str]

_KINDS = "?biufcSU"  # numbers and text: what an .npz file holds without pickle
_RECORD, _CHECKSUM, _RESULT = "record", "sha256", "result."


# ------------------------------------------------------------------ what a measure returns


def as_result(returned: Any) -> Result:
    """Return what a measure returned as arrays, and as NumPy's numbers where it has no shape."""
    wanted = "measure must return numbers, arrays or text by name, a dict"
    if not isinstance(returned, dict) or not all(isinstance(name, str) for name in returned):
        raise TypeError(f"{wanted}, got {validate.describe(returned)}")
    arrays = {}
    for name, value in returned.items():
        array = np.asarray(value)
        if array.dtype.kind not in _KINDS or isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"{wanted}, got {validate.describe(value)} for {name!r}")
        arrays[name] = array[()]
    return arrays


# ------------------------------------------------------------------ what made it


def versions() -> Maker:
    """The versions that this process computes with; the package's own code too, as it may be in the making."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "minimal_gd": sys.modules["minimal_gd"].__version__,
        "minimal_gd's code": _package_code(),
    }


def measure_code(measure: Callable) -> Maker:
    """The name and a digest of the text of `measure`: not of what it calls."""
    try:
        text = inspect.getsource(measure)
    except (OSError, TypeError):  # typed into an interpreter, or not written in Python
        return {"measure": measure.__qualname__, "measure's code": "unknown"}
    return {"measure": measure.__qualname__, "measure's code": _digest(text.encode())}


def differences(old: Maker, new: Maker) -> str:
    """What differs between two makers, in words."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name)} instead of {new.get(name)}" for name in names)


def _package_code() -> str:
    return package_code()[:12]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


# ------------------------------------------------------------------ the folder


class Folder:
    """The results of one measure, by the text of their case. Other files in the folder are left alone."""

    def __init__(self, path: Path, measure: Callable) -> None:
        self.path = path
        self.maker = measure_code(measure) | versions()
        self.name = re.sub(r"\W", "_", measure.__qualname__)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other sweeps out, where the file system has locks; the lock goes with its process, however it ends."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "sweep.lock").open("ab") as file:
            try:
                if fcntl is None:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                    raise RuntimeError(
                        f"folder must be one sweep's at a time: another is at work in {self.path}"
                    ) from None
            for left_by_a_kill in self.path.glob(atomic.partial(Path(f"{self.name}-*.npz")).name):
                left_by_a_kill.unlink()
            yield

    def file(self, case: str) -> Path:
        """The file of a case; its name tells the measure and the case apart from others."""
        return self.path / f"{self.name}-{hashlib.sha256(case.encode()).hexdigest()[:32]}.npz"

    def write(self, case: str, result: Result) -> None:
        """Write one result, whole or not at all."""
        record = json.dumps({"case": json.loads(case), "maker": self.maker})
        entries = {_RESULT + name: np.asarray(value) for name, value in result.items()}
        try:
            atomic.save(self.file(case), {_RECORD: record, _CHECKSUM: _checksum(record, entries), **entries})
        except OSError as error:
            error.add_note(
                f"{self.file(case)} could not be written; the same sweep goes on from the results in the folder"
            )
            raise

    def read(self, case: str) -> tuple[Result, Maker] | None:
        """Give the result of a case and what made it, or None: without a file, or, with a warning, if it is damaged."""
        file = self.file(case)
        if not file.exists():
            return None
        content = file.read_bytes()
        try:
            return _unpacked(content, case)
        except Exception as error:  # a damaged file can fail anywhere in the zip or the .npy reader
            warnings.warn(f"{file} is damaged ({error!r}); computing it again: {case}", stacklevel=4)
            return None


def _unpacked(content: bytes, case: str) -> tuple[Result, Maker]:
    with np.load(BytesIO(content), allow_pickle=False) as file:
        entries = dict(file)
    text, checksum = str(entries.pop(_RECORD)), str(entries.pop(_CHECKSUM))
    if checksum != _checksum(text, entries):
        raise ValueError("its checksum is wrong")
    record = json.loads(text)
    if record["case"] != json.loads(case):
        raise ValueError(f"it holds another case, {record['case']}")
    return {name.removeprefix(_RESULT): array[()] for name, array in entries.items()}, record["maker"]


def _checksum(record: str, entries: dict[str, NDArray]) -> str:
    digest = hashlib.sha256(record.encode())
    for name, array in sorted(entries.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()
