"""neural-tangents at work for `limits.py`: a process that stays alive in an environment where it can be imported.

A line on stdin is a request and a line on stdout its answer, both JSON:

    {"do": "prepare", "activation": …, "c_sigma": …, "depth": …, "nodes": …, "totals": …, "inputs": file,
     "outputs": file} -> {}
    {"do": "run"} -> {"seconds": …}

The first compiles what the second times, every layer's limit or the package's own totals, and saves both.
"""

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable

import jax
import numpy as np
from jax import numpy as jnp
from neural_tangents import stax

warnings.filterwarnings("ignore", "Numerical Activation Layer")
jax.config.update("jax_enable_x64", True)


def activation_layer(name: str, nodes: int) -> tuple:
    """Return its closed form where it has one, else Gauss-Hermite quadrature with `nodes`² nodes a pair."""
    if name == "relu":
        return stax.Relu()
    if name == "erf":
        return stax.Erf()
    return stax.ElementwiseNumerical(jax.nn.softplus, deg=nodes, df=jax.nn.sigmoid)


def network(activation: tuple, c_sigma: float, depth: int, input_dim: int) -> list[tuple]:
    """Return the fully connected net's dense layers, H + 1, and activations in turn.

    Its dense layers divide by the square root of what comes in: W_std = √d undoes that for the first, and √c_σ is the
    factor of the layers below.
    """
    layers = [stax.Dense(1, W_std=math.sqrt(input_dim))]
    for _ in range(depth):
        layers += [activation, stax.Dense(1, W_std=math.sqrt(c_sigma))]
    return layers


def every_layer(layers: list[tuple], c_sigma: float) -> Callable[[jax.Array], tuple]:
    """Return a function from X to Θ^(1), …, Θ^(H+1), (n, n) each.

    Its own kernel functions carry only the sum of the Θ^(h). Given ones for that sum, an activation returns
    E[σ′(u)σ′(v)] in its place, from which the recursion backwards gives every Θ^(h) with a product each. The matrices
    stay apart, as jax would compute all of them again for every row of one that holds them.
    """
    (_, _, first), *rest = layers

    def theta(X: jax.Array) -> tuple:
        kernel = first(X, None)
        covariances, slopes = [kernel.nngp], []
        for (_, _, activation), (_, _, dense) in zip(rest[::2], rest[1::2], strict=True):
            kernel = activation(kernel.replace(ntk=jnp.ones_like(kernel.nngp)))
            slopes.append(c_sigma * kernel.ntk)
            kernel = dense(kernel)
            covariances.append(kernel.nngp)
        result, B = [covariances.pop()], 1.0
        for covariance, slope in zip(reversed(covariances), reversed(slopes), strict=True):
            B = B * slope
            result.insert(0, covariance * B)
        return tuple(result)

    return theta


def prepare(request: dict) -> Callable[[], None]:
    """Compile and save every layer's limit, and ΣΘ^(h) and Θ^(H+1) as its own kernel function gives them."""
    X = jnp.asarray(np.load(request["inputs"]))
    activation = activation_layer(request["activation"], request["nodes"])
    layers = network(activation, request["c_sigma"], request["depth"], X.shape[1])
    theta = jax.jit(every_layer(layers, request["c_sigma"]))
    _, _, kernel = stax.serial(*layers)
    totals = jax.jit(lambda X: tuple(kernel(X, None, ("nngp", "ntk"))))
    nngp, ntk = totals(X)
    np.savez(request["outputs"], theta=np.stack(theta(X)), nngp=nngp, ntk=ntk)
    function = totals if request["totals"] else theta
    return lambda: jax.block_until_ready(function(X))


def main() -> None:
    """Answer until stdin ends. What libraries print goes to stderr, so that stdout holds answers alone."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run = None
    for line in sys.stdin:
        request, answer = json.loads(line), {}
        if request["do"] == "prepare":
            run = prepare(request)
        else:
            time.sleep(0.15)  # until no thread of the other process spins
            warm = time.perf_counter() + request["warm_up"]
            while time.perf_counter() < warm:
                run()
            start = time.perf_counter()
            run()
            answer = {"seconds": time.perf_counter() - start}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
