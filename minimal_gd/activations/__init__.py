"""The activations: σ with σ′, their constants, and which of the paper's conditions they satisfy."""

import math
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any, SupportsIndex

import numpy as np
from scipy import special

from minimal_gd._runtime.arrays import Array
from minimal_gd._runtime.validate import boolean, describe, integer, quietly, real_array, real_number
from minimal_gd.activations import compiled as fused
from minimal_gd.activations import functions
from minimal_gd.activations.derivative_check import require_derivative
from minimal_gd.activations.functions import (
    erf_slope,
    gelu,
    gelu_slope,
    relu,
    relu_slope,
    sigmoid,
    sigmoid_slope,
    silu,
    silu_slope,
    sincos,
    sincos_slope,
    softplus,
    softplus_slope,
    square,
    square_slope,
    tanh_slope,
)
from minimal_gd.gaussian import closed_forms
from minimal_gd.gaussian.closed_forms import ClosedForm
from minimal_gd.gaussian.kinks import Jumps
from minimal_gd.gaussian.panels import Panels, Single
from minimal_gd.gaussian.piecewise import Bounds, Scales, Target
from minimal_gd.gaussian.quadrature import Expand, Trapezoids, suits_trapezoids

Elementwise = Callable[[Array], Array]

# σ and σ′ are applied to this many entries at a time: their temporaries stay in the cache, whatever the problem.
_TILE = 16384
# So many standard deviations at a time.
_ROWS = 128


