"""The folder of a sweep: a file a case, with what made it and a checksum."""

import errno
import hashlib
import json
import platform
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

import numba
import numpy as np
import scipy

from minimal_gd._runtime import files as atomic
from minimal_gd._runtime import validate
from minimal_gd._runtime.compiling import package_code
from minimal_gd.sweeps.code_digest import code_digest

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # where it is a module, as mypy takes it to be
    import msvcrt

Result = dict[str, Any]
Maker = dict[str, str]

_KINDS = "?biufcSU"  # numbers and text: what an .npz file holds without pickle
_LONGEST = 60_000  # characters; a zip file's names have 65,535 bytes at most
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
        if len(_entry(name)) > _LONGEST:
            raise ValueError(f"{wanted}, got a name of {len(name)} characters, {name[:20]!r}…")
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
        "minimal_gd's code": _OWN_CODE,
    }


def measure_code(measure: Callable) -> Maker:
    """The name of `measure` and a digest of what it runs: not of what it calls."""
    return {"measure": measure.__qualname__, "measure's code": code_digest(measure)}


def differences(old: Maker, new: Maker) -> str:
    """What differs between two makers, in words."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name)} instead of {new.get(name)}" for name in names)


_OWN_CODE = package_code()[:12]  # as it is imported: a file that is edited later is not what runs


# ------------------------------------------------------------------ the folder


def _is_locked(file: BinaryIO) -> bool:
    """Lock a file for this process. True also where there are no locks; False if another process has it."""
    try:
        if fcntl is None:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


class BusyFolderError(RuntimeError):
    """Another sweep is at work in the folder."""


class Folder:
    """The results of one measure, by the text of their case. Other files in the folder are left alone."""

    def __init__(self, path: Path, measure: Callable) -> None:
        self.path = path
        self.maker = measure_code(measure) | versions()
        self.name = re.sub(r"\W", "_", measure.__qualname__)

    @contextmanager
    def held(self) -> Iterator[Exception | None]:
        """Keep other sweeps out, where the file system has locks; the lock goes with its process, however it ends.

        Gives None, or the reason why nothing may be written, for a sweep that has more to do than to read:
        BusyFolderError where another sweep is at work, or the OSError of a folder that cannot be written.
        """
        lock: BinaryIO | nullcontext[None] = nullcontext()
        hindrance: Exception | None = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "sweep.lock").open("ab")
        except OSError as error:
            hindrance = error
        else:
            if not _is_locked(lock):
                hindrance = BusyFolderError(f"folder must be one sweep's at a time: another is at work in {self.path}")
        with lock:
            if hindrance is None:
                for left_by_a_kill in self.path.glob(atomic.partial(Path(self._file("[0-9a-f]" * 32))).name):
                    left_by_a_kill.unlink()
            yield hindrance

    def file(self, case: str) -> Path:
        """The file of a case; its name tells the measure and the case apart from others."""
        return self.path / self._file(hashlib.sha256(case.encode()).hexdigest()[:32])

    def _file(self, digest: str) -> str:
        return f"{self.name}-{digest}.npz"

    def write(self, case: str, result: Result) -> None:
        """Write one result, whole or not at all."""
        record = json.dumps({"case": json.loads(case), "maker": self.maker})
        entries = {_entry(name): np.asarray(value) for name, value in result.items()}
        try:
            atomic.save(self.file(case), {_RECORD: record, _CHECKSUM: atomic.checksum(entries, record), **entries})
        except OSError as error:
            error.add_note(
                f"{self.file(case)} could not be written; the same sweep goes on from the results in the folder"
            )
            raise

    def read(self, case: str) -> tuple[Result, Maker] | None:
        """Return a case's result and what made it, or None: without a file, or, with a warning, if it is damaged."""
        file = self.file(case)
        if not file.exists():
            return None
        content = file.read_bytes()
        try:
            return _unpacked(content, case)
        except Exception as error:  # a damaged file can fail anywhere in the zip or the .npy reader
            warnings.warn(f"{file} is damaged ({error!r}); computing it again: {case}", stacklevel=4)
            return None


def _entry(name: str) -> str:
    """The name of a result within an .npz file, where "/" means a folder, a NUL is the end and ".npy" is cut off."""
    return _RESULT + quote(name, safe=" ", errors="surrogatepass").replace(".", "%2E")


def _name(entry: str) -> str:
    return unquote(entry.removeprefix(_RESULT), errors="surrogatepass")


def _unpacked(content: bytes, case: str) -> tuple[Result, Maker]:
    with np.load(BytesIO(content), allow_pickle=False) as file:
        entries = dict(file)
    text, checksum = str(entries.pop(_RECORD)), str(entries.pop(_CHECKSUM))
    if checksum != atomic.checksum(entries, text):
        raise ValueError("its checksum is wrong")
    record = json.loads(text)
    if record["case"] != json.loads(case):
        raise ValueError(f"it holds another case, {record['case']}")
    return {_name(entry): array[()] for entry, array in entries.items()}, record["maker"]
