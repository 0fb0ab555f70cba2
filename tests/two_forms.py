"""A kernel compiled, and as the plain Python that it is without numba (NUMBA_DISABLE_JIT=1)."""

from collections.abc import Callable


def plain(kernel: Callable) -> Callable:
    """The plain Python of a kernel; with numba's JIT off it is the kernel itself."""
    return getattr(kernel, "py_func", kernel)


def both(kernel: Callable) -> tuple[Callable, Callable]:
    """The kernel, and its plain Python."""
    return kernel, plain(kernel)
