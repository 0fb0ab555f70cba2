"""Eigenvalues of a Gram matrix that is known up to an error, and why the smallest may vanish.

Weyl: the eigenvalues of two symmetric matrices differ by at most the spectral norm of the difference, which is at most
n times its largest entry. So an error in every entry bounds the error of every eigenvalue.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # whose parts are loaded when they are first used
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, eigvalsh

from minimal_gd import data
from minimal_gd._runtime import validate
from minimal_gd._runtime.arrays import Array
from minimal_gd._runtime.content import by_content
from minimal_gd.gram import power_of_two
from minimal_gd.networks.base import Network

# Beyond this size only the two ends of the spectrum are computed: a Cholesky factor and a few steps of Lanczos.
FULL_SPECTRUM_LIMIT = 1000


@by_content
@dataclass(frozen=True)
class Spectrum:
    """What is known of the eigenvalues of a symmetric matrix.

    Attributes
    ----------
    smallest, largest : float
        λ_min and λ_max.
    error : float
        A bound on the error of both: n times that of an entry, and rounding in K's dtype.
    eigenvalues : (n,) array or None
        All of them, ascending; None for a large matrix.
    reason : str or None
        What may be why λ_min ≤ error: "samples 3 and 17 are parallel", "the activation is a polynomial of degree 2",
        or that nothing is known but the error. None where λ_min > error.
    """

    smallest: float
    largest: float
    error: float
    eigenvalues: Array | None
    reason: str | None

    @property
    def is_positive_definite(self) -> bool:
        """λ_min > 0 for certain."""
        return self.smallest > self.error

    @property
    def condition(self) -> float:
        """λ_max/λ_min, infinite unless λ_min > 0 for certain."""
        return self.largest / self.smallest if self.is_positive_definite else float("inf")


@validate.quietly
def spectrum(
    K: Array, error: float = 0.0, net: Network | None = None, X: Array | None = None, tolerance: float | None = None
) -> Spectrum:
    """Return λ_min, λ_max and, for n up to FULL_SPECTRUM_LIMIT, all eigenvalues of K.

    Parameters
    ----------
    K : (n, n) array
        Symmetric.
    error : float ≥ 0
        A bound on the error of every entry of K.
    net, X : Network, and (n, ...) array, optional
        What K was computed from: they tell the reason where λ_min ≤ error.
    tolerance : float > 0, optional
        Samples count as parallel up to this angle in radians, as for `data.parallel_pairs`. By default 1e-12, and 1e-6
        where X is float32: give 1e-6 too for an X that was float32 once and is float64 now.

    Returns
    -------
    Spectrum

    Raises
    ------
    TypeError, ValueError
        If K is not a finite, real, symmetric (n, n) array with n ≥ 1, error not finite and ≥ 0, `net` no network, X
        not as many samples as K has rows, or tolerance not finite and > 0; ValueError also if an eigenvalue overflows.

    Paper: λ_min(K^(H)) in Theorems 5.1, 6.1 and 7.1; Propositions F.1 and F.2 on when it is positive.
    """
    K = validate.symmetric_matrix("K", K)
    if validate.real_number("error", error, "a finite number ≥ 0") < 0:
        raise ValueError(f"error must be a finite number ≥ 0, got {error}")
    if net is not None and not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {validate.describe(net)}")
    if X is not None:
        X = validate.real_array("X", X)
        if X.ndim < 2 or len(X) != len(K):
            raise ValueError(f"X must hold the {len(K)} samples of K, got shape {X.shape}")
    if tolerance is None:
        tolerance = 1e-6 if X is not None and X.dtype == np.float32 else 1e-12
    validate.positive_number("tolerance", tolerance)

    n, exponent = len(K), power_of_two(K)
    scaled = np.ldexp(K, -exponent)
    eigenvalues = np.ldexp(eigvalsh(scaled), exponent) if n <= FULL_SPECTRUM_LIMIT else None
    ends = np.ldexp(_extremes(scaled), exponent) if eigenvalues is None else eigenvalues
    validate.finite_result(ends, "eigenvalues", "K")
    smallest, largest = ends[0], ends[-1]
    # LAPACK's eigenvalues err by a modest multiple of ε‖K‖, and so do those of a K that was computed in K's dtype.
    bound = n * error + n * np.finfo(K.dtype).eps * max(abs(smallest), abs(largest))
    reason = None if smallest > bound else _reason(net, X, tolerance)
    return Spectrum(float(smallest), float(largest), float(bound), eigenvalues, reason)


def _extremes(K: Array) -> tuple[float, float]:
    """λ_min by Lanczos on the inverse, through a Cholesky factor; by LAPACK where there is none."""
    n = len(K)
    if not K.any():  # ARPACK refuses it
        return 0.0, 0.0
    start = np.random.default_rng(0).standard_normal(n)  # fixed: nothing random comes in
    largest = scipy.sparse.linalg.eigsh(K, k=1, which="LA", return_eigenvectors=False, v0=start)[0]
    try:
        factor = cho_factor(K)
    except LinAlgError:
        return eigh(K, eigvals_only=True, subset_by_index=(0, 0))[0], largest
    inverse = scipy.sparse.linalg.LinearOperator(K.shape, matvec=lambda x: cho_solve(factor, x), dtype=K.dtype)
    smallest = scipy.sparse.linalg.eigsh(
        K, k=1, sigma=0.0, OPinv=inverse, which="LM", return_eigenvectors=False, v0=start
    )[0]
    return smallest, largest


def _reason(net: Network | None, X: Array | None, tolerance: float) -> str:
    if X is not None:
        pairs = data.parallel_pairs(X.reshape(len(X), -1), tolerance)
        if pairs:
            return "; ".join(f"samples {i} and {j} are parallel" for i, j in pairs[:3])
    if net is not None and net.activation.polynomial_degree is not None:
        return f"the activation is a polynomial of degree {net.activation.polynomial_degree}"
    return "not known: λ_min is smaller than what the error leaves certain"
