"""Activations that a user hands in as σ and σ′."""

import math

import numpy as np
import pytest
from numpy.polynomial import Polynomial

import minimal_gd as mgd
from minimal_gd.activations.derivative_check import require_derivative

CUBIC = Polynomial([1.0, 0.0, -0.5, 0.1])
DTYPES = [np.float32, np.float64]


def bell_slope(z):
    return np.cosh(z) ** -2.0


def leaky(z):
    return np.where(z > 0, z, z / 100)


def leaky_slope(z):
    return np.where(z > 0, 1.0, 0.01)


OWN = {
    "leaky relu": (leaky, leaky_slope),
    "sin 5z": (lambda z: np.sin(5 * z), lambda z: 5 * np.cos(5 * z)),
    "z tanh z": (lambda z: z * np.tanh(z), lambda z: np.tanh(z) + z * bell_slope(z)),
    "exp": (np.exp, np.exp),
    "cube": (lambda z: z**3, lambda z: 3 * z**2),
    "a polynomial of NumPy": (CUBIC, CUBIC.deriv()),  # which has no hash
    "hard tanh": (lambda z: np.clip(z, -1, 1), lambda z: np.abs(z) < 1),
}


@pytest.mark.parametrize("name", OWN)
def test_ones_own_activation_is_taken_when_its_slope_is_right(name):
    sigma, dsigma = OWN[name]
    own = mgd.Activation(sigma, dsigma, name)
    z = np.random.default_rng(0).standard_normal(10_000)
    np.testing.assert_array_equal(own.sigma(z), sigma(z))
    np.testing.assert_array_equal(own.dsigma(z), dsigma(z))
    assert own.satisfies_condition_3_2 is None
    net = mgd.FullyConnected(3, 4, 2, own)
    params, X, y = net.init(0), mgd.data.sphere(5, 3, 0), np.zeros(5)
    exact = mgd.gradcheck.gradient_by(mgd.gradcheck.central_difference, net, params, X, y)
    # ε^(2/3) = 4e-11 times third derivatives of up to 125 in a few layers
    assert mgd.gradcheck.relative_error(net.gradient(params, X, y), exact) < 1e-6


WRONG = {
    "a factor of 1.001": lambda z: 1.001 * bell_slope(z),
    "the sign": lambda z: -bell_slope(z),
    "a shift": lambda z: bell_slope(z) + 0.001,
    "a shift of z": lambda z: bell_slope(z + 0.01),
    "z > 5": lambda z: np.where(z > 5, 0.001, bell_slope(z)),
    "always one": lambda z: np.ones_like(z),
}


@pytest.mark.parametrize("dsigma", WRONG.values(), ids=WRONG)
def test_a_wrong_slope_is_refused_with_both_values(dsigma):
    with pytest.raises(
        ValueError, match=r"dsigma.*'mine' at z = \S+ dsigma gives \S+ and differences .* give \S+"
    ) as error:
        mgd.Activation(np.tanh, dsigma, "mine")
    words = str(error.value).split()
    z, stated, measured = (float(words[words.index(word) + 1 + (word == "z")]) for word in ("z", "gives", "give"))
    assert stated == pytest.approx(float(dsigma(np.array(z))), rel=1e-4, abs=1e-7)  # six digits of z are printed
    assert measured == pytest.approx(float(bell_slope(np.array(z))), rel=1e-4, abs=1e-7)


def test_of_all_wrong_places_the_worst_is_named():
    """Right up to 1, the sign wrong beyond: worst at the first point after 1."""
    with pytest.raises(ValueError, match=r"at z = 1\.0"):
        mgd.Activation(np.tanh, lambda z: np.where(z > 1, -bell_slope(z), bell_slope(z)))
    # the largest sum of both is at 0, the largest difference after 1
    with pytest.raises(ValueError, match=r"at z = 1\.0"):
        mgd.Activation(np.tanh, lambda z: np.where(z > 1, -bell_slope(z), bell_slope(z) + 0.001))


def test_a_slope_may_be_off_by_a_ten_millionth_of_itself_and_of_the_largest():
    linear = lambda z: 3 * z  # noqa: E731
    require_derivative(linear, lambda z: np.full(z.shape, 3 + 3 * 1.9e-7), "mine")
    with pytest.raises(ValueError, match="dsigma must be the derivative of sigma"):
        require_derivative(linear, lambda z: np.full(z.shape, 3 + 3 * 2.1e-7), "mine")


