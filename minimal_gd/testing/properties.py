"""The properties of a network, each a function of one `Problem` that raises `PropertyError` where it does not hold.

One that says nothing about a case returns why, a text; where it says nothing about any, `check_network` warns of it.

The judges of a gradient use no line of `backward`: the complex step and central differences run `forward` alone. Where
σ is not known to be analytic, the complex step takes σ(x + iy) = σ(x) + iy σ′(x) for the infinitely small y it needs.
"""

import math
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd.descent import DivergenceError, gradient_descent
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.gradcheck import central_difference, complex_step, gradient_by, inner_product, random_direction
from minimal_gd.networks import Network
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters
from minimal_gd.testing.comparing import (
    EPSILON,
    ROUNDINGS,
    SINGLE,
    TINY,
    PropertyError,
    compare_gradients,
    gradient,
    gradient_allowance,
    gram_allowance,
    grams,
    is_near_a_kink,
    layers,
    names,
    names_of_grams,
    predictions,
    predictions_allowance,
    require,
    rounding,
    sums,
    with_complex_step,
)
from minimal_gd.testing.references import jacobians
from minimal_gd.testing.strategies import Problem

# A mean over networks of this width or more is close enough to the limit.
WIDE = 64


def the_gradient_is_that_of_the_complex_step(case: Problem) -> None:
    """Every entry of ∂L/∂θ, to rounding; `forward` alone is the judge."""
    expected = gradient_by(complex_step, *with_complex_step(case).everything)
    compare_gradients(case, "∂L/∂θ by hand is not that of the complex step", gradient(case), layers(expected))


def the_gradient_is_that_of_central_differences(case: Problem) -> str | None:
    """Every entry of ∂L/∂θ, as far as a difference sees; `forward` alone is the judge, on real parameters."""
    if is_near_a_kink(case):
        return "σ′ jumps near some z^(h)"
    near, far = (layers(gradient_by(central_difference, *case.everything, step=step)) for step in (6e-6, 1.2e-5))
    # What rounding leaves, ε L/t, is ε^(2/3) = 4e-11 times L and the changes of u; truncation shows in a second step.
    rounded = 1e-6 * _size_of_a_difference(case)
    allowed = [rounded + np.linalg.norm(one - other) for one, other in zip(near, far, strict=True)]
    require(case, "∂L/∂θ by hand is not that of central differences", names(case), gradient(case), near, allowed)
    return None


def _size_of_a_difference(case: Problem) -> float:
    """2L, its first derivative and Σ_i ‖∂u_i/∂θ‖², the second where u is linear."""
    residual = case.net.predict(case.params, case.X) - case.y
    return float(residual @ residual) + sum(sums(case)) + sum(float(np.trace(G)) for G in grams(case)) + TINY


def the_gradient_is_right_along_random_directions(case: Problem) -> None:
    """⟨∂L/∂θ, v⟩ for a v in one layer at a time: as cheap for a large network as for a small one."""
    v, judged = random_direction(case.params, case.seed), with_complex_step(case)
    directions = [_only(v, layer) for layer in range(case.net.depth, -1, -1)]

    def along(case: Problem) -> list[NDArray]:
        by_hand = case.net.gradient(case.params, case.X, case.y)
        return [np.array(inner_product(by_hand, direction)) for direction in directions]

    expected = [np.array(complex_step(*judged.everything, direction)) for direction in directions]
    norms = [math.sqrt(inner_product(direction, direction)) for direction in directions]
    allowed = [
        ROUNDINGS * EPSILON * (total * norm + float(moved)) + TINY
        for total, norm, moved in zip(sums(case), norms, rounding(along, case), strict=True)
    ]
    what = "⟨∂L/∂θ, v⟩ by hand is not that of the complex step along v"
    require(case, what, names(case), along(case), expected, allowed)
    if not is_near_a_kink(case):
        near, far = (np.array(central_difference(*case.everything, v, step=step)) for step in (1e-6, 2e-6))
        # Rounding leaves ε L/t = 2e-10 L, and as much of the changes of u; truncation shows in a second step.
        within = 1e-6 * _size_of_a_difference(case) * (1 + inner_product(v, v)) + abs(near - far)
        what = "⟨∂L/∂θ, v⟩ by hand is not that of central differences along v"
        require(case, what, ["one of them"], [np.sum(along(case))], [near], [within])


def _only(v: Parameters, layer: int) -> Parameters:
    """`v` in one layer, zeros in the others; the last layer is `a`."""
    W = tuple(V if h == layer else np.zeros_like(V) for h, V in enumerate(v.W))
    return Parameters(W, v.a if layer == len(W) else np.zeros_like(v.a))