class Activation:
    """An activation σ with its derivative σ′.

    Parameters
    ----------
    sigma, dsigma : callable
        σ and σ′: each takes an array of any shape and returns one of that shape, entry by entry. They are compared
        with each other on [-10, 10].
    name : str
        What messages and figures call it.
    lipschitz, smoothness : float, optional
        sup |σ′|, and sup |σ″| wherever σ has no kink; ∞ where there is none. Not given, they are what a grid over
        [-10, 10] shows, which says nothing about kinks and tails. What is stated must be true: the limits of infinite
        width rest on it.
    kinks : iterable of floats, optional
        Where σ′ jumps; all such places, if `lipschitz` and `smoothness` are given. What the jumps contribute is known
        in closed form. The rest is a Hermite series of at most 4096 terms; where σ″ jumps as well, as that of ELU does,
        what it leaves for E[σ′(u)σ′(v)] falls with the number K of terms like K^(-3/4) |ρ|^K, which is much for nearly
        parallel inputs, and is stated.
    analytic : bool, optional
        Whether σ is analytic; None if that is not known.
    polynomial_degree : int, optional
        The degree of σ if it is a polynomial.
    closed_form : ClosedForm, optional
        E[σ(u)σ(v)] and its kin; without one, the limits of infinite width come from a Hermite series.

    Notes
    -----
    Where Gaussian expectations of σ are needed (`c_sigma`, `gram.limiting`) and there is no closed form, σ is resolved
    by polynomials as far as 16 standard deviations reach, see `gaussian.piecewise`. The error that comes with them

    - is a proof if `lipschitz` and `smoothness` are given, one of them finite: it covers whatever such a σ may do
      between the places where it was looked at. It can be large where they are, and with an infinite `smoothness` it
      is never less than what `lipschitz` leaves open, lipschitz² for E[σ′²];
    - else assumes that σ′ hides nothing between places that are 2⁻¹³ standard deviations apart near 0 (at x standard
      deviations e^(x²/10) times that); a kink that is not named makes it large, but does no harm.

    Attributes
    ----------
    c_sigma : float
        c_σ = 1 / E[σ(z)²], z ~ N(0, 1): to rounding where σ is resolved, and what it may be off by otherwise is part of
        the error of `gram.limiting`.
    smoothness : float
        sup |σ″|: ∞ if there is a kink.
    satisfies_condition_3_1 : bool or None
        σ is Lipschitz and smooth; None if `lipschitz` or `smoothness` was not given.
    satisfies_condition_3_2 : bool or None
        σ is analytic and not a polynomial; None if `analytic` is None.

    Raises
    ------
    TypeError
        If `sigma` or `dsigma` is not callable or does not map real arrays to real arrays, or `name` is not a string.
    ValueError
        If `dsigma` is not the derivative of `sigma` (the point and both values are named), if one of them is not
        finite on [-10, 10] or changes the shape, or if a constant is negative. When an expectation is asked for, if σ
        is not finite or, without constants, cannot be resolved: the place and the scale are named.

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
        kinks: Iterable[float] = (),
        analytic: bool | None = None,
        polynomial_degree: int | None = None,
        closed_form: ClosedForm | None = None,
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be a string, got {describe(name)}")
        self.name = name
        self._sigma, self._dsigma = sigma, dsigma
        self._fused = fused.compiled_pair(sigma, dsigma)
        self.analytic = None if analytic is None else boolean("analytic", analytic)
        self.polynomial_degree = (
            None if polynomial_degree is None else integer("polynomial_degree", polynomial_degree, least=0)
        )
        if closed_form is not None and not isinstance(closed_form, ClosedForm):
            raise TypeError(f"closed_form must be a ClosedForm, got {describe(closed_form)}")
        self.closed_form = closed_form
        steepest, most_curved = require_derivative(sigma, dsigma, name)
        self._constants_are_stated = lipschitz is not None and smoothness is not None
        self.lipschitz = steepest if lipschitz is None else _bound("lipschitz", lipschitz)
        self.kinks = _places("kinks", kinks)
        between = most_curved if smoothness is None else _bound("smoothness", smoothness)
        self.smoothness = math.inf if self.kinks else between
        self._bounds = Bounds(self.lipschitz, between) if self._constants_are_stated else None
        if self._bounds == Bounds(math.inf, math.inf):
            self._bounds = None  # nothing is known
        self._panels: dict[Scales, Panels] = {}

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle and copy a built-in activation by its name, so that it stays the same object."""
        return (get, (self.name,)) if ACTIVATIONS.get(self.name) is self else super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fused": None, "_panels": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _fused=fused.compiled_pair(state["_sigma"], state["_dsigma"]))

    def sigma(self, z: Array) -> Array:
        """σ(z), entry by entry; float32 stays float32, integers become float64."""
        return _evaluate(self._sigma, z)

    def dsigma(self, z: Array) -> Array:
        """σ′(z), entry by entry; float32 stays float32, integers become float64."""
        return _evaluate(self._dsigma, z)

    def apply(self, z: Array, slope: Array, scale: float = 1.0) -> None:
        """Replace `z` by s σ(z) and fill `slope` with s σ′(z), allocating nothing that grows with them.

        Parameters
        ----------
        z, slope : arrays of one shape and dtype, C-contiguous, both written
        scale : float
            s, the factor that the architecture puts in front of σ.
        """
        flat_z, flat_slope = z.reshape(-1), slope.reshape(-1)
        if self._fused is not None and z.dtype.kind == "f":
            self._fused(flat_z, flat_slope, z.dtype.type(scale))
            return
        with np.errstate(under="ignore"):
            for start in range(0, flat_z.size, _TILE):
                tile, slopes = flat_z[start : start + _TILE], flat_slope[start : start + _TILE]
                np.multiply(self._dsigma(tile), scale, out=slopes)
                np.multiply(self._sigma(tile), scale, out=tile)

    @cached_property
    def c_sigma(self) -> float:
        """c_σ = 1 / E[σ(z)²] for z ~ N(0, 1): it keeps ‖x^(h)‖ ≈ 1. Paper: section 3.2."""
        second_moment = self._second_moment()
        if not 0 < second_moment < math.inf:
            raise ValueError(
                f"sigma must have a second moment E[σ(z)²] that is finite and not 0, got {second_moment} for {self!r}"
            )
        return 1 / second_moment

    @quietly
    def _second_moment(self) -> float:
        """E[σ(z)²]."""
        one = np.ones((1, 1, 1))
        if self.closed_form is not None:
            product = np.empty_like(one)
            self.closed_form.products(one, one, one, product, np.empty_like(one))
            return product.item()
        _, single, _ = self.expansions(one[0, 0], math.inf)
        return single.second_moment.item()

    def expansions(self, s: Array, wanted: float) -> tuple[Expand, Single, Jumps]:
        """What a Hermite series needs, of an activation without a closed form.

        Parameters
        ----------
        s : (g,) array
            Standard deviations ≥ 0.
        wanted : float
            The error that is wanted, relative to √E[σ(u)²]; a larger one where it can't be had.

        Returns
        -------
        expand : callable
            (s, K) -> the first K Hermite coefficients of σ′(s·).
        single : Single
            The expectations over one variable.
        jumps : Jumps
            Of what stands for σ′ in them, at the kinks.
        """
        strip = _strip_of(self._sigma, self._dsigma)
        if strip and suits_trapezoids(strip, s):
            none = Jumps(np.empty(0), np.empty(0))
            return Trapezoids(self._dsigma, strip), _by_trapezoids(self._sigma, self._dsigma, strip, s), none
        scales = Scales.of(s)
        if scales not in self._panels:
            target = Target(self._sigma, self._dsigma, self.kinks, repr(self))
            bounds = None if strip else self._bounds  # those with a strip are known: they hide nothing
            self._panels[scales] = Panels(target, scales, bounds)
        panels = self._panels[scales]
        return panels, panels.single(s, wanted), panels.jumps

    @property
    def satisfies_condition_3_1(self) -> bool | None:
        """σ is Lipschitz and smooth (None: not known). Paper: Condition 3.1."""
        if not self._constants_are_stated:
            return None
        return math.isfinite(self.lipschitz) and math.isfinite(self.smoothness)

    @property
    def satisfies_condition_3_2(self) -> bool | None:
        """σ is analytic and not a polynomial (None: not known). Paper: Condition 3.2."""
        return False if self.polynomial_degree is not None else self.analytic


