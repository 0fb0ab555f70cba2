"""Kernels: functions that numba compiles, and whose compiled code stays on disk until the package changes.

By itself numba renews what it keeps of a function when the function's own file changes, but not when a function that it
calls changes in another file, nor when the options below do. Here the names of the files on disk hold a digest of the
whole package.

A line on stderr says when kernels are compiled, the first time in a process, as it takes seconds; another says when
their code cannot be kept. With MINIMAL_GD_QUIET in the environment there is none.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile

# ------------------------------------------------------------------ what is said


class _Notice(event.Listener):
    def __init__(self) -> None:
        self._is_quiet = "MINIMAL_GD_QUIET" in os.environ
        self._said: set[str] = set()

    def on_start(self, event: Any) -> None:
        """Say that kernels are compiled, where it is one of this package's."""
        if event.data["dispatcher"].py_func.__module__.startswith("minimal_gd."):
            self.say("minimal_gd compiles its kernels: some seconds, once after an installation")

    def on_end(self, event: Any) -> None:
        """Nothing: what was compiled is on disk now."""

    def not_kept(self, error: Exception) -> None:
        """Say that compiled code finds no place on disk."""
        self.say(
            "minimal_gd cannot keep its compiled kernels on disk, so every process compiles them anew; "
            f"NUMBA_CACHE_DIR may name a folder for them ({error})"
        )

    def say(self, text: str) -> None:
        """Print `text`, unless a line that begins like it has been printed."""
        beginning = text[:20]
        if not self._is_quiet and beginning not in self._said:
            self._said.add(beginning)
            print(text, file=sys.stderr)


_notice = _Notice()
event.register("numba:compile", _notice)

# ------------------------------------------------------------------ what is kept


@cache
def package_code() -> str:
    """Return a digest of every module of the package, whether it lies in folders or in a zip file."""
    digest = hashlib.sha256()
    for name, text in _modules(resources.files("minimal_gd"), ""):
        digest.update(f"{name} {len(text)} ".encode() + text)
    return digest.hexdigest()


def _modules(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            yield from _modules(entry, name)
        elif name.endswith(".py"):
            yield name, entry.read_bytes()


class _Files:
    """The files of one kernel, two for every signature, named by it and by the package's code.

    What two processes keep at the same time, of different code or of different signatures, is never mixed up: each has
    files of its own, and numba replaces a file as a whole.

    Parameters
    ----------
    folder : str
    name : str
        As numba makes it, such as "angles.relu_products-67.py311"; the number of the line is left out here.
    """

    def __init__(self, folder: str, name: str) -> None:
        self._folder = Path(folder)
        self._kernel, self._python = name.partition("-")[0], name.rpartition(".")[2]

    def load(self, key: tuple) -> Any:
        """Return the compiled code of one signature, or None."""
        return self._pair(key).load(key)

    def save(self, key: tuple, data: Any) -> None:
        """Keep the compiled code of one signature, and remove what is left of other code of the package."""
        pair = self._pair(key)
        pair.flush()  # it reads its index before it writes, and that may be damaged
        pair.save(key, data)
        self._remove_all_but(self._prefix())

    def flush(self) -> None:
        """Remove everything."""
        self._remove_all_but(None)

    def _pair(self, key: tuple) -> IndexDataCacheFile:
        signature = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return IndexDataCacheFile(str(self._folder), f"{self._prefix()}{signature}.{self._python}", package_code())

    def _prefix(self) -> str:
        return f"{self._kernel}-{package_code()[:16]}-"

    def _remove_all_but(self, prefix: str | None) -> None:
        for file in self._folder.glob(f"{self._kernel}-*.{self._python}.*"):
            if file.suffix in (".nbi", ".nbc") and not (prefix and file.name.startswith(prefix)):
                with suppress(OSError):  # another process was faster, or has it open on Windows
                    file.unlink()


class _Cache(FunctionCache):
    """numba's, with files as above. What goes wrong on disk costs time, and is no error."""

    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        files = _Files(self._cache_path, self._impl.filename_base)
        self._cache_file = files  # type: ignore[assignment]  # numba only calls its load, save and flush

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled code, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged file can fail anywhere on the way back
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code, where there is a place for it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _notice.not_kept(error)


# ------------------------------------------------------------------ what is compiled


def _compiled(**options: Any) -> Callable[[Callable], Callable]:
    """A decorator; the kernels allocate nothing that grows, and let go of Python's lock."""

    def decorate(function: Callable) -> Callable:
        compiled = njit(nogil=True, error_model="numpy", **options)(function)
        if compiled is not function:  # as it is with NUMBA_DISABLE_JIT
            try:
                compiled._cache = _Cache(function)
            except (OSError, RuntimeError) as error:  # numba finds no folder that it can write to
                _notice.not_kept(error)
        return compiled

    return decorate


kernel = _compiled()
# The same, where a product and a sum may be rounded once: half as long, and more precise.
contracted_kernel = _compiled(fastmath={"contract"})