def the_gram_matrices_are_those_of_the_jacobian(case: Problem) -> None:
    """G^(h) = JJᵀ, where no outer product of sensitivities and features is used."""
    expected = [J @ J.T for J in reversed(jacobians(*with_complex_step(case).everything[:3]))]
    what = "G^(h) is not JJᵀ, with J the per-sample Jacobian by the complex step"
    require(case, what, names_of_grams(case), grams(case), expected, gram_allowance(case))


def the_gram_matrices_are_symmetric_and_positive_semidefinite(case: Problem) -> None:
    """Symmetric to the bit, and without an eigenvalue that is more negative than rounding explains."""
    G = grams(case)
    require(case, "G^(h) is not symmetric", names_of_grams(case), G, [one.T for one in G], [0.0] * len(G))
    eigenvalues = [np.linalg.eigvalsh(one) for one in G]
    negative = [np.minimum(values, 0) for values in eigenvalues]
    allowed = [1e-13 * len(values) * values[-1] + TINY for values in eigenvalues]
    what = "G^(h) is not positive semi-definite: its negative eigenvalues, not 0"
    require(case, what, names_of_grams(case), negative, [0 * values for values in negative], allowed)


def permuting_the_samples_permutes_the_results(case: Problem) -> None:
    """u, ∂L/∂θ and G^(h) follow the order of the samples."""
    order = np.random.default_rng(case.seed).permutation(len(case.X))
    net, params, X, y = case.everything
    _require_predictions(case, "u changes with the order of the samples", net.predict(params, X[order]), order)
    permuted = layers(net.gradient(params, X[order], y[order]))
    compare_gradients(case, "∂L/∂θ changes with the order of the samples", permuted, gradient(case))
    ours = gram.empirical(net, params, X[order])[::-1]
    theirs, allowed = ([G[order][:, order] for G in Gs] for Gs in (grams(case), gram_allowance(case)))
    require(case, "G^(h) is not permuted with the samples", names_of_grams(case), ours, theirs, allowed)


def permuting_the_hidden_units_changes_nothing(case: Problem) -> str | None:
    """Rows of W^(h) with columns of W^(h+1) or entries of a: u stays, the gradient is permuted."""
    rng, net = np.random.default_rng(case.seed), case.net
    orders: list[NDArray] = []
    if any(k % net.width for k in net.fan_in[1:]):
        return "the columns of some W^(h) are no blocks of one unit each"
    for h in range(1, net.depth + 1):
        is_tied = h > 1 and net.limit_layer(h)[0] != 0  # a skip connection ties unit r to unit r of the layer below
        orders.append(orders[-1] if is_tied else rng.permutation(net.width))
    params = _with_units_in(orders, net, case.params)
    _require_predictions(case, "u changes with the order of the hidden units", net.predict(params, case.X))
    ours = layers(net.gradient(params, case.X, case.y))
    expected = layers(_with_units_in(orders, net, net.gradient(case.params, case.X, case.y)))
    compare_gradients(case, "∂L/∂θ is not permuted with the hidden units", ours, expected)
    return None


def _with_units_in(orders: list[NDArray], net: Network, params: Parameters) -> Parameters:
    """Rename the hidden units of layer h by `orders[h]`: rows of W^(h), column blocks of W^(h+1), entries of a."""
    W = [W[order] for W, order in zip(params.W, orders, strict=True)]
    for h in range(1, net.depth):
        blocks = W[h].reshape(net.width, net.width, -1)  # (unit, channel, offset)
        W[h] = blocks[:, orders[h - 1]].reshape(W[h].shape)
    return Parameters(tuple(W), params.a[orders[-1]])


def each_sample_goes_its_own_way(case: Problem) -> None:
    """One sample at a time gives the same predictions, and gradients that add up."""
    net, params, X, y = case.everything
    alone = [slice(i, i + 1) for i in range(len(X))]
    u = np.concatenate([net.predict(params, X[one]) for one in alone])
    _require_predictions(case, "u_i depends on the other samples", u)
    parts = [layers(net.gradient(params, X[one], y[one])) for one in alone]
    total = [np.sum(arrays, axis=0) for arrays in zip(*parts, strict=True)]
    compare_gradients(case, "∂L/∂θ is not the sum over the samples", total, gradient(case))


def _require_predictions(case: Problem, what: str, ours: NDArray, order: NDArray | slice = slice(None)) -> None:
    require(case, what, ["u"], [ours], [predictions(case)[0][order]], [predictions_allowance(case)[order]])


