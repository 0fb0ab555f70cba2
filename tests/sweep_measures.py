"""What the tests of the sweeps measure, which worker processes import from here, and with what they do.

Every execution adds a line to the file that the environment names, so that the tests can count them.
"""

import json
import os
import signal
import threading
import time
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

import minimal_gd as mgd
from minimal_gd._runtime.threads import threads

SEEDS = mgd.sweeps.grid(seed=range(6))
SLOW = 0.02  # seconds
LOG, GIVEN_UP = "SWEEP_TEST_LOG", "SWEEP_TEST_GIVEN_UP"


class Here(Executor):
    """Computes at once, in the process that asks."""

    def submit(self, function, /, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future


def assert_same_results(results, others):
    assert len(results) == len(others)
    for result, other in zip(results, others, strict=True):
        assert result.keys() == other.keys()
        for name in result:
            np.testing.assert_array_equal(result[name], other[name])
            assert np.asarray(result[name]).dtype == np.asarray(other[name]).dtype


def log(**case):
    if LOG in os.environ:
        line = f"{json.dumps([case, os.getpid()])}\n".encode()
        file = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line)
        os.close(file)


def logged(path):
    """Every execution so far: its case and the process. A line that a kill has cut is none."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]


def gram(architecture, width, depth, seed):
    """What a BLAS with several threads computes to other bits, from the Gram matrices of a random network."""
    log(architecture=architecture, width=width, depth=depth, seed=seed)
    X = mgd.data.sphere(200, 30, seed)
    net = getattr(mgd, architecture)(30, width, depth, "tanh")
    G = mgd.gram.empirical(net, net.init(seed), X)
    return {"traces": np.trace(G, axis1=1, axis2=2), "ridge": np.linalg.solve(np.eye(200) + G.sum(axis=0), X)}


def slow(seed):
    log(seed=seed)
    time.sleep(SLOW)
    return {"draw": np.random.default_rng(seed).standard_normal(100), "seed": seed}


def endless(seed):
    log(seed=seed)
    if seed > 0:
        time.sleep(600)
    return {"seed": seed}


def large(seed, copy=0):
    """A result of 1 to 6 MB: more than a pipe takes at once."""
    log(seed=seed)
    return {"draw": np.random.default_rng(seed).standard_normal(125_000 * (seed + 1))}


class StubbornError(Exception):
    """One that pickle cannot make again."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def fails(seed):
    """Seed 2 raises, until it has been given up."""
    log(seed=seed)
    if seed == 2 and GIVEN_UP not in os.environ:
        raise StubbornError("this", "that")
    return {"seed": seed}


def dies(seed, marks):
    """Every seed from 10 on kills its worker: up to 19 the first time only, 20 to 29 always."""
    log(seed=seed)
    mark = Path(marks) / str(seed)
    if seed >= 20 or (seed >= 10 and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"seed": seed}


def thread_counts(seed):
    with threads() as run:
        blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
        return {"blas": blas, "own": len(set(run(slow_thread, list(range(4)))))}


def slow_thread(_):
    time.sleep(0.01)
    return threading.get_ident()


def returns(kind):
    """Whatever a measure should not return, and a little of what it may."""
    return {
        "good": {
            "text": "softplus",
            "flag": True,
            "number": 2,
            "row": [1.5, np.nan],
            "wide": np.asfortranarray(np.eye(3)),
        },
        "a number": 3.0,
        "an object": {"net": mgd.FullyConnected(2, 3, 1)},
        "a number by a number": {1: 2.0},
        "a mask": {"values": np.ma.masked_array([1.0, 2.0], [True, False])},
    }[kind]
