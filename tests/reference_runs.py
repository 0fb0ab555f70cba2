"""The problems whose numbers `reference_runs.json` keeps, and what of them; `make_reference_runs.py` made it."""

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import minimal_gd as mgd
from minimal_gd.testing.comparing import EPSILON, ROUNDINGS, grams, rounding
from minimal_gd.testing.strategies import Problem, problem

FILE = Path(__file__).with_name("reference_runs.json")
STEPS, EVERY = 40, 10
# NumPy draws the standard normal numbers below this from integers alone; those beyond take a logarithm.
TAIL = 3.654

NETS = {
    **{f"fully connected, {sigma}": mgd.FullyConnected(3, 6, 2, sigma) for sigma in ("softplus", "sigmoid", "relu")},
    **{f"ResNet, {sigma}": mgd.ResNet(3, 6, 3, sigma) for sigma in ("tanh", "gelu", "silu")},
    "convolutional ResNet, erf": mgd.ConvResNet((2, 4), 3, 2, (3,), "erf"),
    "convolutional ResNet, sincos": mgd.ConvResNet((1, 3, 3), 3, 2, (3, 3), "sincos"),
    "two layers": mgd.TwoLayerReLU(3, 12),
    "two layers, both trained": mgd.TwoLayerReLU(3, 12, train_output=True),
}


def case_of(name: str) -> Problem:
    """Four samples of unit norm."""
    case = problem(NETS[name], n=4, seed=sorted(NETS).index(name))
    norms = np.linalg.norm(case.X.reshape(4, -1), axis=1)
    X = case.X / norms.reshape(4, *[1] * (case.X.ndim - 1))
    return Problem(case.net, case.params, X, case.y, case.made, case.seed)


def losses(case: Problem) -> list[NDArray]:
    """L(θ(k)) for k = 0, 10, …, 40, with half the stable step size."""
    eta = 0.5 * mgd.stable_step_size(case.net, case.params, case.X)
    return [mgd.gradient_descent(*case.everything, eta, STEPS).loss[::EVERY]]


def losses_allowance(case: Problem) -> NDArray:
    """How far the losses of two machines may be apart.

    Each step rounds as if its weights and inputs had been off by `ROUNDINGS` roundings. Descent with a stable step
    size does not let a difference grow on its way, but for what the first steps do to one that is there at the start,
    which `rounding` measures. So k steps may add up k + 1 times that.
    """
    (here,), (moved,) = losses(case), rounding(losses, case)
    k = EVERY * np.arange(len(here))
    return (k + 1) * ROUNDINGS * EPSILON * (here + np.maximum.accumulate(moved))


def sums(G: NDArray) -> NDArray:
    """The trace of every layer's matrix, and the sum of all its entries."""
    return np.array([np.trace(G, axis1=1, axis2=2), G.sum(axis=(1, 2))])


def grams_of(case: Problem) -> NDArray:
    return np.array(grams(case)[::-1])


def limits(case: Problem) -> tuple[NDArray, float, mgd.spectra.Spectrum]:
    """All limits, their error, and λ_min of the paper's K^(H)."""
    K, error = mgd.gram.limiting(case.net, case.X)
    return K, error, mgd.spectra.spectrum(K[case.net.depth - 1], error)


def draws() -> dict[str, NDArray]:
    """Random numbers of every kind that the package draws."""
    params = mgd.FullyConnected(20, 50, 2).init(0)
    labels = mgd.data.random_labels(12, 0)
    return {
        "normal": np.concatenate([array.ravel() for array in (*params.W, params.a)]),
        "signs": mgd.TwoLayerReLU(3, 12).init(0).a,
        "sphere": mgd.data.sphere(3, 5, 0),
        "labels": labels,
        "corrupted": mgd.data.corrupted_labels(labels, 0.5, 1),
        "digits": mgd.data.digits(3, 0)[0][:, 18:22],
        "digits' labels": mgd.data.digits(12, 0)[1],
    }


def digest(array: NDArray) -> str:
    """The SHA-256 of an array's numbers, the same on every machine."""
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def digits_digests() -> dict[str, str]:
    with (
        files("minimal_gd").joinpath("data/digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as all_,
    ):
        return {name: digest(all_[name]) for name in ("X", "y")}


def stored() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))