def _bound(name: str, value: float) -> float:
    if value != math.inf and real_number(name, value, "a number ≥ 0, or inf") < 0:
        raise ValueError(f"{name} must be a number ≥ 0, or inf, got {value}")
    return float(value)


def _places(name: str, values: Iterable[float]) -> tuple[float, ...]:
    try:
        places = tuple(values)
    except TypeError:
        raise TypeError(f"{name} must be an iterable of finite numbers, got {describe(values)}") from None
    return tuple(sorted({real_number(name, place, "an iterable of finite numbers") for place in places}))


def _by_trapezoids(sigma: Elementwise, dsigma: Elementwise, strip: float, s: Array) -> Single:
    parts = []
    for some in np.array_split(s, math.ceil(len(s) / _ROWS)):
        value, radial, slope = (Trapezoids(f, strip)(some, 1) for f in (sigma, lambda u: u * dsigma(u), dsigma))
        parts.append((value.a[:, 0], value.second_moment, radial.second_moment, slope.second_moment, value.error))
    return Single._make((*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)), 0.0))


@quietly
def _evaluate(function: Elementwise, z: Array) -> Array:
    z = z if np.iscomplexobj(z) else real_array("z", z)
    return np.asarray(function(np.asarray(z)), dtype=np.asarray(z).dtype)


# σ and σ′ have no pole within this distance from the real axis; and within half of it they, and zσ′(z), are at most
# 2(1 + |z|)² in modulus: e^z has a positive real part there (for the hyperbolic tangent, e^2z has).
_STRIPS: dict[tuple[Elementwise, Elementwise], float] = {
    (softplus, softplus_slope): math.pi,
    (sigmoid, sigmoid_slope): math.pi,
    (silu, silu_slope): math.pi,
    (np.tanh, tanh_slope): math.pi / 2,
}


def _strip_of(sigma: Elementwise, dsigma: Elementwise) -> float:
    """The width of the strip to either side of the real axis where σ and σ′ are known to be analytic; 0 if none is."""
    pairs = _STRIPS.items()  # compared one by one, as a callable need not be hashable
    return next((strip for (f, slope), strip in pairs if f is sigma and slope is dsigma), 0.0)


def leaky_relu(slope: float) -> Activation:
    """z where z ≥ 0, else `slope` times z, in closed form; σ′(0) = 1. With the slope -1 it is |z|.

    Parameters
    ----------
    slope : float

    Raises
    ------
    TypeError, ValueError
        If the slope is not a finite number.
    """
    slope = real_number("slope", slope)
    return Activation(
        partial(functions.leaky_relu, slope),
        partial(functions.leaky_relu_slope, slope),
        f"leaky relu {slope:g}",
        lipschitz=max(1.0, abs(slope)),
        smoothness=0.0,
        kinks=() if slope == 1 else (0.0,),
        analytic=slope == 1,
        polynomial_degree=1 if slope == 1 else None,
        closed_form=closed_forms.leaky_relu(slope),
    )


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
    Activation(silu, silu_slope, "silu", lipschitz=1.0998393201288669, smoothness=0.5, analytic=True),
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
        relu, relu_slope, "relu", lipschitz=1.0, smoothness=math.inf, analytic=False, closed_form=closed_forms.RELU
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
