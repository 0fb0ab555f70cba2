"""Bounds that hold although every operation rounds: norms, and the extreme eigenvalues of symmetric matrices.

Everything is float64. What is assumed of the arithmetic:

- **Sums of products.** NumPy's and BLAS's products of matrices, and NumPy's sums, obey the standard model, in any order
  of summation and with or without fused multiplications: the computed Σ_i a_i b_i of k terms is within
  γ_k Σ_i |a_i b_i|, γ_k = k ε / (1 - k ε), ε = 2⁻⁵³ (Higham, *Accuracy and stability of numerical algorithms*,
  section 3.1), and within 2⁻¹⁰⁰⁰ more if a product underflows. Products by Strassen's scheme do not obey it.
- **Cholesky.** LAPACK's factorisation is made of such sums, one division an entry and square roots, in any order of
  blocks. If it runs to completion, RᵀR = A + E with ‖E‖₂ ≤ γ tr A / (1 - γ) (Higham's theorem 10.3, and what Rump
  made of it in *Verification of positive definiteness*, BIT 2006), whatever A is. `cholesky_error` takes twice the γ.

Scalars: a chain of sums, products, quotients and roots of numbers ≥ 0 loses at most one part in 2⁵³ an operation, and
nothing here is a chain of more than 2²⁰ of them. `up` and `down`, which change a number by one part in 2³⁰, make it a
bound from above or from below. Differences are taken last, of numbers that are bounds already.
"""

from typing import TypeVar

import numpy as np
import scipy  # whose parts are loaded when they are first used
from numpy.typing import NDArray

Bound = TypeVar("Bound", float, NDArray)

EPS = 2.0**-53
TINY = 2.0**-500  # above all that underflow takes from sums of squares and products here, or from their roots
_SLACK = 2.0**-30
_DENSE, _ITERATIONS = 300, 60  # up to this size LAPACK is fast; so many steps of power iteration come near to λ_max


def up(bound: Bound) -> Bound:
    """Return a number above what `bound`, the result of a chain of operations on numbers ≥ 0, would be exactly."""
    return bound * (1 + _SLACK) + TINY


def down(bound: Bound) -> Bound:
    """Return a number below what `bound` ≥ 0 would be exactly."""
    return np.maximum(bound * (1 - _SLACK) - TINY, 0.0)


def gamma(terms: int) -> float:
    """γ_k, the relative error of a sum of k products; ∞ where there are too many for a bound."""
    return terms * EPS / (1 - terms * EPS) * (1 + 4 * EPS) if terms * EPS < 0.01 else np.inf


def norm(array: NDArray) -> float:
    """Return an upper bound on the square root of the sum of squares of all entries."""
    return float(row_norms(array.reshape(1, -1))[0])


def row_norms(rows: NDArray) -> NDArray:
    """Return upper bounds on the norms of the rows of a matrix."""
    return up(np.sqrt(np.einsum("ij,ij->i", rows, rows) * (1 + gamma(rows.shape[1] + 1))))


def spectral_norm(B: NDArray) -> float:
    """Return an upper bound on ‖B‖₂: λ_max of the smaller of BBᵀ and BᵀB, plus what their entries miss.

    The entries of the computed product are within γ_k ‖b_i‖ ‖b_j‖, b_i the rows: a matrix of norm γ_k ‖B‖_F² at most.
    """
    if B.shape[0] > B.shape[1]:
        B = B.T
    return _root_of_largest(B @ B.T, B.shape[1] + 1, norm(B) ** 2)


def _root_of_largest(product: NDArray, terms: int, square_of_norm: float) -> float:
    square = largest_eigenvalue(product) + gamma(terms) * square_of_norm
    return float(up(up(min(square, square_of_norm)) ** 0.5)) if square == square else np.inf