def float32_agrees_with_float64(case: Problem) -> str | None:
    """Float32 parameters give float32 results, which agree with those of float64 to float32 rounding."""
    single = case.params.map(lambda array: array.astype(np.float32))
    X, y = case.X.astype(np.float32), case.y.astype(np.float32)
    if max(np.abs(array).max() for array in (*gradient(case), *grams(case))) > 1e12:
        return "numbers beyond 1e12 come near the range of float32, as squares of squares do"
    u, by_hand = case.net.predict(single, X), case.net.gradient(single, X, y)
    if not u.dtype == by_hand.dtype == np.float32:
        raise PropertyError(f"{case}: float32 parameters give {u.dtype} predictions and {by_hand.dtype} gradients")
    double = replace(case, params=single.map(lambda array: array.astype(float)), X=X.astype(float), y=y.astype(float))
    allowed = [predictions_allowance(double, SINGLE), *gradient_allowance(double, SINGLE)]
    computed, expected = [u, *layers(by_hand)], [*predictions(double), *gradient(double)]
    require(case, "float32 does not agree with float64", ["u", *names(case)], computed, expected, allowed)
    return None


def a_used_workspace_gives_the_bits_of_a_new_one(case: Problem) -> None:
    """Descent uses the same arrays at every step: what the last one left in them must not matter."""
    H = case.net.depth
    labels = [*(f"the features of layer {h}" for h in range(1, H + 1)), "x^(H)", "u"]
    labels += [f"δ^({h})" for h in range(H, 0, -1)]
    what, used = "a workspace that was used before gives other bits than a new one", _workspace(case, np.nan)
    for scale in (1.0, 1.5, 1.0):
        params = case.params.map(partial(np.multiply, scale))
        ours, theirs = (_go_forward_and_back(case, params, work) for work in (used, _workspace(case, 0.0)))
        require(case, what, labels, ours, theirs, [0.0] * len(labels))


def _workspace(case: Problem, filling: float) -> Workspace:
    work = Workspace.allocate(case.net, len(case.X), np.float64)
    for array in (*work.phi, *work.delta, work.g, work.product, work.u):
        array.fill(filling)
    return work


def _go_forward_and_back(case: Problem, params: Parameters, work: Workspace) -> list[NDArray]:
    case.net.fill_features(case.X, work)
    u = case.net.forward(params, work).copy()
    features = [phi.copy() for phi in work.phi]
    case.net.backward(params, work, u - case.y)
    return [*features, u, *(delta.copy() for delta in reversed(work.delta))]


def a_resumed_run_gives_the_bits_of_one_that_never_stopped(case: Problem) -> str | None:
    """So does the same run when it is made a second time; and what is resumed stays as it was."""
    first, more = (int(steps) for steps in np.random.default_rng(case.seed).integers(0, 6, 2))
    recorded = partial(
        gradient_descent, predictions=True, distances=True, observe=lambda k, params: params.a, observe_every=2
    )

    def run(steps: int, resume: Trajectory | None = None) -> Trajectory:
        return recorded(*case.everything, 1e-3, steps, resume=resume)

    def compare(what: str, ours: Trajectory, theirs: Trajectory) -> None:
        labels = [*names(case), "the loss", "u", "the distances", *(f"a({k})" for k in theirs.observed_steps)]
        columns = (
            [*layers(one.params), one.loss, one.predictions, one.distances, *one.observed] for one in (ours, theirs)
        )
        require(case, what, labels, *columns, [0.0] * len(labels))

    try:
        whole, again, part = run(first + more), run(first + more), run(first)
    except DivergenceError:
        return "the run diverges, as one of a deep network of squares may"
    compare("the same run gives other bits when it is run again", again, whole)
    before = part.loss.copy()
    resumed = run(first + more, resume=part)
    require(case, "resuming changes the run that is resumed", ["the loss"], [part.loss], [before], [0.0])
    compare(f"{first} steps and then {more} more do not give the bits of {first + more} steps", resumed, whole)
    return None


def wide_networks_approach_the_limit(case: Problem) -> str | None:
    """The mean of G^(h) over seeds is that of `limit_layer`'s (κ_h, β_h), within 8 standard errors."""
    net, X = case.net, case.X
    if net.width < WIDE:
        return f"limit_layer is tested at widths from {WIDE} on, got width {net.width}"
    if (net.activation.polynomial_degree or 0) > 1:
        return "polynomials have tails so heavy that the mean over a few networks says little"
    matrices = []
    for seed in range(case.seed, case.seed + 40):
        params = net.init(seed)
        # With a = ±1, not N(0, 1), G^(h) has the same limit and varies less.
        matrices.append(gram.empirical(net, params._replace(a=np.sign(params.a)), X)[::-1])
    mean, error = np.mean(matrices, axis=0), np.std(matrices, axis=0, ddof=1) / math.sqrt(len(matrices))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # near parallel inputs; `bound` says how well K is known
        K, bound = gram.limiting(net, X, tolerance=1e-6)
    K, what = K[::-1], "the mean of G^(h) over wide networks is not the limit of limit_layer"
    require(case, what, names_of_grams(case), mean, K, 8 * error + bound + 1e-12 * np.abs(K))
    return None
