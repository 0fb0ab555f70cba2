"""A line on stderr when numba compiles a kernel, the first time in a process: it takes seconds, and once is enough.

With MINIMAL_GD_QUIET in the environment there is none.
"""

import os
import sys
from typing import Any

from numba import njit
from numba.core import event


class _Notice(event.Listener):
    def __init__(self) -> None:
        self._is_said = "MINIMAL_GD_QUIET" in os.environ

    def on_start(self, event: Any) -> None:
        """Say it, where it is one of this package's."""
        module = event.data["dispatcher"].py_func.__module__
        if not self._is_said and module.startswith("minimal_gd."):
            self._is_said = True
            print("minimal_gd compiles its kernels: some seconds, once after an installation", file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Nothing: what was compiled is on disk now."""


event.register("numba:compile", _Notice())

# Compiled code stays on disk. The kernels allocate nothing that grows, and let go of Python's lock.
kernel = njit(cache=True, nogil=True, error_model="numpy")
# The same, where a product and a sum may be rounded once: half as long, and more precise.
contracted_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
