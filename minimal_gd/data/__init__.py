"""Inputs of unit norm and bounded labels: points on the sphere, real digits, random and corrupted labels."""

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime import validate

# The ten digits as labels: -1, -7/9, …, 1.
LABELS = (2 * np.arange(10) - 9) / 9


@validate.quietly
def sphere(n: int, d: int, seed: int | np.random.Generator) -> NDArray:
    """Draw n points uniformly from the unit sphere of R^d.

    Parameters
    ----------
    n, d : int ≥ 1
    seed : int ≥ 0 or numpy.random.Generator

    Returns
    -------
    (n, d) float64 array
        Rows of unit norm.

    Raises
    ------
    TypeError, ValueError
        If n or d is not an integer ≥ 1, or `seed` something else.
    """
    n, d = validate.integer("n", n), validate.integer("d", d)
    return _unit_norm(validate.generator(seed).standard_normal((n, d)))


@validate.quietly
def digits(n: int, seed: int | np.random.Generator, images: bool = False) -> tuple[NDArray, NDArray]:
    """Choose n of the 1797 handwritten 8 × 8 digits.

    Every image is centred (the mean image of all 1797 is taken off) and scaled to unit norm, which is what the theorems
    ask of their inputs. No two of them are parallel.

    Parameters
    ----------
    n : int, 1 to 1797
    seed : int ≥ 0 or numpy.random.Generator
        Chooses which ones; the same seed with a larger n keeps the first ones.
    images : bool
        Whether to give images, (1, 8, 8) each, or vectors.

    Returns
    -------
    X : (n, 64) float64 array, or (n, 1, 8, 8)
    y : (n,) float64 array
        The digits scaled to [-1, 1]: (2·digit - 9)/9, one of LABELS.

    Raises
    ------
    TypeError, ValueError
        If n is not an integer from 1 to 1797, `seed` something else, or `images` not a bool.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
    1998, CC BY 4.0.
    """
    X, y = _all_digits()
    if validate.integer("n", n) > len(X):
        raise ValueError(f"n must be an integer from 1 to {len(X)}, the number of digits there are, got {n}")
    chosen = validate.generator(seed).permutation(len(X))[:n]
    images = validate.boolean("images", images)
    return X[chosen].reshape((n, 1, 8, 8) if images else (n, 64)), y[chosen]


def random_labels(n: int, seed: int | np.random.Generator) -> NDArray:
    """Draw n labels uniformly from LABELS, whatever the inputs are.

    Parameters
    ----------
    n : int ≥ 1
    seed : int ≥ 0 or numpy.random.Generator

    Returns
    -------
    (n,) float64 array

    Raises
    ------
    TypeError, ValueError
        If n is not an integer ≥ 1, or `seed` something else.
    """
    n = validate.integer("n", n)
    return validate.generator(seed).choice(LABELS, size=n)


def corrupted_labels(y: NDArray, share: float, seed: int | np.random.Generator) -> NDArray:
    """Replace a share of the labels, chosen at random, by labels drawn uniformly from LABELS.

    As in the randomisation test of Zhang et al. (2017), a drawn label may happen to be the true one.

    Parameters
    ----------
    y : (n,) array
    share : float, 0 to 1
        round(share · n) labels are drawn again.
    seed : int ≥ 0 or numpy.random.Generator

    Returns
    -------
    (n,) float64 array, `y` itself is not changed

    Raises
    ------
    TypeError, ValueError
        If y is not a finite real (n,) array with n ≥ 1, share not in [0, 1], or `seed` something else.
    """
    y = validate.real_array("y", y, np.float64)
    if y.ndim != 1 or len(y) == 0:
        raise ValueError(f"y must have shape (n,) with n ≥ 1, got shape {y.shape}")
    share, rng = validate.fraction("share", share), validate.generator(seed)
    corrupted = y.copy()
    chosen = rng.permutation(len(y))[: round(share * len(y))]
    corrupted[chosen] = rng.choice(LABELS, size=len(chosen))
    return corrupted


