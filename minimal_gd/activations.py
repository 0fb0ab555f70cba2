"""The activations σ with their derivatives σ′, written side by side.

Each pair is plain NumPy and SciPy: real arrays keep their dtype, and the analytic ones take complex arrays too, which
is what the complex step (`minimal_gd.gradcheck`) needs. Every exponential is taken of a number ≤ 0, so nothing
overflows where the result is finite, and the tails keep their relative accuracy.
"""

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from minimal_gd import closed_forms
from minimal_gd.closed_forms import ClosedForm
from minimal_gd.derivative_check import require_derivative
from minimal_gd.gaussian import expectation
from minimal_gd.validate import boolean, describe, positive_int, real_array, real_number

Elementwise = Callable[[NDArray], NDArray]

# σ and σ′ are applied to this many entries at a time: their temporaries stay in the cache, whatever the problem.
_TILE = 8192


class Activation:
    """An activation σ with its derivative σ′.

    Parameters
    ----------
    sigma, dsigma : callable
        σ and σ′: each takes an array of any shape and returns one of that shape, entry by entry.
    name : str
        What messages and figures call it.
    lipschitz, smoothness : float, optional
        sup |σ′| and sup |σ″|, ∞ where there is none. Not given, they are estimated on a grid over [-10, 10].
    analytic : bool, optional
        Whether σ is analytic; None if that is not known.
    polynomial_degree : int, optional
        The degree of σ if it is a polynomial.
    closed_form : ClosedForm, optional
        E[σ(u)σ(v)] and its kin; without one, the limits of infinite width come from a Hermite series.

    Attributes
    ----------
    c_sigma : float
        c_σ = 1 / E[σ(z)²], z ~ N(0, 1).
    satisfies_condition_3_1 : bool
        σ is Lipschitz and smooth.
    satisfies_condition_3_2 : bool or None
        σ is analytic and not a polynomial; None if `analytic` is None.

    Raises
    ------
    TypeError
        If `sigma` or `dsigma` is not callable or does not map real arrays to real arrays, or `name` is not a string.
    ValueError
        If `dsigma` is not the derivative of `sigma` (the point and both values are named), if one of them is not
        finite on [-10, 10] or changes the shape, or if a constant is negative.

    Paper: section 3.2, Conditions 3.1 and 3.2.
    """

    def __init__(
        self,
        sigma: Elementwise,
        dsigma: Elementwise,
        name: str = "custom",
        *,
        lipschitz: float | None = None,
        smoothness: float | None = None,
        analytic: bool | None = None,
        polynomial_degree: int | None = None,
        closed_form: ClosedForm | None = None,
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be a string, got {describe(name)}")
        self.name = name
        self._sigma, self._dsigma = sigma, dsigma
        self.analytic = None if analytic is None else boolean("analytic", analytic)
        self.polynomial_degree = (
            None if polynomial_degree is None else positive_int("polynomial_degree", polynomial_degree, least=0)
        )
        if closed_form is not None and not isinstance(closed_form, ClosedForm):
            raise TypeError(f"closed_form must be a ClosedForm, got {describe(closed_form)}")
        self.closed_form = closed_form
        steepest, most_curved = require_derivative(sigma, dsigma, name)
        self.lipschitz = steepest if lipschitz is None else _bound("lipschitz", lipschitz)
        self.smoothness = most_curved if smoothness is None else _bound("smoothness", smoothness)

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"

    def sigma(self, z: NDArray) -> NDArray:
        """σ(z), entry by entry; float32 stays float32, integers become float64."""
        return np.asarray(self._sigma(_entries(z)))

    def dsigma(self, z: NDArray) -> NDArray:
        """σ′(z), entry by entry; float32 stays float32, integers become float64."""
        return np.asarray(self._dsigma(_entries(z)))

    def apply(self, z: NDArray, slope: NDArray) -> None:
        """Replace `z` by σ(z) and fill `slope` with σ′(z), allocating nothing that grows with them.

        Parameters
        ----------
        z, slope : arrays of one shape, C-contiguous, both written
        """
        flat_z, flat_slope = z.reshape(-1), slope.reshape(-1)
        for start in range(0, flat_z.size, _TILE):
            tile = flat_z[start : start + _TILE]
            flat_slope[start : start + _TILE] = self._dsigma(tile)
            tile[...] = self._sigma(tile)

    @cached_property
    def c_sigma(self) -> float:
        """c_σ = 1 / E[σ(z)²] for z ~ N(0, 1): it keeps ‖x^(h)‖ ≈ 1. Paper: section 3.2."""
        second_moment = expectation(lambda z: self.sigma(z) ** 2)
        if second_moment <= 0:
            raise ValueError(f"sigma must not vanish everywhere, got E[σ(z)²] = {second_moment} for {self!r}")
        return 1 / second_moment

    @property
    def satisfies_condition_3_1(self) -> bool:
        """σ is Lipschitz and smooth. Paper: Condition 3.1."""
        return math.isfinite(self.lipschitz) and math.isfinite(self.smoothness)

    @property
    def satisfies_condition_3_2(self) -> bool | None:
        """σ is analytic and not a polynomial (None: not known). Paper: Condition 3.2."""
        return False if self.polynomial_degree is not None else self.analytic


def _bound(name: str, value: float) -> float:
    if value != math.inf and real_number(name, value, "a number ≥ 0, or inf") < 0:
        raise ValueError(f"{name} must be a number ≥ 0, or inf, got {value}")
    return float(value)


def _entries(z: NDArray) -> NDArray:
    is_complex = isinstance(z, np.ndarray) and z.dtype.kind == "c"
    return z if is_complex else real_array("z", z)


def _modulus(z: NDArray) -> NDArray:
    """|z|, for complex z near the real axis ±z."""
    return z * np.copysign(1, z.real)


def _decay(z: NDArray) -> NDArray:
    """e^(-|z|)."""
    return np.exp(-_modulus(z))


def _gaussian(z: NDArray, rate: float) -> NDArray:
    """e^(-rate·z²), zero where that underflows, so that z² cannot overflow."""
    inside = np.abs(z.real) < 40
    return np.where(inside, np.exp(-rate * np.where(inside, z, 0) ** 2), 0).astype(z.dtype, copy=False)


def softplus(z: NDArray) -> NDArray:
    """log(1 + e^z)."""
    return 0.5 * z + 0.5 * _modulus(z) + np.log1p(_decay(z))


def softplus_slope(z: NDArray) -> NDArray:
    """1 / (1 + e^(-z)), the sigmoid."""
    return sigmoid(z)


def sigmoid(z: NDArray) -> NDArray:
    """1 / (1 + e^(-z))."""
    e = _decay(z)
    return np.where(z.real > 0, 1, e) / (1 + e)


def sigmoid_slope(z: NDArray) -> NDArray:
    """e^(-z) / (1 + e^(-z))²."""
    e = _decay(z)
    return e / (1 + e) ** 2


def tanh_slope(z: NDArray) -> NDArray:
    """1 / cosh(z)²."""
    e = _decay(z)
    return (2 * e / (1 + e * e)) ** 2


def erf_slope(z: NDArray) -> NDArray:
    """(2/√π) e^(-z²)."""
    return 2 / math.sqrt(math.pi) * _gaussian(z, 1.0)


def gelu(z: NDArray) -> NDArray:
    """z Φ(z), Φ the normal distribution function."""
    return z * special.ndtr(z)


def gelu_slope(z: NDArray) -> NDArray:
    """Φ(z) + z Φ′(z)."""
    return special.ndtr(z) + z * (_gaussian(z, 0.5) / math.sqrt(2 * math.pi))


def silu(z: NDArray) -> NDArray:
    """z / (1 + e^(-z))."""
    return z * sigmoid(z)


def silu_slope(z: NDArray) -> NDArray:
    """s(z) (1 + z s(-z)), s the sigmoid."""
    return sigmoid(z) * (1 + z * sigmoid(-z))


def sincos(z: NDArray) -> NDArray:
    """sin z + cos z."""
    return np.sin(z) + np.cos(z)


def sincos_slope(z: NDArray) -> NDArray:
    """cos z - sin z."""
    return np.cos(z) - np.sin(z)


def relu(z: NDArray) -> NDArray:
    """max(z, 0)."""
    return np.maximum(z, 0)


def relu_slope(z: NDArray) -> NDArray:
    """1 where z ≥ 0, else 0: the companion's convention at 0."""
    return (z >= 0).astype(z.dtype)


def square(z: NDArray) -> NDArray:
    """z²."""
    return z * z


def square_slope(z: NDArray) -> NDArray:
    """2z."""
    return 2 * z


# lipschitz = sup |σ′|, smoothness = sup |σ″|; the tests measure every one of them.
_BUILT_IN = (
    Activation(softplus, softplus_slope, "softplus", lipschitz=1.0, smoothness=0.25, analytic=True),
    Activation(np.tanh, tanh_slope, "tanh", lipschitz=1.0, smoothness=4 / (3 * math.sqrt(3)), analytic=True),
    Activation(sigmoid, sigmoid_slope, "sigmoid", lipschitz=0.25, smoothness=1 / (6 * math.sqrt(3)), analytic=True),
    Activation(
        special.erf,
        erf_slope,
        "erf",
        lipschitz=2 / math.sqrt(math.pi),
        smoothness=math.sqrt(8 / (math.pi * math.e)),
        analytic=True,
        closed_form=closed_forms.ERF,
    ),
    # σ″ = (2 - z²) Φ′(z): steepest at z = √2, most curved at 0
    Activation(
        gelu,
        gelu_slope,
        "gelu",
        lipschitz=float(special.ndtr(math.sqrt(2))) + 1 / (math.e * math.sqrt(math.pi)),
        smoothness=math.sqrt(2 / math.pi),
        analytic=True,
        closed_form=closed_forms.GELU,
    ),
    # steepest where z tanh(z/2) = 2, most curved at 0
    Activation(silu, silu_slope, "silu", lipschitz=1.0998393194, smoothness=0.5, analytic=True),
    Activation(
        sincos,
        sincos_slope,
        "sincos",
        lipschitz=math.sqrt(2),
        smoothness=math.sqrt(2),
        analytic=True,
        closed_form=closed_forms.SINCOS,
    ),
    Activation(
        relu,
        relu_slope,
        "relu",
        lipschitz=1.0,
        smoothness=math.inf,
        analytic=False,
        closed_form=closed_forms.RELU,
    ),
    Activation(
        np.positive,
        np.ones_like,
        "identity",
        lipschitz=1.0,
        smoothness=0.0,
        analytic=True,
        polynomial_degree=1,
        closed_form=closed_forms.IDENTITY,
    ),
    Activation(
        square,
        square_slope,
        "square",
        lipschitz=math.inf,
        smoothness=2.0,
        analytic=True,
        polynomial_degree=2,
        closed_form=closed_forms.SQUARE,
    ),
)

ACTIVATIONS: dict[str, Activation] = {activation.name: activation for activation in _BUILT_IN}


def get(activation: str | Activation) -> Activation:
    """Return the activation of that name, or `activation` itself if it is one.

    Raises
    ------
    ValueError
        If no activation has that name; the message lists those there are.
    TypeError
        If `activation` is neither a string nor an `Activation`.
    """
    if isinstance(activation, Activation):
        return activation
    known = ", ".join(repr(name) for name in ACTIVATIONS)
    if not isinstance(activation, str):
        raise TypeError(f"activation must be an Activation or one of {known}, got {describe(activation)}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be an Activation or one of {known}, got {activation!r}")
    return ACTIVATIONS[activation]
