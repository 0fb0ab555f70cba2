"""minimal_gd at work for `bench.py`, by its public functions. See `serving.py`, and `works.py` for what work means.

One step is timed inside a run of `gradient_descent`, by a clock that `observe` reads.
"""

import time
from functools import partial

import numpy as np
import works
from numpy.typing import NDArray
from serving import Run, serve, timed

import minimal_gd as mgd


def load(request: dict) -> tuple[mgd.Network, mgd.Parameters, NDArray, NDArray, float]:
    """Return the net, its weights, the inputs, the targets and the step size."""
    net = works.network(request["work"])
    with np.load(request["inputs"], allow_pickle=False) as file:
        params = mgd.Parameters(tuple(file[f"W{h}"] for h in range(net.depth)), file["a"])
        return net, params, file["X"], file["y"], float(file.get("step_size", 0))


def prepare_descent(request: dict) -> Run:
    """Descend from the given weights for a while; save the losses and the weights."""
    work = request["work"]
    descend = partial(mgd.gradient_descent, *load(request))
    run = descend(work["compared_steps"])
    weights = {f"W{h}": W for h, W in enumerate(run.params.W)}
    np.savez(request["outputs"], loss=run.loss[:-1], a=run.params.a, **weights)
    if work["whole"]:
        return timed(lambda: descend(work["steps"]))

    def some_steps() -> float:
        """Seconds of a step, by the clock after step 1 and after the last, so that what is done once does not count."""
        clock = descend(work["steps"] + 1, observe=lambda k, theta: time.perf_counter()).observed
        return float(clock[-1] - clock[1]) / work["steps"]

    return some_steps


def prepare_gram(request: dict) -> Run:
    """Every layer's Gram matrix."""
    net, params, X, _, _ = load(request)
    np.savez(request["outputs"], G=mgd.gram.empirical(net, params, X))
    return timed(lambda: mgd.gram.empirical(net, params, X))


def prepare_limits(request: dict) -> Run:
    """Every layer's limit."""
    net = works.network(request["work"])
    with np.load(request["inputs"], allow_pickle=False) as file:
        X = file["X"]
    K, _ = mgd.gram.limiting(net, X)
    np.savez(request["outputs"], theta=K)
    return timed(lambda: mgd.gram.limiting(net, X))


def prepare(request: dict) -> tuple[Run, dict[str, str]]:
    """Prepare one piece of work."""
    kinds = {"descent": prepare_descent, "gram": prepare_gram, "limits": prepare_limits}
    return kinds[request["work"]["kind"]](request), {"minimal_gd": mgd.__version__, "NumPy": np.__version__}


if __name__ == "__main__":
    serve(prepare)
