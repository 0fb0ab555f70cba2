"""Every activation against decimal arithmetic of 900 digits, which shares no code with the package."""

import math
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import at_most
from scipy.optimize import minimize_scalar

import minimal_gd as mgd
from minimal_gd.activations import ACTIVATIONS, get

NAMES = ["softplus", "tanh", "sigmoid", "erf", "gelu", "silu", "sincos", "relu", "identity", "square"]
ANALYTIC = [name for name in NAMES if name != "relu"]
DTYPES = [np.float32, np.float64]
DIGITS = 900  # e^-745 stands beside 1 with 570 digits to spare


@cache
def pi() -> Decimal:
    """The arithmetic-geometric mean of Gauss and Legendre; every round doubles the digits."""
    a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), Decimal(1)
    for _ in range(11):
        a, b, t, p = (a + b) / 2, (a * b).sqrt(), t - p * ((a - b) / 2) ** 2, 2 * p
    return (a + b) ** 2 / (4 * t)


def bell(z: Decimal) -> Decimal:
    """The standard normal density."""
    return (-z * z / 2).exp() / (2 * pi()).sqrt()


def normal_cdf(z: Decimal) -> Decimal:
    """1/2 + φ(z) (z + z³/3 + z⁵/(3·5) + …)."""
    if abs(z) > 39:  # φ(39) < 1e-331: this is 0 or 1 in float64
        return Decimal(int(z > 0))
    term = total = z
    k = 1
    while term and abs(term) > abs(total) * Decimal(10) ** -500:
        k += 2
        term = term * z * z / k
        total += term
    return Decimal("0.5") + bell(z) * total


def tanh(z: Decimal) -> Decimal:
    return ((2 * z).exp() - 1) / ((2 * z).exp() + 1)


def logistic(z: Decimal) -> Decimal:
    return 1 / (1 + (-z).exp())


def sin(z: Decimal) -> Decimal:
    return Decimal(math.sin(z))


def cos(z: Decimal) -> Decimal:
    return Decimal(math.cos(z))


# σ and σ′ of each, as lists of terms to be added: the sum of their sizes is what rounding is measured against.
TRUTH = {
    "softplus": (lambda z: [(1 + z.exp()).ln()], lambda z: [logistic(z)]),
    "tanh": (lambda z: [tanh(z)], lambda z: [1 - tanh(z) ** 2]),
    "sigmoid": (lambda z: [logistic(z)], lambda z: [logistic(z) * logistic(-z)]),
    "erf": (lambda z: [2 * normal_cdf(z * Decimal(2).sqrt()) - 1], lambda z: [2 / pi().sqrt() * (-z * z).exp()]),
    "gelu": (lambda z: [z * normal_cdf(z)], lambda z: [normal_cdf(z), z * bell(z)]),
    "silu": (lambda z: [z * logistic(z)], lambda z: [logistic(z), z * logistic(z) * logistic(-z)]),
    "sincos": (lambda z: [sin(z), cos(z)], lambda z: [cos(z), -sin(z)]),
    "relu": (lambda z: [max(z, Decimal(0))], lambda z: [Decimal(int(z >= 0))]),
    "identity": (lambda z: [z], lambda z: [Decimal(1)]),
    "square": (lambda z: [z * z], lambda z: [2 * z]),
}
# Where e^(-z²) is taken, the rounding of z² counts z² times.
GAUSSIAN = {"erf", "gelu"}


