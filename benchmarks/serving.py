"""What every worker of the benchmark does: it lives in a process of its own and answers lines of JSON on stdin.

    {"do": "prepare", "work": …, "inputs": file, "outputs": file, …} -> {"versions": …}, after saving its results
    {"do": "run"} -> {"seconds": …}, of what was prepared last

A worker calls `serve` with a function that prepares. What goes wrong is answered as {"error": …}.
"""

import json
import os
import sys
import time
from collections.abc import Callable

Run = Callable[[], float]

QUICK, WARM_UP = 0.5, 0.1  # seconds


def timed(function: Callable[[], object]) -> Run:
    """Return a function that says how many seconds one call took."""

    def run() -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return run


def seconds(run: Run) -> float:
    """Time one run, after a pause in which the threads of other processes go to sleep.

    What takes less than half a second is run over and over for a while right before it is timed: caches that others
    have emptied and cores that slept would else count as much as the work.
    """
    time.sleep(0.15)
    start = time.perf_counter()
    once = run()
    if time.perf_counter() - start > QUICK:
        return once
    while time.perf_counter() - start < WARM_UP:
        run()
    return run()


def serve(prepare: Callable[[dict], tuple[Run, dict[str, str]]]) -> None:
    """Answer until stdin ends.

    Parameters
    ----------
    prepare : callable
        Takes the request; saves the results that are compared with those of others, and returns a function that does
        the work and says how many seconds it took, and versions by name.
    """
    # What libraries print goes to stderr, so that stdout holds answers alone.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                run, versions = prepare(request)
                answer = {"versions": versions}
            else:
                answer = {"seconds": seconds(run)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}".strip().splitlines()[0]}
        print(json.dumps(answer), file=answers)
