"""Eigenvalues of a Gram matrix that is known up to an error, and why the smallest may vanish.

Weyl: the eigenvalues of two symmetric matrices differ by at most the spectral norm of the difference, which is at most
n times its largest entry. So an error in every entry bounds the error of every eigenvalue.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, eigvalsh
from scipy.sparse.linalg import LinearOperator, eigsh

from minimal_gd import data, validate
from minimal_gd.networks.base import Network

# Beyond this size only the two ends of the spectrum are computed: a Cholesky factor and a few steps of Lanczos.
FULL_SPECTRUM_LIMIT = 1000


@dataclass(frozen=True)
class Spectrum:
    """What is known of the eigenvalues of a symmetric matrix.

    Attributes
    ----------
    smallest, largest : float
        λ_min and λ_max.
    error : float
        A bound on the error of both: n times that of an entry, and the rounding of the eigenvalue solver.
    eigenvalues : (n,) array or None
        All of them, ascending; None for a large matrix.
    reason : str or None
        Why λ_min ≤ error, where that can be told: "samples 3 and 17 are parallel", "the activation is a polynomial
        of degree 2". None where λ_min > error.
    """

    smallest: float
    largest: float
    error: float
    eigenvalues: NDArray | None
    reason: str | None

    @property
    def is_positive_definite(self) -> bool:
        """λ_min > 0 for certain."""
        return self.smallest > self.error

    @property
    def condition(self) -> float:
        """λ_max/λ_min, infinite unless λ_min > 0 for certain."""
        return self.largest / self.smallest if self.is_positive_definite else float("inf")


def spectrum(K: NDArray, error: float = 0.0, net: Network | None = None, X: NDArray | None = None) -> Spectrum:
    """Return λ_min, λ_max and, for n up to FULL_SPECTRUM_LIMIT, all eigenvalues of K.

    Parameters
    ----------
    K : (n, n) array
        Symmetric.
    error : float ≥ 0
        A bound on the error of every entry of K, as `gram.limiting` gives it.
    net, X : Network and (n, *input_shape) array, optional
        What K was computed from: they tell the reason where λ_min ≤ error.

    Returns
    -------
    Spectrum

    Raises
    ------
    TypeError, ValueError
        If K is not a finite, real, symmetric (n, n) array with n ≥ 1, error not finite and ≥ 0, or X not of `net`.

    Paper: λ_min(K^(H)) in Theorems 5.1, 6.1 and 7.1; Propositions F.1 and F.2 on when it is positive.
    """
    K = validate.real_array("K", K, np.float64)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or K.size == 0:
        raise ValueError(f"K must have shape (n, n) with n ≥ 1, got shape {K.shape}")
    if not np.allclose(K, K.T, rtol=1e-10, atol=0):
        raise ValueError("K must be symmetric, got entries that differ from their mirror images")
    if validate.real_number("error", error, "a finite number ≥ 0") < 0:
        raise ValueError(f"error must be a finite number ≥ 0, got {error}")
    if X is not None and net is not None:
        X = net.check_inputs("X", X, np.float64)

    n = len(K)
    eigenvalues = eigvalsh(K) if n <= FULL_SPECTRUM_LIMIT else None
    smallest, largest = _extremes(K) if eigenvalues is None else (eigenvalues[0], eigenvalues[-1])
    # LAPACK's eigenvalues err by a modest multiple of ε‖K‖.
    bound = n * error + n * np.finfo(np.float64).eps * max(abs(smallest), abs(largest))
    reason = None if smallest > bound else _reason(net, X)
    return Spectrum(float(smallest), float(largest), float(bound), eigenvalues, reason)


def _extremes(K: NDArray) -> tuple[float, float]:
    """λ_min by Lanczos on the inverse, through a Cholesky factor; by LAPACK where there is none."""
    n = len(K)
    start = np.random.default_rng(0).standard_normal(n)  # fixed: the same matrix gives the same bits
    largest = eigsh(K, k=1, which="LA", return_eigenvectors=False, v0=start)[0]
    try:
        factor = cho_factor(K)
    except LinAlgError:
        return eigh(K, eigvals_only=True, subset_by_index=(0, 0))[0], largest
    inverse = LinearOperator(K.shape, matvec=lambda x: cho_solve(factor, x), dtype=K.dtype)
    smallest = eigsh(K, k=1, sigma=0.0, OPinv=inverse, which="LM", return_eigenvectors=False, v0=start)[0]
    return smallest, largest


def _reason(net: Network | None, X: NDArray | None) -> str:
    if X is not None:
        pairs = data.parallel_pairs(X.reshape(len(X), -1))
        if pairs:
            return "; ".join(f"samples {i} and {j} are parallel" for i, j in pairs[:3])
    if net is not None and net.activation.polynomial_degree is not None:
        return f"the activation is a polynomial of degree {net.activation.polynomial_degree}"
    return "not known: λ_min is smaller than what the error leaves certain"