def assert_right(name: str, z: float, dtype: type) -> None:
    z = dtype(z)
    info = np.finfo(dtype)
    eps = float(info.eps)
    pairs = zip((get(name).sigma, get(name).dsigma), TRUTH[name], strict=True)
    for which, (function, truth) in enumerate(pairs):
        got = function(np.array([z]))
        assert got.dtype == dtype
        with localcontext(prec=DIGITS):
            terms = truth(Decimal(float(z)))
            error = float(abs(Decimal(float(got[0])) - sum(terms)))
            size = float(sum(map(abs, terms)))
        # Some ten operations, of which exp may err by several units in the last place, and the rounding of z².
        relative = eps * (16 + (z * z if name in GAUSSIAN else 0))
        # Below the smallest normal number a factor has lost digits or, in SciPy's normal distribution function, is 0.
        absolute = float(info.smallest_normal) * (1 + abs(float(z)))
        assert error <= relative * size + absolute, (name, "dsigma" if which else "sigma", float(z), float(got[0]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_are_right_at_chosen_points_and_in_the_tails(name, dtype):
    reach = {np.float32: (16.0, 50.0, 87.0, 103.0), np.float64: (26.5, 37.5, 50.0, 350.0, 708.0, 745.0)}[dtype]
    points = (0.0, 1e-30, 1e-8, 0.5, 0.75, 1.0, 1.2784645, 3.0, 6.0, 9.0, 12.9, *reach)
    for z in points:
        assert_right(name, z, dtype)
        assert_right(name, -z, dtype)


@pytest.mark.parametrize("name", NAMES)
@at_most(20)
@given(z=st.floats(-40, 40), dtype=st.sampled_from(DTYPES))
def test_values_and_slopes_are_right_anywhere(name, z, dtype):
    assert_right(name, z, dtype)


def test_known_values_in_the_tails():
    # e^-50, e^-700, 4 e^-700, written out; the left tails of softplus and sigmoid are e^z but for a relative e^z
    for name, function, z, value in [
        ("softplus", "sigma", -50.0, 1.9287498479639178e-22),
        ("softplus", "dsigma", -50.0, 1.9287498479639178e-22),
        ("sigmoid", "sigma", -700.0, 9.859676543759770e-305),
        ("sigmoid", "dsigma", 700.0, 9.859676543759770e-305),
        ("tanh", "dsigma", 350.0, 4 * 9.859676543759770e-305),
        ("tanh", "dsigma", -350.0, 4 * 9.859676543759770e-305),
        ("erf", "sigma", 0.5, math.erf(0.5)),
        ("gelu", "sigma", -1.0, -0.5 * math.erfc(math.sqrt(0.5))),
    ]:
        got = float(getattr(get(name), function)(np.array(z)))
        assert got == pytest.approx(value, rel=4e-15, abs=0), (name, function, z)


@pytest.mark.parametrize("name", ANALYTIC)
def test_the_complex_step_gives_the_slope(name):
    z = np.array([*np.linspace(-30, 30, 241), -800.0, -100.0, 100.0, 800.0, 0.0, -0.0])
    h = 1e-30
    moved = np.empty(z.shape, complex)
    moved.real, moved.imag = z, h  # -0.0 + ih would be 0.0 + ih
    slope = get(name).sigma(moved).imag / h
    # The complex step has no truncation (h² = 1e-60); z² ε ≤ 2e-13 is what e^(-z²/2) loses at 30, relatively.
    np.testing.assert_allclose(slope, get(name).dsigma(z), rtol=1e-12, atol=1e-15)


def test_the_real_part_of_a_complex_softplus_has_the_digits_of_the_real_one():
    z = np.array([-5.0, -16.0, -30.0, -700.0])
    np.testing.assert_allclose(get("softplus").sigma(z + 1e-30j).real, get("softplus").sigma(z), rtol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_the_slope_is_that_of_central_differences(name):
    z = np.linspace(-4, 4, 321) + 1e-3  # away from relu's kink by more than h
    h = np.finfo(float).eps ** (1 / 3)  # truncation h² |σ‴|/6 and rounding ε|σ|/h are both below 1e-9 here
    differences = (get(name).sigma(z + h) - get(name).sigma(z - h)) / (2 * h)
    np.testing.assert_allclose(differences, get(name).dsigma(z), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_overflows_where_the_result_is_finite(name, dtype):
    largest = float(np.finfo(dtype).max)
    powers = np.logspace(-44 if dtype is np.float32 else -320, math.log10(largest) - 0.01, 500)
    z = np.array([*powers, largest, largest / 2, 0.0, 39.9, 40.0, 40.1, 700.0, 710.0, 88.0, 89.0], dtype)
    z = np.concatenate([z, -z])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for function, bound in (("sigma", largest**0.5 * 0.999), ("dsigma", largest / 2)):
            inside = z[np.abs(z) <= bound] if name == "square" else z
            assert np.isfinite(getattr(get(name), function)(inside)).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("function", ["sigma", "dsigma"])
def test_dtypes_and_shapes_are_kept_and_the_input_is_not_changed(name, function):
    evaluate = getattr(get(name), function)
    for shape in [(), (0,), (1,), (3,), (2, 0), (2, 3, 4)]:
        for dtype, wanted in [(">f4", "f4"), ("f4", "f4"), ("f8", "f8"), (">f8", "f8"), ("i1", "f8"), ("?", "f8")]:
            z = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
            z.flags.writeable = False
            value = evaluate(z)
            assert isinstance(value, np.ndarray)
            assert value.shape == shape
            assert value.dtype == np.dtype(wanted)
    assert evaluate([1, 2]).dtype == np.float64
    np.testing.assert_array_equal(evaluate([1, 2]), evaluate(np.array([1.0, 2.0])))
    assert evaluate(0.5).shape == ()
    assert evaluate(np.array([1 + 1e-30j])).dtype == np.complex128 or name == "relu"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_apply_gives_s_sigma_and_s_dsigma_on_arrays_of_many_tiles(name, dtype):
    z = np.random.default_rng(0).standard_normal((5, 8191)).astype(dtype)
    value, slope = z.copy(), np.empty_like(z)
    get(name).apply(value, slope, 0.7)
    # On either side some ten roundings, of numbers of size 1; tests/test_fused.py looks closer.
    rounding = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(value, dtype(0.7) * get(name).sigma(z), rtol=rounding, atol=rounding)
    np.testing.assert_allclose(slope, dtype(0.7) * get(name).dsigma(z), rtol=rounding, atol=rounding)


C_SIGMA = {  # paper.md's values, which quadrature with 30 digits confirms (paper.md has 2.5361754322 for tanh: a slip)
    "softplus": 1.08548650298834342,
    "tanh": 2.53617543321745375,
    "sigmoid": 3.40855984162310298,
    "erf": 1 / (2 / math.pi * math.asin(2 / 3)),
    "sincos": 1.0,
    "relu": 2.0,
    "identity": 1.0,
    "square": 1 / 3,
}


@pytest.mark.parametrize("name", NAMES)
def test_c_sigma_is_its_closed_form_or_the_papers_value(name):
    # The trapezoidal rule converges like e^(-2πw/h), w the distance of the nearest pole (iπ/2, tanh's): rounding is
    # left. relu² is half an even function, so that its end at 0 adds no error of any order of h.
    z, h = np.linspace(-14, 14, 28 * 64 + 1), 1 / 64
    moment = h * math.fsum(get(name).sigma(z) ** 2 * np.exp(-z * z / 2)) / math.sqrt(2 * math.pi)
    assert get(name).c_sigma == pytest.approx(C_SIGMA.get(name, 1 / moment), rel=1e-14, abs=0)
    assert get(name).c_sigma == pytest.approx(1 / moment, rel=1e-14, abs=0)


def largest(function, low=-45.0, high=45.0):
    """The largest value of |function| by a dense grid (0 is on it) and a search around the best point."""
    z = np.linspace(low, high, 90_001)
    values = np.abs(function(z))
    best = int(np.argmax(values))
    around = (z[max(best - 1, 0)], z[min(best + 1, len(z) - 1)])
    found = minimize_scalar(
        lambda x: -float(np.abs(function(np.array([x]))[0])), bounds=around, method="bounded", options={"xatol": 1e-9}
    )
    return max(float(values[best]), -found.fun)


@pytest.mark.parametrize("name", NAMES)
def test_the_constants_are_the_measured_suprema(name):
    activation = get(name)

    def curvature(z):
        return activation.dsigma(z + 1e-30j).imag / 1e-30

    # A search stops within 1e-9 of the place, which at a maximum moves the value by 1e-18: rounding is left.
    for constant, function in [(activation.lipschitz, activation.dsigma), (activation.smoothness, curvature)]:
        if math.isfinite(constant):
            assert largest(function) == pytest.approx(constant, rel=2e-15, abs=0)
    if name == "square":
        assert activation.lipschitz == math.inf
        assert largest(activation.dsigma, -1e6, 1e6) == 2e6
    if name == "relu":
        assert activation.smoothness == math.inf
        # the slope jumps by 1 over any distance
        assert activation.dsigma(np.array(0.0)) - activation.dsigma(np.array(-1e-300)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_conditions_hold_where_the_paper_says(name):
    assert get(name).satisfies_condition_3_1 is (name not in ("relu", "square"))
    assert get(name).satisfies_condition_3_2 is (name not in ("relu", "square", "identity"))
    assert set(ACTIVATIONS) == set(NAMES)
    assert get(name).name == name
    assert get(get(name)) is get(name)
    assert isinstance(get(name), mgd.Activation)


def test_polynomials_have_their_degree_and_all_but_relu_are_analytic():
    for name in NAMES:
        assert get(name).polynomial_degree == {"identity": 1, "square": 2}.get(name)
        assert get(name).analytic is (name != "relu")


@pytest.mark.parametrize("name", ANALYTIC)
def test_apply_takes_complex_arrays_too(name):
    z = np.array([-2.0, 0.5, 3.0]) + 1e-30j
    value, slope = z.copy(), np.empty_like(z)
    get(name).apply(value, slope)
    np.testing.assert_array_equal(value, get(name).sigma(z))
    np.testing.assert_array_equal(slope, get(name).dsigma(z))
