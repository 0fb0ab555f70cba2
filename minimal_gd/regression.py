"""What the infinitely wide network predicts, at the end of training and on the way: regression with its kernel.

Training moves the predictions by K_new α, where α starts at 0 and follows α′ = y - K α (gradient flow), or moves by
η (y - K α) in a step of descent. Along an eigenvector of K with eigenvalue λ this gives α = φ(λ) y, with

    φ(λ) = (1 - e^(-λt))/λ,    (1 - (1 - ηλ)^k)/λ,    or 1/λ at the end of training.

How sure is that? Let K be off by a matrix of norm δ. The error e of α obeys e′ = -K e + (error of K) α, so that

    |error of K_new α| ≤ δ (1 + rδ) Σ_j φ(λ_j) |v_j| max ‖α‖,    v the row of K_new in the basis of the eigenvectors.

Here r, the smaller of t and 1/λ_min, bounds the integral of ‖e^(-Kt)‖. Descent obeys the same inequality with
1 - |1 - ηλ| in the place of ηλ. Rounding adds to δ, and to the errors of K_new and of y.
"""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning, eigh

from minimal_gd._runtime import validate

_EPSILON = float(np.finfo(np.float64).eps)


@validate.quietly
def kernel_regression(
    K: NDArray,
    y: NDArray,
    K_new: NDArray,
    *,
    error: float = 0.0,
    ridge: float = 0.0,
    time: float | None = None,
    step_size: float | None = None,
    steps: int | None = None,
) -> NDArray:
    """K(X_new, X) K(X, X)⁻¹ y, the predictor that gradient descent on an infinitely wide network ends at.

    With K the limit of ΣG^(h) over the trained layers. A network that starts at u(0) instead of 0 ends at
    u_new(0) + kernel_regression(K, y - u(0), K_new), but for a distance that falls as m^(-1/2). With `time`, or with
    `step_size` and `steps`, the result is the prediction at that moment of training instead of the one at its end.

    Parameters
    ----------
    K : (n, n) array
        Symmetric, and positive semi-definite up to its error.
    y : (n,) or (n, c) array
        One target for every row of K; the columns are c independent outputs.
    K_new : (k, n) array
        The kernel between new samples and those of K.
    error : float ≥ 0
        A bound on the error of every entry of K and of K_new, such as `gram.limiting` returns. (Of a sum over H + 1
        layers it is H + 1 times that.) Rounding in the dtypes of K and of K_new is always added.
    ridge : float ≥ 0
        Added to the diagonal of K: training with the penalty ½ ridge ‖θ - θ(0)‖², at its end and on the way.
    time : float ≥ 0, optional
        Predict at this time of gradient flow, θ′ = -∂L/∂θ; infinity is the end of training.
    step_size, steps : float > 0 and int ≥ 0, optional
        Predict after so many steps of gradient descent on L = ½ Σ_i (u_i - y_i)².

    Returns
    -------
    (k,) or (k, c) float64 array

    Warns
    -----
    scipy.linalg.LinAlgWarning
        If the condition of K costs more than half of the digits that K has, or if the predictions lose them on the
        way. The message states a bound on their error. Without a warning they are off by at most √(δ/λ_max) times the
        largest target or prediction of their output, where δ, n times `error` plus rounding, bounds the error of
        K's eigenvalues: for a K that is exact, about 1e-7.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above. ValueError also if λ_min + ridge ≤ δ and training goes on for so long that this
        matters (1/δ or longer), where the error of K decides the result: the message names rows of K that are nearly
        parallel; if step_size ≥ 2/λ_max, where descent diverges; and if the result overflows.

    Examples
    --------
    Gradient descent trains every layer, so the kernel is the sum of their limits, whatever the width:

    >>> import minimal_gd as mgd
    >>> X, y = mgd.data.digits(300, seed=0)
    >>> X, y, X_new, y_new = X[:200], y[:200], X[200:], y[200:]
    >>> net = mgd.ResNet(64, width=1, depth=3, activation="tanh")
    >>> K, error = mgd.gram.limiting(net, X)
    >>> K_new, error_new = mgd.gram.limiting(net, X_new, X)
    >>> error = len(K) * max(error, error_new)  # that of a sum over all layers
    >>> K, K_new = K.sum(axis=0), K_new.sum(axis=0)
    >>> u_new = mgd.kernel_regression(K, y, K_new, error=error)
    >>> bool(((u_new - y_new) ** 2).mean() < 0.3 * y_new.var())
    True

    Two outputs at once, the second with the labels turned around:

    >>> both = mgd.kernel_regression(K, np.stack([y, -y], axis=1), K_new)
    >>> both.shape, bool(abs(both[:, 0] + both[:, 1]).max() < 1e-12)
    ((100, 2), True)

    A penalty on the distance that the weights travel keeps the predictions on the training samples from their labels:

    >>> bool(abs(mgd.kernel_regression(K, y, K, ridge=1.0) - y).max() > 1e-3)
    True

    The predictions at a time of gradient flow, and after as much of descent by small steps:

    >>> flow = mgd.kernel_regression(K, y, K_new, time=0.5)
    >>> descent = mgd.kernel_regression(K, y, K_new, step_size=0.5 / 1000, steps=1000)
    >>> bool(abs(flow - descent).max() < 0.01 * abs(flow).max() < abs(flow - u_new).max())
    True

    Source: the linearised descent of section 4 of the paper on new inputs, to k → ∞ or for finitely many steps; Jacot,
    Gabriel and Hongler (2018), arXiv:1806.07572.
    """
    K = validate.symmetric_matrix("K", K)
    n, epsilon = len(K), float(np.finfo(K.dtype).eps)
    y = validate.real_array("y", y, np.float64)
    if y.ndim not in (1, 2) or len(y) != n:
        raise ValueError(f"y must have shape ({n},) or ({n}, c), one target a row of K, got shape {y.shape}")
    K_new = validate.real_array("K_new", K_new)
    if K_new.ndim != 2 or K_new.shape[1] != n:
        raise ValueError(f"K_new must have shape (k, {n}), a column for every row of K, got shape {K_new.shape}")
    error, ridge = _at_least_zero("error", error), _at_least_zero("ridge", ridge)
    time, step_size, is_odd = _training_time(time, step_size, steps)

    # Powers of two as factors are exact: one for K, one for every output and one for every new row.
    of_K = int(np.frexp(max(np.abs(K).max(), ridge))[1])
    targets, of_y = _scaled(y.reshape(n, -1), axis=0)
    rows, of_new = _scaled(K_new.astype(np.float64), axis=1)
    K = np.ldexp(K.astype(np.float64), -of_K)
    K, asymmetry = (K + K.T) / 2, float(np.abs(K - K.T).max()) / 2
    ridge, step_size = math.ldexp(ridge, -of_K), float(np.ldexp(step_size, of_K))
    # φ = t, whatever λ is, at so short a time; it is taken in units of its own, or it might underflow.
    of_time = min(0, math.frexp(time)[1] + of_K + 300) if math.isfinite(time) else 0
    time = float(np.ldexp(time, of_K - of_time))

    values, vectors = eigh(K)
    # LAPACK's eigenvalues err by a modest multiple of ε‖K‖, and so do those of a K that was computed in K's dtype.
    delta = n * (float(np.ldexp(error, -of_K)) + asymmetry + epsilon * float(np.abs(values).max()) + _EPSILON * ridge)
    _require_known(K, values, delta, ridge, time, step_size, of_K)
    lowest, highest = max(float(values[0]) - delta, 0.0) + ridge, float(values[-1]) + ridge + delta
    slowest = min(lowest, 2 / step_size - highest) if step_size > 0 else lowest
    delta += max(-float(values[0]), 0.0)  # by so much K is moved to have no eigenvalue below 0
    values = np.maximum(values, 0) + ridge

    signed, absolute = _filters(values, time, step_size, is_odd)
    rows_there, targets_there = rows @ vectors, vectors.T @ targets
    predicted = rows_there @ (signed[:, None] * targets_there)
    growth = 1 + delta * (min(time, 1 / slowest) if slowest > 0 else time)
    weights, alpha = np.abs(rows_there) @ absolute, np.linalg.norm(absolute[:, None] * targets_there, axis=0)
    epsilon_new = float(np.finfo(K_new.dtype).eps)
    of_rows = math.sqrt(n) * np.ldexp(error, -of_new[:, 0]) + n * epsilon_new * np.linalg.norm(rows, axis=1)
    bounds = (weights * delta + of_rows)[:, None] * alpha
    bounds += n * _EPSILON * weights[:, None] * np.linalg.norm(targets, axis=0)
    powers = of_new + of_y - of_K + of_time
    predicted, bounds = np.ldexp(predicted, powers), np.ldexp(growth * bounds, powers)
    validate.finite_result(predicted, "predictions", "K, y and K_new")

    half = math.sqrt(max(delta / highest if highest > 0 else 0.0, n * epsilon_new))
    sizes = np.maximum(np.abs(y.reshape(n, -1)).max(axis=0), np.abs(predicted).max(axis=0, initial=0))
    if bounds.size and (growth - 1 > half or (bounds > half * sizes).any()):
        warnings.warn(
            f"rounding and the error of K count: every prediction is within {1.06 * bounds.max():.1e} of the exact "
            f"one, and that is all that is sure. K has λ_min + ridge = {np.ldexp(values[0], of_K):.3g} and "
            f"λ_max = {np.ldexp(values[-1] - ridge, of_K):.3g}, and {_near_dependence(K, math.sqrt(delta * highest))}",
            LinAlgWarning,
            stacklevel=3,  # past the decorator
        )
    return predicted.reshape(len(rows), *y.shape[1:])


