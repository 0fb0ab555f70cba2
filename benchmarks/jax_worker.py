"""JAX at work for `bench.py`. See `serving.py`; what the work means is in `works.py`.

A step is one jit of forward, backward and update, with the arrays that it replaces donated; a whole run is one
`lax.scan` over steps. The convolution is an unfold and a matrix product, rows by position, or JAX's own.
"""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np
from jax import numpy as jnp
from serving import Run, serve, timed

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

Net = dict


def load(request: dict) -> tuple[Net, list[jax.Array], jax.Array, jax.Array]:
    """Return the net, the weights W^(1), …, W^(H), a, the inputs and the targets."""
    net = request["work"]["net"]
    with np.load(request["inputs"], allow_pickle=False) as file:
        arrays = {name: jnp.asarray(file[name]) for name in file.files if name != "step_size"}
    weights = [arrays[f"W{h}"] for h in range(net["depth"])] + [arrays["a"]]
    X = arrays["X"]
    if net["filter"]:  # a row a position, and the columns of a filter tap by tap
        X = jnp.swapaxes(X, 1, 2)
        weights = [tap_by_tap(W, net["filter"]) for W in weights[:-1]] + [weights[-1].T]
    return net, weights, X, arrays["y"]


def tap_by_tap(W: jax.Array, q: int) -> jax.Array:
    """Change the columns of W (m, channels·q) from channel by channel to tap by tap."""
    return jnp.swapaxes(W.reshape(len(W), -1, q), 1, 2).reshape(len(W), -1)


def channel_by_channel(W: jax.Array, q: int) -> jax.Array:
    """Undo `tap_by_tap`."""
    return jnp.swapaxes(W.reshape(len(W), q, -1), 1, 2).reshape(len(W), -1)


def saved(net: Net, weights: list[jax.Array]) -> dict:
    """Return the weights as ours are laid out."""
    *W, a = weights
    if net["filter"]:
        W, a = [channel_by_channel(w, net["filter"]) for w in W], a.T
    return {f"W{h}": np.asarray(w) for h, w in enumerate(W)} | {"a": np.asarray(a)}


def unfold(x: jax.Array, q: int) -> jax.Array:
    """Put the q neighbours of every position side by side, (…, p, c) to (…, p, q·c)."""
    p = x.shape[-2]
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(q // 2, q // 2), (0, 0)])
    return jnp.concatenate([padded[..., offset : offset + p, :] for offset in range(q)], axis=-1)


def convolve(x: jax.Array, W: jax.Array, q: int) -> jax.Array:
    """JAX's own convolution, (n, p, c) to (n, p, m)."""
    kernel = W.reshape(len(W), q, -1).transpose(1, 2, 0)
    return jax.lax.conv_general_dilated(x, kernel, (1,), [(q // 2, q // 2)], dimension_numbers=("NWC", "WIO", "NWC"))


def predict(net: Net, weights: list[jax.Array], X: jax.Array, convolution: bool = False) -> jax.Array:
    """u of every sample, or of one."""
    *W, a = weights
    sigma = jax.nn.relu if net["activation"] == "relu" else jax.nn.softplus
    x = X
    for h, (w, scale) in enumerate(zip(W, net["scales"], strict=True)):
        if convolution:
            z = convolve(x, w, net["filter"])
        elif net["filter"]:
            z = unfold(x, net["filter"]) @ w.T
        else:
            z = x @ w.T
        z = scale * sigma(z)
        x = x + z if net["is_residual"] and h > 0 else z
    return (x * a).sum(axis=(-2, -1)) if net["filter"] else x @ a


def descent_step(request: dict, net: Net, X: jax.Array, y: jax.Array) -> Callable:
    """Return one step, from the weights to the next ones and the loss."""
    trained = net["depth"] + net["train_output"]
    with np.load(request["inputs"], allow_pickle=False) as file:
        eta = float(file["step_size"])

    def loss_of(some: list, others: list) -> jax.Array:
        return 0.5 * jnp.square(predict(net, some + others, X, request["is_convolution"]) - y).sum()

    def step(weights: list) -> tuple[list, jax.Array]:
        some, others = weights[:trained], weights[trained:]
        loss, gradients = jax.value_and_grad(loss_of)(some, others)
        return [w - eta * gradient for w, gradient in zip(some, gradients, strict=True)] + others, loss

    return step


def prepare_descent(request: dict) -> Run:
    """Descend from the given weights for a while; save the losses and the weights."""
    work = request["work"]
    net, start, X, y = load(request)
    descend = descent_step(request, net, X, y)
    if work["whole"]:
        whole = jax.jit(lambda weights: jax.lax.scan(lambda w, _: descend(w), weights, length=work["steps"]))
        weights, losses = whole(start)
        np.savez(request["outputs"], loss=np.asarray(losses), **saved(net, weights))
        return timed(lambda: jax.block_until_ready(whole(start)))

    step = jax.jit(descend, donate_argnums=0)
    state = {"weights": [jnp.array(w) for w in start]}

    def steps(count: int) -> list[jax.Array]:
        losses = []
        for _ in range(count):
            state["weights"], loss = step(state["weights"])
            losses.append(loss)
        return jax.block_until_ready((state["weights"], losses))[1]

    losses = steps(work["compared_steps"])
    np.savez(request["outputs"], loss=np.stack(losses), **saved(net, state["weights"]))

    def some_steps() -> float:
        steps(1)
        return timed(partial(steps, work["steps"]))() / work["steps"]

    return some_steps


def prepare_gram(request: dict) -> Run:
    """Every layer's Gram matrix by per-sample gradients, of all layers at once."""
    net, weights, X, _ = load(request)

    def of_one(weights: list, x: jax.Array) -> jax.Array:
        return predict(net, weights, x[None], request["is_convolution"])[0]

    @jax.jit
    def gram(weights: list, X: jax.Array) -> jax.Array:
        jacobians = jax.vmap(jax.grad(of_one), in_axes=(None, 0))(weights, X)
        jacobians = [J.reshape(len(X), -1) for J in jacobians]
        return jnp.stack([J @ J.T for J in jacobians])

    np.savez(request["outputs"], G=np.asarray(gram(weights, X)))
    return timed(lambda: jax.block_until_ready(gram(weights, X)))


def prepare(request: dict) -> tuple[Run, dict[str, str]]:
    """Prepare one piece of work."""
    kinds = {"descent": prepare_descent, "gram": prepare_gram}
    return kinds[request["work"]["kind"]](request), {"JAX": jax.__version__}


if __name__ == "__main__":
    serve(prepare)