def test_differences_of_large_values_may_be_off_by_their_rounding():
    require_derivative(lambda z: z + 1e6, np.ones_like, "far up")
    with pytest.raises(ValueError, match="dsigma must be the derivative of sigma"):
        require_derivative(lambda z: z + 1e6, lambda z: np.full(z.shape, 1 + 3e-5), "far up")


def test_a_function_that_is_zero_everywhere_has_slope_zero():
    assert require_derivative(np.zeros_like, np.zeros_like, "nothing") == (0, 0)


def test_the_largest_slopes_seen_are_returned():
    slope, curvature = require_derivative(np.tanh, bell_slope, "tanh")
    assert slope == pytest.approx(1, rel=1e-3)
    assert curvature == pytest.approx(4 / math.sqrt(27), rel=1e-3)  # of tanh″ at artanh(1/√3)


def test_an_activation_is_looked_at_at_354_points_of_10_to_both_sides_and_close_by():
    seen = {"sigma": [], "dsigma": []}

    def sigma(z):
        seen["sigma"].append(z.copy())
        return np.tanh(z)

    def dsigma(z):
        seen["dsigma"].append(z.copy())
        return bell_slope(z)

    require_derivative(sigma, dsigma, "tanh")
    points = seen["dsigma"][0]
    assert points.shape == (354,)
    assert 9.98 < -points[0] == points[-1] < 10
    np.testing.assert_allclose(np.diff(points), math.sqrt(2) / 25)
    shifts = {name: sorted({round((z - points)[0] * 2**15, 6) for z in zs}) for name, zs in seen.items()}
    assert shifts == {"sigma": [-2, -1, 0, 1, 2], "dsigma": [-2, 0, 2]}


@pytest.mark.parametrize("scale", [1e-6, 1e-9, 1e9])
def test_a_scaled_activation_is_held_to_the_same_standard(scale):
    own = mgd.Activation(lambda z: scale * np.tanh(z), lambda z: scale * bell_slope(z))
    assert own.c_sigma == pytest.approx(mgd.activations.get("tanh").c_sigma / scale**2, rel=1e-12, abs=0)
    with pytest.raises(ValueError, match="dsigma"):
        mgd.Activation(lambda z: scale * np.tanh(z), lambda z: 1.001 * scale * bell_slope(z))


@pytest.mark.parametrize(
    ("bad", "error", "fragment"),
    [
        ("tanh", TypeError, "function.* got str"),
        (None, TypeError, "function.* got NoneType"),
        (lambda z: z[:-1], ValueError, "shape"),
        (lambda z: z.sum(), ValueError, "shape"),
        (lambda z: z[:, None], ValueError, "shape"),
        (lambda z: z + 0j, TypeError, "real.*complex128"),
        (lambda z: None, TypeError, "real.*object"),
        (lambda z: z.astype(str), TypeError, "real.*<U"),
        (lambda z: np.where(z > 9, np.nan, z), ValueError, "finite.*nan at z = 9"),
        (lambda z: np.where(z > 9, np.inf, z), ValueError, "finite.*inf at z = 9"),
        (lambda z: np.where(z > 9.05, np.inf, np.where(z > 9, np.nan, z)), ValueError, "finite.*nan at z = 9"),
        (math.tanh, TypeError, "array"),  # takes one number only
    ],
)
@pytest.mark.parametrize("which", ["sigma", "dsigma"])
def test_what_does_not_map_real_arrays_to_real_arrays_is_refused(which, bad, error, fragment):
    functions = {"sigma": np.tanh, "dsigma": bell_slope} | {which: bad}
    with pytest.raises(error, match=rf"(?s)^{which} .*{fragment}"):
        mgd.Activation(**functions)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": 3}, TypeError),
        ({"lipschitz": -1}, ValueError),
        ({"smoothness": math.nan}, ValueError),
        ({"lipschitz": "1"}, TypeError),
        ({"analytic": 1}, TypeError),
        ({"polynomial_degree": 2.0}, TypeError),
    ],
)
def test_wrong_properties_of_ones_own_activation_are_refused(options, error):
    with pytest.raises(error, match=next(iter(options))):
        mgd.Activation(np.tanh, bell_slope, **options)


def test_an_activation_that_writes_to_its_argument_is_refused():
    with pytest.raises(TypeError, match="sigma must be a function of an array that leaves it as it is"):
        mgd.Activation(lambda z: np.tanh(z, out=z), bell_slope)
    with pytest.raises(TypeError, match="dsigma must be a function of an array that leaves it as it is"):
        mgd.Activation(np.tanh, lambda z: np.square(np.cosh(z, out=z)) ** -1)