def _require_known(
    K: NDArray, values: NDArray, delta: float, ridge: float, time: float, step_size: float, of_K: int
) -> None:
    """Refuse what an error δ of the eigenvalues decides, and steps that diverge; all of it in units of 2^of_K."""
    unknown = f"{np.ldexp(delta, of_K):.3g}"
    if values[0] < -delta:
        raise ValueError(
            f"K must be positive definite, got λ_min = {np.ldexp(values[0], of_K):.3g}, which an error of {unknown} "
            f"does not explain (if K is known less exactly, say so by error=)"
        )
    highest = float(values[-1]) + ridge + delta
    if step_size * highest >= 2:
        raise ValueError(
            f"step_size must be below 2/λ_max(K) = {np.ldexp(2 / highest, -of_K):.3g}, from where on descent diverges, "
            f"got {np.ldexp(step_size, -of_K):.3g}"
        )
    smallest = max(float(values[0]), 0.0) + ridge
    if smallest <= delta and not time * delta < 1:
        raise ValueError(
            f"K must be positive definite beyond its error, got λ_min + ridge = {np.ldexp(smallest, of_K):.3g}, known "
            f"up to {unknown} only: {_near_dependence(K, math.sqrt(delta * highest))}. Merge such samples into one, "
            f"give ridge= above {unknown}, or ask for an earlier time"
        )


