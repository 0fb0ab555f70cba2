"""What the infinitely wide network converges to: regression with its kernel."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, solve

from minimal_gd import validate
from minimal_gd.gram import power_of_two


def kernel_regression(K: NDArray, y: NDArray, K_new: NDArray) -> NDArray:
    """K(X_new, X) K(X, X)⁻¹ y, the predictor that gradient descent on an infinitely wide network ends at.

    With K the limit of ΣG^(h) over the trained layers. A network that starts at u(0) instead of 0 ends at
    u_new(0) + kernel_regression(K, y - u(0), K_new), but for a distance that falls as m^(-1/2).

    Parameters
    ----------
    K : (n, n) array
        Symmetric positive definite.
    y : (n,) array
    K_new : (k, n) array
        Between new samples and those of K.

    Returns
    -------
    (k,) float64 array

    Warns
    -----
    scipy.linalg.LinAlgWarning
        If K is so near to singular that rounding decides the result. `spectra.spectrum` may tell why.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite and real or has another shape; ValueError if K is not symmetric
        positive definite, or if the result overflows.

    Examples
    --------
    Gradient descent trains every layer, so the kernel is the sum of their limits, whatever the width:

    >>> import minimal_gd as mgd
    >>> X, y = mgd.data.digits(300, seed=0)
    >>> X, y, X_new, y_new = X[:200], y[:200], X[200:], y[200:]
    >>> net = mgd.ResNet(64, width=1, depth=3, activation="tanh")
    >>> K, _ = mgd.gram.limiting(net, X)
    >>> K_new, _ = mgd.gram.limiting(net, X_new, X)
    >>> u_new = mgd.kernel_regression(K.sum(axis=0), y, K_new.sum(axis=0))
    >>> bool(((u_new - y_new) ** 2).mean() < 0.3 * y_new.var())
    True

    Source: the linearised descent of section 4 of the paper, followed to k → ∞ on new inputs; Jacot, Gabriel and
    Hongler (2018), arXiv:1806.07572.
    """
    K = validate.symmetric_matrix("K", K)
    y = validate.shaped_array("y", y, (len(K),), "one target a row of K", np.float64)
    K_new = validate.real_array("K_new", K_new, np.float64)
    if K_new.ndim != 2 or K_new.shape[1] != len(K):
        raise ValueError(f"K_new must have shape (k, {len(K)}), a column for every row of K, got shape {K_new.shape}")
    of_K, of_y, of_K_new = power_of_two(K), power_of_two(y), power_of_two(K_new)
    K, y, K_new = np.ldexp(K, -of_K), np.ldexp(y, -of_y), np.ldexp(K_new, -of_K_new)
    try:
        alpha = solve(K, y, assume_a="pos")
    except LinAlgError as error:
        raise ValueError(f"K must be positive definite, got a matrix without a Cholesky factor ({error})") from error
    with np.errstate(over="ignore", invalid="ignore"):
        predicted = np.ldexp(K_new @ alpha, of_K_new + of_y - of_K)
    validate.finite_result(predicted, "predictions", "K, y and K_new")
    return predicted
