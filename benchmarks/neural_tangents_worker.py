"""neural-tangents at work for `bench.py` and `limits.py`, in an environment where it can be imported. See `serving.py`.

What it times is every layer's limit, or the package's own totals; it saves both.
"""

import math
import warnings
from collections.abc import Callable

import jax
import neural_tangents
import numpy as np
from jax import numpy as jnp
from neural_tangents import stax
from serving import Run, serve, timed

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


def prepare(request: dict) -> tuple[Run, dict[str, str]]:
    """Compile and save every layer's limit, and ΣΘ^(h) and Θ^(H+1) as its own kernel function gives them."""
    work = request["work"]
    with np.load(request["inputs"], allow_pickle=False) as file:
        X = jnp.asarray(file["X"])
    activation = activation_layer(work["activation"], request["nodes"])
    layers = network(activation, work["c_sigma"], work["depth"], X.shape[1])
    theta = jax.jit(every_layer(layers, work["c_sigma"]))
    _, _, kernel = stax.serial(*layers)
    totals = jax.jit(lambda X: tuple(kernel(X, None, ("nngp", "ntk"))))
    nngp, ntk = totals(X)
    np.savez(request["outputs"], theta=np.stack(theta(X)), nngp=nngp, ntk=ntk)
    function = totals if work["totals"] else theta
    versions = {"neural-tangents": f"{neural_tangents.__version__} (jax {jax.__version__})"}
    return timed(lambda: jax.block_until_ready(function(X))), versions


if __name__ == "__main__":
    serve(prepare)