def _at_least_zero(name: str, value: Any) -> float:
    number = validate.real_number(name, value, "a finite number ≥ 0")
    if number < 0:
        raise ValueError(f"{name} must be a finite number ≥ 0, got {value}")
    return number


def _training_time(time: Any, step_size: Any, steps: Any) -> tuple[float, float, bool]:
    """Return the time, the step size (0 for gradient flow) and whether the number of steps is odd."""
    if (step_size is None) != (steps is None):
        raise ValueError(f"step_size and steps must come together, got step_size={step_size} and steps={steps}")
    if steps is None:
        is_endless = time is None or (isinstance(time, float) and time == math.inf)
        return math.inf if is_endless else _at_least_zero("time", time), 0.0, False
    if time is not None:
        raise ValueError(f"time must come without step_size and steps, got time={time} and steps={steps}")
    step_size, steps = validate.positive_number("step_size", step_size), validate.integer("steps", steps, least=0)
    return step_size * validate.real_number("steps", steps), step_size, steps % 2 == 1


def _scaled(array: NDArray, axis: int) -> tuple[NDArray, NDArray]:
    """2^-e times `array`, with entries of at most 1, and the exponents e along `axis`."""
    exponents = np.frexp(np.abs(array).max(axis=axis, keepdims=True))[1]
    return np.ldexp(array, -exponents), exponents


def _filters(values: NDArray, time: float, step_size: float, is_odd: bool) -> tuple[NDArray, NDArray]:
    """φ(λ), and the larger η Σ_j |1 - ηλ|^j, the same where no eigenvalue is beyond 1/η."""
    if time == 0:
        return np.zeros_like(values), np.zeros_like(values)
    if step_size > 2.0**-80:
        passed = step_size * values
        contraction = np.minimum(passed, 2 - passed)  # 1 - |1 - ηλ|
        rates, is_turned = contraction / step_size, is_odd & (passed > 1)
        with np.errstate(divide="ignore"):  # a step of exactly 1/λ forgets everything
            forgotten = -np.expm1(time / step_size * np.log1p(-contraction))  # 1 - |1 - ηλ|^k
    else:  # not to be told from gradient flow
        rates, is_turned, forgotten = values, np.zeros(len(values), bool), -np.expm1(-time * values)

    def over(share: NDArray, rate: NDArray) -> NDArray:
        is_begun = time * rate > 2.0**-80  # until then 1 - e^(-λt) is λt
        return np.divide(share, rate, out=np.full_like(rate, time), where=is_begun)

    return over(np.where(is_turned, 2 - forgotten, forgotten), values), over(forgotten, rates)


def _near_dependence(K: NDArray, least: float) -> str:
    """Say which rows alone, or which two, force λ_min(K) ≤ `least`: the block of two has no larger λ_min than K."""
    diagonal = np.diagonal(K)
    vanishing = np.flatnonzero(diagonal <= least)
    if len(vanishing):
        return f"row {', '.join(map(str, vanishing[:3]))} of K nearly vanishes"
    means, halves = np.add.outer(diagonal, diagonal) / 2, np.subtract.outer(diagonal, diagonal) / 2
    pairs = np.argwhere(np.triu(means - np.hypot(halves, K) <= least, 1))
    if len(pairs):
        return "; ".join(f"rows {i} and {j} of K are parallel or nearly so" for i, j in pairs[:3])
    return "no two rows of K are nearly parallel, but more of them together are nearly dependent"