@validate.quietly
def parallel_pairs(X: NDArray, tolerance: float = 1e-12) -> list[tuple[int, int]]:
    """Find the pairs of samples that lie on one line through the origin: x_j = c x_i for some c, negative ones too.

    Parameters
    ----------
    X : (n, ...) array
        A sample is all that one index of the first axis holds.
    tolerance : float > 0
        The largest angle, in radians, between the lines of two samples that counts as none. float32 data are exact to
        about 1e-7 only: give 1e-6.

    Returns
    -------
    list of (i, j) with i < j, in order
        A zero sample lies on every line, so it is paired with all others.

    Raises
    ------
    TypeError, ValueError
        If X is not a finite real array with n ≥ 1 samples, or tolerance not finite and positive.
    """
    X = _rows(X)
    tolerance = validate.positive_number("tolerance", tolerance)
    is_zero = (X == 0).all(axis=1)
    directions = _unit_norm(np.where(is_zero[:, None], 1.0, X))
    pairs = []
    for i in range(len(X) - 1):
        cosines = directions[i + 1 :] @ directions[i]
        # The cosine alone resolves angles down to 1e-8 only; the distance resolves them to rounding.
        near = np.flatnonzero(np.abs(cosines) >= np.cos(min(tolerance, np.pi / 2)) - 1e-6)
        signs = np.where(cosines[near] < 0, -1, 1)[:, None]
        distance = np.linalg.norm(directions[i + 1 + near] - signs * directions[i], axis=1)
        is_parallel = is_zero[i + 1 :] | is_zero[i]
        is_parallel[near[2 * np.arcsin(distance / 2) <= tolerance]] = True
        pairs += [(i, i + 1 + int(j)) for j in np.flatnonzero(is_parallel)]
    return pairs


@validate.quietly
def require_no_parallel(X: NDArray, tolerance: float = 1e-12) -> None:
    """Refuse inputs of which two are parallel: then no width makes λ_min(K^(H)) > 0 sure.

    Parameters
    ----------
    X, tolerance
        As for `parallel_pairs`.

    Raises
    ------
    ValueError
        If two samples are parallel or one is zero; the message names the first few.
    TypeError, ValueError
        As `parallel_pairs`.

    Paper: the assumption of Propositions F.1 and F.2.
    """
    zeros = np.flatnonzero((_rows(X) == 0).all(axis=1))
    if len(zeros):
        raise ValueError(f"X must hold no zero sample, got one at {', '.join(map(str, zeros[:5]))}")
    pairs = parallel_pairs(X, tolerance)
    if pairs:
        named = "; ".join(f"samples {i} and {j} are parallel" for i, j in pairs[:5])
        more = f"; and {len(pairs) - 5} pairs more" if len(pairs) > 5 else ""
        raise ValueError(f"X must hold no two parallel samples, but {named}{more}")


@cache
def _all_digits() -> tuple[NDArray, NDArray]:
    with (
        files("minimal_gd").joinpath("data/digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        X, digit = stored["X"].astype(np.float64), stored["y"]
    return _unit_norm(X - X.mean(axis=0)), LABELS[digit]


def _rows(X: NDArray) -> NDArray:
    """Return X as a finite (n, d) float64 array, n ≥ 1 and d ≥ 1."""
    X = validate.real_array("X", X, np.float64)
    if X.ndim < 2 or X.size == 0:
        raise ValueError(f"X must have shape (n, ...) with at least one sample of at least one entry, got {X.shape}")
    return X.reshape(len(X), -1)


def _unit_norm(X: NDArray) -> NDArray:
    """Scale every row to unit norm; first by its largest entry, so that no square over- or underflows."""
    X = X / np.abs(X).max(axis=1, keepdims=True)
    return X / np.linalg.norm(X, axis=1, keepdims=True)