def test_ones_own_activation_keeps_dtypes_whatever_it_returns():
    own = mgd.Activation(lambda z: np.float64(2) * np.maximum(z, 0) * np.ones(z.shape), lambda z: 2 * (z > 0))
    for dtype in DTYPES:
        assert own.sigma(np.ones(3, dtype)).dtype == dtype
        assert own.dsigma(np.ones(3, dtype)).dtype == dtype


def test_no_condition_is_claimed_that_was_not_shown():
    # leaky relu is not smooth, exp not Lipschitz: a grid over [-10, 10] cannot see either
    assert mgd.Activation(*OWN["leaky relu"]).satisfies_condition_3_1 is not True
    assert mgd.Activation(*OWN["exp"]).satisfies_condition_3_1 is not True
    stated = mgd.Activation(np.tanh, bell_slope, lipschitz=1, smoothness=0.77, analytic=True)
    assert stated.satisfies_condition_3_1 is True
    assert stated.satisfies_condition_3_2 is True


def test_properties_that_were_stated_are_kept_and_the_others_are_measured_or_not_known():
    bare = mgd.Activation(np.tanh, bell_slope)
    assert bare.name == "custom"
    assert repr(bare) == "Activation('custom')"
    assert (bare.analytic, bare.polynomial_degree, bare.closed_form) == (None, None, None)
    # sup |tanh′| = 1 and sup |tanh″| = 4/(3√3), on a grid of step 0.06
    assert 0.99 < bare.lipschitz <= 1
    assert 0.99 < bare.smoothness / (4 / (3 * math.sqrt(3))) <= 1
    form = mgd.activations.get("identity").closed_form
    constants = {"lipschitz": 3, "smoothness": 0, "analytic": False, "polynomial_degree": 0, "closed_form": form}
    stated = mgd.Activation(np.positive, np.ones_like, "mine", **constants)
    assert (stated.name, stated.lipschitz, stated.smoothness) == ("mine", 3, 0)
    assert (stated.analytic, stated.polynomial_degree, stated.closed_form) == (False, 0, form)
    assert type(stated.lipschitz) is type(stated.smoothness) is float


def test_a_closed_form_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"^closed_form must be a ClosedForm, got str 'erf'$"):
        mgd.Activation(np.tanh, bell_slope, closed_form="erf")


def test_a_bound_is_any_number_from_0_to_infinity():
    for bound in (0, 0.5, 1, 7.25, math.inf):
        own = mgd.Activation(np.tanh, bell_slope, lipschitz=bound, smoothness=bound)
        assert (own.lipschitz, own.smoothness) == (bound, bound)
    for bad in (-1e-300, -math.inf, math.nan):
        with pytest.raises(ValueError, match=r"^lipschitz must be a number ≥ 0, or inf, got"):
            mgd.Activation(np.tanh, bell_slope, lipschitz=bad)


def test_a_condition_is_known_only_if_both_constants_are():
    for constants, holds in [
        ({"lipschitz": 1}, None),
        ({"smoothness": 1}, None),
        ({"lipschitz": 1, "smoothness": 1}, True),
        ({"lipschitz": math.inf, "smoothness": 1}, False),
        ({"lipschitz": 1, "smoothness": math.inf}, False),
    ]:
        assert mgd.Activation(np.tanh, bell_slope, **constants).satisfies_condition_3_1 is holds


def test_a_sigma_that_vanishes_everywhere_has_no_c_sigma():
    nothing = mgd.Activation(np.zeros_like, np.zeros_like, "nothing")
    with pytest.raises(
        ValueError, match=r"^sigma must have a second moment .* not 0, got 0.0 for Activation\('nothing'\)"
    ):
        _ = nothing.c_sigma


@pytest.mark.parametrize("size", [1, 100, 16384, 16385, 40000])
def test_apply_takes_arrays_of_any_size_in_place_with_a_factor_of_1_unless_told(size):
    own = mgd.Activation(np.tanh, bell_slope)
    start = np.random.default_rng(size).standard_normal((size, 1))
    for arguments, scale in (((), 1.0), ((0.5,), 0.5)):
        z, slope = start.copy(), np.full_like(start, np.nan)
        own.apply(z, slope, *arguments)
        np.testing.assert_array_equal(z, scale * np.tanh(start))
        np.testing.assert_array_equal(slope, scale * bell_slope(start))
