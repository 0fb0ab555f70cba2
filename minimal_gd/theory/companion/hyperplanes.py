"""When the companion's H^∞ is positive definite: the hyperplanes where a hidden unit switches.

Unit w is active at x_i on one side of D_i = {w : wᵀ x_i = 0}. If no two inputs are parallel, no D_i lies in the others,
so there are points of D_i around which x_i alone switches: x_i's feature φ(x_i)(w) = x_i I{wᵀ x_i ≥ 0} jumps there, the
others do not, and no combination of them can vanish. H^∞_ij = E[φ(x_i)(w)ᵀ φ(x_j)(w)] is then positive definite.
"""

import math

import numpy as np
from numpy.typing import NDArray

from minimal_gd import data
from minimal_gd._runtime import validate
from minimal_gd.theory.companion.limit import angles, assumption_3_1, inputs
from minimal_gd.theory.comparison import Comparison, compare

# Directions count as parallel up to this angle, as in `data.parallel_pairs`.
_PARALLEL = 1e-12
# Products of unit vectors are exact to some roundings.
_ROUNDING = 1e-13
# How many points of a hyperplane are tried.
_TRIES = 8


def non_parallel(X: NDArray) -> Comparison:
    """The smallest angle between the lines of two inputs, above 1e-12: what Theorem 3.1 and Lemma A.1 ask for.

    Companion: Theorem 3.1.
    """
    theta = angles(X)[np.triu_indices(len(X), 1)]
    return compare("x_i ∦ x_j", np.minimum(theta, math.pi - theta).min(initial=math.pi / 2), ">", _PARALLEL)


def theorem_3_1(X: NDArray) -> Comparison:
    """λ_0 > 0 if no two inputs are parallel.

    Sufficient, not necessary: x_2 = x_1 gives λ_0 = 0, but x_2 = -x_1 does not, as relu′(z) and relu′(-z) differ.

    Parameters
    ----------
    X : (n, d) array, without a zero sample

    Companion: Theorem 3.1.
    """
    assumption = assumption_3_1(_nonzero(X))
    return compare("x_i ∦ x_j ⇒ λ_0 > 0", assumption.left, ">", assumption.right, premises=(non_parallel(X),))


def lemma_a_1(X: NDArray, seed: int | np.random.Generator = 0) -> Comparison:
    """D_i ⊄ ∪_{j≠i} D_j for the hyperplanes D_i = {w : wᵀ x_i = 0}, if no two inputs are parallel.

    Of a few points z_i ∈ D_i drawn at random, the one furthest from the other D_j lies on none of them: its distance to
    the nearest is above rounding. (Distances are relative to ‖z_i‖, and 1 where there is no other input.)

    Parameters
    ----------
    X : (n, d) array, without a zero sample
    seed : int ≥ 0 or numpy.random.Generator

    Returns
    -------
    Comparison
        (n,) on both sides.

    Companion: Lemma A.1.
    """
    X = _nonzero(X)
    distances = _distances(_points(X, seed), _units(X))
    claim = "some z_i ∈ D_i has min_j≠i dist(z_i, D_j) > 0"
    return compare(claim, distances, ">", np.full(len(X), _ROUNDING), premises=(non_parallel(X),))


def isolation(X: NDArray, i: int, draws: int = 100, seed: int | np.random.Generator = 0) -> Comparison:
    """Σ_j α_j φ(x_j) = 0 forces α_i = 0: averages of φ(x)(w) = x I{wᵀx ≥ 0} over half balls.

    The ball is around z_i ∈ D_i and ends before the next D_j. From one side of D_i to the other only φ(x_i) changes:
    the average over the upper half less that over the lower half is x_i for j = i, and 0 for all others.

    Parameters
    ----------
    X : (n, d) array, without a zero sample
    i : int, 0 to n - 1
    draws : int ≥ 1
        Points in either half. Any number gives the averages exactly: φ is constant on the halves.
    seed : int ≥ 0 or numpy.random.Generator

    Returns
    -------
    Comparison
        (n, d) on both sides, a row for every j.

    Companion: Theorem 3.1 (isolation).
    """
    X, rng = _nonzero(X), validate.generator(seed)
    draws = validate.integer("draws", draws)
    if not 0 <= validate.integer("i", i, least=0) < len(X):
        raise ValueError(f"i must be one of the {len(X)} samples, 0 to {len(X) - 1}, got {i}")
    z = _points(X, rng)
    radius = _distances(z, _units(X))[i]
    points = data.sphere(draws, X.shape[1], rng) * (radius * rng.uniform(0.1, 1, (draws, 1)))
    upper = np.where((points @ X[i] >= 0)[:, None], points, -points)
    jumps = [np.mean((z[i] + half) @ X.T >= 0, axis=0) for half in (upper, -upper)]
    left = (jumps[0] - jumps[1])[:, None] * X
    right = np.where(np.arange(len(X))[:, None] == i, X, 0)
    return compare("⟨φ(x_j)⟩_B⁺ - ⟨φ(x_j)⟩_B⁻ = δ_ij x_i", left, "=", right, premises=(non_parallel(X),))


# ------------------------------------------------------------------ what these are made of


def _nonzero(X: NDArray) -> NDArray:
    X = inputs(X)
    zeros = np.flatnonzero(~X.any(axis=1))
    if len(zeros):
        raise ValueError(f"X must hold no zero sample, for it has no hyperplane, got one at {zeros[0]}")
    return X


def _units(X: NDArray) -> NDArray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def _points(X: NDArray, seed: int | np.random.Generator) -> NDArray:
    """z_i ∈ D_i of norm 1, a row for every i: of a few drawn at random, the one furthest from the other D_j.

    (0 where D_i holds nothing else, for d = 1.)
    """
    units = _units(X)
    z = validate.generator(seed).standard_normal((_TRIES, *X.shape))
    z = _projected(_projected(z, units), units)  # once more takes off what rounding left
    norms = np.linalg.norm(z, axis=2, keepdims=True)
    z = np.where(norms > _ROUNDING, z / np.maximum(norms, _ROUNDING), 0)
    best = np.argmax(_distances(z, units), axis=0)
    return z[best, np.arange(len(X))]


def _projected(z: NDArray, units: NDArray) -> NDArray:
    """Every z_i onto D_i; z (..., n, d)."""
    return z - np.sum(z * units, axis=-1, keepdims=True) * units


def _distances(z: NDArray, units: NDArray) -> NDArray:
    """min_j≠i |z_iᵀ u_j|, 1 where there is no other j; z (..., n, d), the result (..., n)."""
    products = np.abs(z @ units.T)
    products[..., np.arange(len(units)), np.arange(len(units))] = 1
    return products.min(axis=-1)