class Stack:
    """Rows that come block by block, and a bound on the spectral norm of all of them on top of each other.

    More rows than columns are kept as the sum of their BᵀB, which is as large as the columns squared.
    """

    def __init__(self, columns: int) -> None:
        self.columns, self.count, self.square_of_norm = columns, 0, 0.0
        self.rows: list[NDArray] = []
        self.product: NDArray | None = None

    def add(self, block: NDArray) -> None:
        """Put a block of rows below the others."""
        self.count += len(block)
        self.square_of_norm = float(up(self.square_of_norm + norm(block) ** 2))
        if self.count <= self.columns:
            self.rows.append(np.array(block))
            return
        if self.product is None:
            self.product = np.zeros((self.columns, self.columns))
        for rows in (*self.rows, block):
            self.product += rows.T @ rows
        self.rows = []

    def norm(self) -> float:
        """Return an upper bound on the spectral norm."""
        if self.product is None:
            return spectral_norm(np.concatenate(self.rows))
        return _root_of_largest(self.product, self.count + 1, self.square_of_norm)


def largest_eigenvalue(A: NDArray) -> float:
    """Return an upper bound on λ_max of a symmetric, positive semi-definite matrix; ∞ if none is found.

    A guess is only proved here, so that it may come from anywhere: LAPACK, or power iteration for large matrices.
    """
    if not np.isfinite(A).all():
        return np.inf
    if len(A) <= _DENSE:
        return _proved(A, float(scipy.linalg.eigvalsh(A)[-1]), (1e-13, 1e-10, 1e-6, 1e-3, 1.0))
    v = np.random.default_rng(0).standard_normal(len(A))
    for _ in range(_ITERATIONS):
        v = A @ (v / max(float(np.linalg.norm(v)), TINY))
    return _proved(A, float(np.linalg.norm(v)), (0.01, 0.02, 0.05, 0.2, 1.0))


def smallest_eigenvalue(A: NDArray) -> float:
    """Return a lower bound on λ_min of a symmetric matrix; -∞ if none is found."""
    if not np.isfinite(A).all():
        return -np.inf
    return -_proved(-A, -float(scipy.linalg.eigvalsh(A)[0]), (1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-6, 1e-3, 1.0))


def _proved(A: NDArray, guess: float, slacks: tuple[float, ...]) -> float:
    """Return an upper bound on λ_max(A) near `guess`: tI - A has a Cholesky factor, so λ_max(A) ≤ t + its error."""
    scale = max(abs(guess), float(np.abs(np.diagonal(A)).max()))
    for slack in slacks:
        t = guess + slack * scale
        error = cholesky_error(-A, -t)
        if error < np.inf:
            return t + error + EPS * (abs(t) + error)
    return np.inf


def cholesky_error(A: NDArray, shift: float) -> float:
    """Return e with A - shift·I ⪰ -eI, from a Cholesky factorisation that ran to completion, or ∞ if it did not."""
    shifted = np.array(A, order="F")
    diagonal = np.einsum("ii->i", shifted)
    moved = EPS * (np.abs(diagonal).max() + abs(shift))  # how much a diagonal entry rounds
    diagonal -= shift
    trace = diagonal.sum()
    _, info = scipy.linalg.lapack.dpotrf(shifted, lower=1, clean=0, overwrite_a=1)
    if info != 0 or not np.isfinite(trace):
        return np.inf
    error = gamma(2 * len(A) + 20)
    return float(up(error / (1 - error) * trace + 2 * moved))


def perron_root(forms: NDArray) -> NDArray:
    """Return upper bounds on λ_max of symmetric matrices with entries ≥ 0.

    For any vector v > 0, λ_max ≤ max_i (Mv)_i / v_i (Collatz and Wielandt); power iteration makes v a good one.

    Parameters
    ----------
    forms : (…, k, k) array
    """
    v = np.ones(forms.shape[:-1])
    for _ in range(60):
        image = np.einsum("...ij,...j->...i", forms, v)
        largest = image.max(axis=-1, keepdims=True)
        # the mean of both makes the iteration converge for any form, and every entry stays positive
        v = np.where(largest > 0, 0.5 * v + 0.5 * image / np.where(largest > 0, largest, 1), 1.0)
    return up((np.einsum("...ij,...j->...i", forms, v) / v).max(axis=-1))
