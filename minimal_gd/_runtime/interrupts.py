"""Ctrl-C that waits until a step is whole."""

import signal
from types import FrameType
from typing import Any


class Interrupts:
    """Within `with Interrupts() as interrupts`, an interrupt waits for the end of `with interrupts.held_back`.

    Only the main thread of a process is interrupted, so elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self.held_back = _HeldBack(self)
        self._busy = False
        self._pending: tuple[int, FrameType | None] | None = None
        self._previous: Any = None

    def __enter__(self) -> "Interrupts":
        self._previous = signal.getsignal(signal.SIGINT)
        if callable(self._previous):  # not where interrupts are ignored, or not Python's to handle
            try:
                signal.signal(signal.SIGINT, self._handle)
            except ValueError:  # not the main thread
                self._previous = None
        return self

    def __exit__(self, *_: object) -> None:
        if callable(self._previous):
            signal.signal(signal.SIGINT, self._previous)

    def hold_back(self) -> None:
        """Let an interrupt wait from now on."""
        self._busy = True

    def let_go(self) -> None:
        """Handle the interrupt that waits, if there is one."""
        self._busy = False
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self._previous(*pending)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._busy:
            self._pending = (number, frame)
        else:
            self._previous(number, frame)


class _HeldBack:
    """Let an interrupt that comes within wait until the end; quicker than a generator, as small steps need it."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def __enter__(self) -> None:
        self._interrupts.hold_back()

    def __exit__(self, *_: object) -> None:
        self._interrupts.let_go()
