"""What the theorems ask of their input, checked before any work."""

import warnings

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram, spectra
from minimal_gd._runtime import validate
from minimal_gd.networks.base import Network
from minimal_gd.theory.comparison import Comparison, compare

# Inputs count as unit vectors up to this, some roundings of a sum of squares.
_UNIT = 1e-9


def at_least_two_layers(net: Network, statement: str) -> None:
    """Refuse H = 1 where a definition needs H ≥ 2.

    Raises
    ------
    ValueError
        If H < 2; it names the statement.
    """
    if net.depth < 2:
        raise ValueError(f"net must have depth ≥ 2 for {statement}, got {net}")


def warn_unless_unit(X: NDArray, statement: str, stacklevel: int = 3) -> None:
    """Warn, naming the statement, where an input is not a unit vector.

    Parameters
    ----------
    X : (n, …) array
    statement : str
    stacklevel : int
        As for `warnings.warn`; 3 is the line that called our caller.

    Warns
    -----
    UserWarning
        If ‖x_i‖ ≠ 1 for some i.
    """
    norms = np.linalg.norm(X.reshape(len(X), -1), axis=1)
    i = int(np.argmax(np.abs(norms - 1)))
    if abs(norms[i] - 1) > _UNIT:
        warnings.warn(f"{statement} asks for unit inputs, got ‖x_{i}‖ = {norms[i]:.6g}", stacklevel=stacklevel)


def unit_inputs(X: NDArray) -> Comparison:
    """‖x_i‖ = 1, what every theorem of both papers asks for."""
    return compare("‖x_i‖ = 1", np.linalg.norm(X.reshape(len(X), -1), axis=1), "=", 1, _UNIT)


def limiting_gram(net: Network, X: NDArray) -> tuple[NDArray, float]:
    """K^(H), the paper's limit of G^(H), and λ_min(K^(H)) > 0.

    Returns
    -------
    K_H : (n, n) array
    smallest : float

    Raises
    ------
    ValueError
        If λ_min(K^(H)) > 0 is not certain; the message names the parallel inputs or the polynomial activation.
    """
    K, error = gram.limiting(net, X)
    K_H = K[net.depth - 1]
    return K_H, smallest_eigenvalue(K_H, error, net, X)


def smallest_eigenvalue(K: NDArray, error: float = 0.0, net: Network | None = None, X: NDArray | None = None) -> float:
    """λ_min(K) > 0.

    Parameters
    ----------
    K, error, net, X
        As for `spectra.spectrum`.

    Raises
    ------
    ValueError
        If λ_min(K) > 0 is not certain; the message says why.
    """
    spectrum = spectra.spectrum(K, error, net, X)
    if not spectrum.is_positive_definite:
        raise ValueError(
            f"λ_min(K) must be positive, got {spectrum.smallest:.3g} with an error of {spectrum.error:.1e}: "
            f"{spectrum.reason}"
        )
    return spectrum.smallest


def stable_step(step_size: float, G: NDArray) -> float:
    """Return the step size η, positive and below 2/λ_max(G).

    Raises
    ------
    TypeError, ValueError
        If it is not a finite number > 0, or is not below 2/λ_max(G), where even the linearised descent diverges.
    """
    step_size = validate.positive_number("step_size", step_size)
    largest = gram.largest_eigenvalue(G)
    if step_size * largest >= 2:
        raise ValueError(f"step_size must be below 2/λ_max(ΣG) = {2 / largest:.6g}, got {step_size:.6g}")
    return step_size
