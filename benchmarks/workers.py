"""Processes that do the work, one for each contender, so that the thread pools of two libraries never meet."""

import json
import os
import subprocess
from pathlib import Path


class Worker:
    """A process of `<name>_worker.py`.

    Parameters
    ----------
    name : str
    python : Path
        The interpreter of its environment.
    messages : Path
        A file for what it prints.
    threads : int
    """

    def __init__(self, name: str, python: Path, messages: Path, threads: int) -> None:
        self._messages = messages
        # jax asks NPROC how many threads its pool has.
        names = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        with messages.open("w", encoding="utf-8") as file:
            self._process = subprocess.Popen(
                [python, Path(__file__).with_name(f"{name}_worker.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                encoding="utf-8",
                bufsize=1,
                env=os.environ | dict.fromkeys(names, str(threads)),
            )

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.communicate()

    def ask(self, **request: object) -> dict:
        """Send a request and wait for the answer; a process that ended answers {"error": …} too."""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        said = self._messages.read_text(encoding="utf-8").strip().splitlines()
        return {"error": said[-1] if said else "it ended without a word"}
