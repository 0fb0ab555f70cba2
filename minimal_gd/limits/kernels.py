"""The compiled loops of the limits: correlations, the series in ρ, and the sums over positions.

The kernels release the GIL, so that blocks of samples run in threads, and they allocate nothing.
"""

import numpy as np
from numpy.typing import NDArray

from minimal_gd._runtime.compiling import contracted_kernel, kernel


@kernel
def correlations(covariance: NDArray, first: NDArray, second: NDArray, rho: NDArray) -> None:
    """ρ = c/st, kept within [-1, 1].

    Parameters
    ----------
    covariance : (q, r, c) array
    first, second : (q, r) and (q, c) arrays
        1/s and 1/t, 0 for 0.
    rho : (q, r, c) array, written
    """
    for q in range(rho.shape[0]):
        for i in range(rho.shape[1]):
            x, c, inverse, others = rho[q, i], covariance[q, i], first[q, i], second[q]
            for j in range(len(x)):
                x[j] = min(max(c[j] * inverse * others[j], -1.0), 1.0)


@contracted_kernel
def add_means(product: NDArray, s: NDArray, t: NDArray, first: NDArray, second: NDArray) -> None:
    """Turn p(ρ) into s t p(ρ) + E[σ(u)] E[σ(v)], in place.

    Parameters
    ----------
    product : (q, r, c) array
    s, first : (q, r) arrays
    t, second : (q, c) arrays
    """
    for q in range(product.shape[0]):
        for i in range(product.shape[1]):
            p, scale, scales, mean, means = product[q, i], s[q, i], t[q], first[q, i], second[q]
            for j in range(len(p)):
                p[j] = p[j] * scale * scales[j] + mean * means[j]


@kernel
def terms_for(rho: NDArray, reach: NDArray) -> int:
    """Return how many terms are enough for every entry of rho: the first k with |ρ| ≤ reach[k], and one more."""
    largest = 0.0
    for j in range(len(rho)):
        largest = max(largest, abs(rho[j]))
    return min(int(np.searchsorted(reach, largest)) + 1, len(reach))


@contracted_kernel
def shared_series(rho: NDArray, weights: NDArray, reach: NDArray, value: NDArray, slope: NDArray) -> None:
    """p(ρ) = Σ_k w_k ρ^(k+1) and p′(ρ), entry by entry, by Horner's rule for both at once.

    Four terms at a time, so that p and p′ stay in registers meanwhile.

    Parameters
    ----------
    rho : (q, r, c) array
    weights : (K,) array
    reach : (K,) array, ascending
        The first k + 1 terms are enough for |ρ| ≤ reach[k].
    value, slope : arrays shaped as `rho`, written
    """
    for position in range(rho.shape[0]):
        for i in range(rho.shape[1]):
            x, p, dp = rho[position, i], value[position, i], slope[position, i]
            p[:] = 0
            dp[:] = 0
            k = terms_for(x, reach)
            while k % 4 != 0:
                k -= 1
                w = weights[k]
                for j in range(len(x)):
                    dp[j] = dp[j] * x[j] + p[j]
                    p[j] = p[j] * x[j] + w
            while k != 0:
                k -= 4
                w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
                for j in range(len(x)):
                    y, P, dP = x[j], p[j], dp[j]
                    dP = dP * y + P
                    P = P * y + w3
                    dP = dP * y + P
                    P = P * y + w2
                    dP = dP * y + P
                    P = P * y + w1
                    dp[j] = dP * y + P
                    p[j] = P * y + w0
            for j in range(len(x)):  # the series begins with ρ, not with 1
                dp[j] = dp[j] * x[j] + p[j]
                p[j] = p[j] * x[j]


@contracted_kernel
def series(
    rho: NDArray,
    left: NDArray,
    right: NDArray,
    first: NDArray,
    second: NDArray,
    reach: NDArray,
    value: NDArray,
    slope: NDArray,
) -> None:
    """p_ij(ρ) = Σ_k α_ik β_jk ρ^(k+1) and p′_ij(ρ), as `shared_series` with weights for every pair.

    Parameters
    ----------
    rho : (q, r, c) array
    left, right : (q,) int arrays
        The position of the row's sample, and of the column's, for each of the q pairs of positions.
    first, second : (p, r, K) and (p, K, c) arrays
        α and β.
    reach : (K,) array, ascending
        The first k + 1 terms are enough for |ρ| ≤ reach[k].
    value, slope : arrays shaped as `rho`, written
    """
    for pair in range(rho.shape[0]):
        for i in range(rho.shape[1]):
            alpha, beta = first[left[pair], i], second[right[pair]]
            x, p, dp = rho[pair, i], value[pair, i], slope[pair, i]
            p[:] = 0
            dp[:] = 0
            k = terms_for(x, reach)
            while k % 4 != 0:
                k -= 1
                a, b = alpha[k], beta[k]
                for j in range(len(x)):
                    dp[j] = dp[j] * x[j] + p[j]
                    p[j] = p[j] * x[j] + a * b[j]
            while k != 0:
                k -= 4
                a0, a1, a2, a3 = alpha[k], alpha[k + 1], alpha[k + 2], alpha[k + 3]
                four = beta[k : k + 4]
                for j in range(len(x)):
                    y, P, dP = x[j], p[j], dp[j]
                    dP = dP * y + P
                    P = P * y + a3 * four[3, j]
                    dP = dP * y + P
                    P = P * y + a2 * four[2, j]
                    dP = dP * y + P
                    P = P * y + a1 * four[1, j]
                    dp[j] = dP * y + P
                    p[j] = P * y + a0 * four[0, j]
            for j in range(len(x)):
                dp[j] = dp[j] * x[j] + p[j]
                p[j] = p[j] * x[j]


@contracted_kernel
def layer_gram(P: NDArray, B: NDArray, square: float, D: NDArray, theta: NDArray) -> None:
    """Θ = β² Σ_l P D B, and D becomes β² D B, for all pairs of samples.

    Parameters
    ----------
    P, B : (p, r, c) arrays
    square : float
        β².
    D : (p, r, c) array, changed
    theta : (r, c) array, written
    """
    theta[:] = 0
    for position in range(P.shape[0]):
        for i in range(P.shape[1]):
            p, b, d, total = P[position, i], B[position, i], D[position, i], theta[i]
            for j in range(len(p)):
                d[j] = square * d[j] * b[j]
                total[j] += p[j] * d[j]


@kernel
def reflect(theta: NDArray) -> None:
    """Copy what is above the diagonal of every matrix below it.

    Parameters
    ----------
    theta : (H, n, n) array, changed
    """
    for matrix in theta:
        for i in range(len(matrix)):
            for j in range(i):
                matrix[i, j] = matrix[j, i]
