"""Gaussian expectations of one's own activations, however narrow: no stated error is below the true one."""

import math

import numpy as np
import pytest
from exact_limits import EXACT, exact_limits
from mpmath import mp, mpf
from scipy import special

import minimal_gd as mgd
from minimal_gd.gaussian import piecewise
from minimal_gd.limits.expectations import moments, pair_expectations
from minimal_gd.limits.moments import Accuracy

mp.dps = 40


@pytest.fixture(autouse=True)
def few_cells(monkeypatch):
    """A proof with fewer cells has larger errors, and is as true."""
    monkeypatch.setattr(piecewise, "_MOST_CELLS", 2**19)


STEEPNESS = [1.0, 30.0, 5e3, 1e6]


def own_erf(b, stated):
    constants = {"lipschitz": 2 * b / math.sqrt(math.pi), "smoothness": math.sqrt(8 / (math.pi * math.e)) * b * b}
    return mgd.Activation(
        lambda z: special.erf(b * z),
        lambda z: 2 * b / math.sqrt(math.pi) * np.exp(-((b * z) ** 2)),
        **(constants if stated else {}),
    )


def wave(omega, stated):
    constants = {"lipschitz": math.sqrt(2) * omega, "smoothness": math.sqrt(2) * omega**2}
    return mgd.Activation(
        lambda z: np.sin(omega * z) + np.cos(omega * z),
        lambda z: omega * (np.cos(omega * z) - np.sin(omega * z)),
        **(constants if stated else {}),
    )


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("b", STEEPNESS)
def test_a_steep_erf_is_within_its_error_of_the_arcsine(b, stated):
    _, product, slope_product, _ = EXACT["erf"]
    for rho in (-0.9, 0.3, 1.0):
        result = pair_expectations(own_erf(b, stated), 1.0, 1.0, rho)
        a, c = mpf(b) ** 2, mpf(b) ** 2 * mpf(rho)
        assert abs(result.product - product(a, a, c)) <= result.product_error
        exact = a * slope_product(a, a, c)
        assert abs(result.slope_product - exact) <= result.slope_error
        if abs(rho) < 1 and b < (100 if stated else 1e4):
            assert result.product_error <= (1e-6 if stated else 1e-9)
            assert stated or result.slope_error <= 1e-8 * exact


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("omega", [1.0, 30.0, 300.0])
def test_a_fast_wave_is_within_its_error_of_the_exponential(omega, stated):
    act = wave(omega, stated)
    for a, b, rho in ((1.0, 1.0, 0.999), (1.0, 1.0, 1.0), (0.25, 1.0, -0.5)):
        c = rho * math.sqrt(a * b)
        result = pair_expectations(act, a, b, c)
        exact = mp.exp(-(mpf(omega) ** 2) * (mpf(a) + mpf(b) - 2 * mpf(c)) / 2)
        assert abs(result.product - exact) <= result.product_error
        assert abs(result.slope_product - omega**2 * exact) <= result.slope_error


def test_a_wave_that_is_too_fast_is_refused_with_the_scale_or_has_an_error_that_says_so():
    with pytest.raises(ValueError, match=r"cannot be resolved near z = .*, not even at the scale of .*: name"):
        _ = wave(1e6, stated=False).c_sigma
    result = pair_expectations(wave(1e6, stated=True), 1.0, 1.0, 1.0)
    assert abs(result.product - 1) <= result.product_error
    assert abs(result.slope_product - 1e12) <= result.slope_error


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("b", [2.0, 5e3])
@pytest.mark.parametrize("kind", [mgd.FullyConnected, mgd.ResNet])
@pytest.mark.filterwarnings("ignore:the limits of")
def test_a_steep_erf_within_three_layers_is_within_the_error(kind, b, stated):
    """erf(bz) as a net's σ is erf as the σ of inputs and weights b times as large: all in 40 digits."""
    mean, product, slope_product, _ = EXACT["erf"]
    scaled = (
        mean,
        lambda a, c, d: product(b * b * a, b * b * c, b * b * d),
        lambda a, c, d: b * b * slope_product(b * b * a, b * b * c, b * b * d),
        1 / (2 / mp.pi * mp.asin(2 * mpf(b) ** 2 / (1 + 2 * mpf(b) ** 2))),
    )
    EXACT["own"] = scaled
    net = kind(3, 1, 3, own_erf(b, stated))
    X = mgd.data.sphere(2, 3, seed=0)
    K, error = mgd.gram.limiting(net, X)
    for computed, exact in zip(K[:, 0, 1], exact_limits(net, "own", X), strict=True):
        assert abs(mpf(float(computed)) - exact) <= error


def bumped(width, place, stated):
    """tanh is left out: 1 + 30 e^(-((z - place)/width)²)."""
    constants = {"lipschitz": 30 / width, "smoothness": 60 / width**2}
    return mgd.Activation(
        lambda z: 1 + 30 * np.exp(-(((z - place) / width) ** 2)),
        lambda z: -60 * (z - place) / width**2 * np.exp(-(((z - place) / width) ** 2)),
        **(constants if stated else {}),
    )


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("width", [0.3, 1e-3])
def test_a_narrow_bump_is_seen_wherever_it_is(width, stated):
    """E[e^(-((z - t)/w)²)] = e^(-t²/(2 + w²)) / √(1 + 2/w²), and its square has w/√2."""
    for place in np.random.default_rng(1).uniform(-2, 2, 3):
        w, t = mpf(width), mpf(place)

        def bell(w, t=t):
            return mp.exp(-(t**2) / (1 + w * w / 2) / 2) / mp.sqrt(1 + 2 / w**2)

        exact = 1 + 60 * bell(w) + 900 * bell(w / mp.sqrt(2))
        result = moments(bumped(width, place, stated), np.ones((1, 1)), Accuracy(tail=1e-13))
        assert abs(result.second_moment.item() - exact) <= result.errors.second_moment * exact
        if not stated:
            assert result.errors.second_moment <= 1e-9
        c_sigma = bumped(width, place, stated).c_sigma
        assert abs(c_sigma * exact - 1) <= result.errors.second_moment


def test_a_bump_between_the_places_that_are_looked_at_is_within_what_the_constants_allow():
    act = bumped(1e-6, 0.7001234567, stated=True)
    exact = 1 + 900 * math.sqrt(math.pi / 2) * 1e-6 * math.exp(-0.49 / 2) / math.sqrt(2 * math.pi)
    result = moments(act, np.ones((1, 1)), Accuracy(tail=1e-13))
    assert abs(result.second_moment.item() - exact) <= result.errors.second_moment * result.second_moment.item()
    slopes = 900 / 1e-6 * math.sqrt(math.pi / 2) * math.exp(-0.49 / 2) / math.sqrt(2 * math.pi)
    assert slopes <= result.slope_moment.item() * (1 + result.errors.slope_product)


def test_a_lipschitz_constant_alone_leaves_its_square_open():
    act = mgd.Activation(np.tanh, lambda z: np.cosh(z) ** -2.0, lipschitz=1.0, smoothness=math.inf)
    result = moments(act, np.ones((1, 1)), Accuracy(tail=1e-13))
    assert result.errors.slope_product * result.slope_moment.item() >= 1.0 - result.slope_moment.item()


@pytest.mark.parametrize("constants", [{}, {"lipschitz": 1.0, "smoothness": 0.0}], ids=["bare", "stated"])
@pytest.mark.parametrize("place", [0.0, 0.7312])
def test_a_kink_that_is_named_costs_no_precision_of_single_expectations(place, constants):
    act = mgd.Activation(
        lambda z: np.maximum(z - place, 0), lambda z: np.where(z > place, 1.0, 0.0), kinks=(place,), **constants
    )
    assert act.smoothness == math.inf
    result = moments(act, np.ones((1, 1)), Accuracy(tail=1e-13, correlation=0.0))
    t = mpf(place)
    above, density = mp.ncdf(-t), mp.npdf(t)
    exact = (1 + t * t) * above - t * density
    assert abs(result.second_moment.item() - exact) <= result.errors.second_moment * exact
    assert abs(result.slope_moment.item() - above) <= result.errors.slope_product * above
    assert result.errors.second_moment <= 1e-12
    assert abs(act.c_sigma * exact - 1) <= 1e-13


@pytest.mark.parametrize(("bad", "error"), [(0.5, TypeError), (["0"], TypeError), ([math.nan], ValueError)])
def test_kinks_that_are_no_places_are_refused(bad, error):
    with pytest.raises(error, match=r"^kinks must be an iterable of finite numbers"):
        mgd.Activation(np.tanh, lambda z: np.cosh(z) ** -2.0, kinks=bad)


def test_a_pole_is_named():
    act = mgd.Activation(lambda z: 1 / z, lambda z: -1 / z**2)
    with pytest.raises(ValueError, match="must be finite wherever it is integrated"):
        _ = act.c_sigma


@pytest.mark.parametrize("slope", [0.01, 0.3, -1.0, 0.0])
def test_a_leaky_relu_and_the_modulus_have_a_closed_form_that_polynomials_agree_with(slope):
    closed = mgd.activations.leaky_relu(slope)
    own = mgd.Activation(closed.sigma, closed.dsigma, kinks=(0.0,), lipschitz=1.0, smoothness=0.0)
    for a, b, rho in ((1.0, 1.0, 0.5), (0.3, 2.0, -0.8), (1.0, 4.0, 0.0)):
        c = rho * math.sqrt(a * b)
        first, second = (pair_expectations(act, a, b, c) for act in (closed, own))
        assert abs(first.product - second.product) <= first.product_error + second.product_error
        assert abs(first.slope_product - second.slope_product) <= first.slope_error + second.slope_error
        assert max(first.product_error, first.slope_error) <= 1e-13
    at_zero = pair_expectations(closed, 0.0, 1.0, 0.0)
    assert (at_zero.product, at_zero.slope_product) == (0, (1 + slope) / 2)
    assert closed.c_sigma == pytest.approx(2 / (1 + slope**2), rel=1e-14)


@pytest.mark.filterwarnings("ignore:the limits of")
@pytest.mark.parametrize("name", ["tanh", "softplus"])
def test_samples_of_300_norms_have_the_limits_that_a_few_of_them_have(name):
    X = mgd.data.sphere(300, 3, seed=0) * np.linspace(0.2, 2, 300)[:, None]
    net = mgd.FullyConnected(3, 1, 2, name)
    some = [0, 57, 133, 299]
    all_of_them, error = mgd.gram.limiting(net, X)
    few, few_error = mgd.gram.limiting(net, X[some])
    assert (abs(all_of_them[:, some][:, :, some] - few) <= error + few_error).all()
    assert max(error, few_error) <= 1e-9


def test_a_long_series_and_a_short_one_meet_within_the_error():
    """E[sin(3u) v] = 3 e^(-9a/2) c: one coefficient is enough for v, not for sin 3u."""
    for c in (0.5, 0.9, 1.0):
        for f, g in ((lambda u: np.sin(3 * u), lambda v: v), (lambda v: v, lambda u: np.sin(3 * u))):
            value, error = mgd.gaussian.product(f, g, 1.0, 1.0, c)
            assert abs(value - 3 * math.exp(-4.5) * c) <= error <= 1e-11


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_a_short_series_is_continued_where_the_other_is_long(tolerance):
    """E[sin u sin 3v] = e^(-(a + 9b)/2) sinh 3c; the coefficients that sin u could do without meet large ones."""
    for c in (0.5, 1.0):
        exact = math.exp(-5) * math.sinh(3 * c)
        for f, g in ((np.sin, lambda v: np.sin(3 * v)), (lambda u: np.sin(3 * u), np.sin)):
            value, error = mgd.gaussian.product(f, g, 1.0, 1.0, c, tolerance=tolerance)
            assert abs(value - exact) <= error <= tolerance


def test_floating_point_flags_of_the_user_raise_nothing():
    with np.errstate(all="raise"):
        act = mgd.Activation(np.tanh, lambda z: np.cosh(z) ** -2.0)
        K, _ = mgd.gram.limiting(mgd.FullyConnected(3, 1, 2, act), 1e-60 * mgd.data.sphere(3, 3, seed=0))
        assert np.isfinite(K).all()
        mgd.activations.get("gelu").sigma(np.array([-38.5, -1e-300]))


SHARP = {
    "tanh": (
        lambda b: (
            lambda z: np.tanh(b * z),
            lambda z: b * (2 * np.exp(-b * abs(z)) / (1 + np.exp(-2 * b * abs(z)))) ** 2,
        ),
        lambda b: (lambda z: mp.tanh(b * z), lambda z: b * mp.sech(b * z) ** 2),
        lambda b: (b, 0.77 * b * b),
    ),
    "softplus": (
        lambda b: (lambda z: np.logaddexp(0, b * z) / b, lambda z: special.expit(b * z)),
        lambda b: (
            lambda z: (mp.log1p(mp.exp(-abs(b * z))) + max(b * z, 0)) / b,
            lambda z: 1 / (1 + mp.exp(-b * z)),
        ),
        lambda b: (1.0, b / 4),
    ),
}


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("b", [1.0, 5e3, 1e6])
@pytest.mark.parametrize("name", SHARP)
def test_a_sharp_activation_is_within_its_errors_of_mpmath(name, b, stated):
    own, exact, constants = SHARP[name]
    known = dict(zip(("lipschitz", "smoothness"), constants(b), strict=True)) if stated else {}
    act = mgd.Activation(*own(b), **known)
    result = moments(act, np.ones((1, 1)), Accuracy(tail=1e-13, correlation=0.0))
    points = [sign * 10 ** mpf(power) / b for sign in (-1, 1) for power in (0, 1, 2)]
    points = sorted({mpf(-12), mpf(0), mpf(12), *(point for point in points if abs(point) < 12)})
    with mp.workdps(25):
        for f, value, error in (
            (exact(b)[0], result.second_moment.item(), result.errors.second_moment),
            (exact(b)[1], result.slope_moment.item(), result.errors.slope_product),
        ):
            truth = mp.quad(lambda z, f=f: f(z) ** 2 * mp.npdf(z), points)
            assert abs(value - truth) <= error * value + 1e-14 * truth  # what is outside of ±12, and mpmath's own
            assert stated or error <= 1e-9


@pytest.mark.filterwarnings("ignore:the limits of")
@pytest.mark.parametrize("stated", [False, True])
def test_a_convolution_with_ones_own_erf_has_the_limits_of_the_closed_form(stated):
    X = np.random.default_rng(0).standard_normal((3, 1, 4))
    (K, error), (exact, its_error) = (
        mgd.gram.limiting(mgd.ConvResNet((1, 4), 1, 3, (3,), act), X) for act in (own_erf(1.0, stated), "erf")
    )
    assert abs(K - exact).max() <= error + its_error
    assert error <= (1e-3 if stated else 1e-9)


def test_a_built_in_activation_of_large_inputs_is_as_steep_as_ones_own():
    X = mgd.data.sphere(3, 3, seed=0)
    K, error = mgd.gram.limiting(mgd.FullyConnected(3, 1, 1, "tanh"), 1e4 * X)
    own = mgd.Activation(*SHARP["tanh"][0](1e4))
    L, its_error = mgd.gram.limiting(mgd.FullyConnected(3, 1, 1, own), X)
    scale = mgd.activations.get("tanh").c_sigma / own.c_sigma
    assert abs(K - scale * L).max() <= error + scale * its_error + 1e-13 * K.max()
    assert error <= 1e-9 * K.max()


class Hidden:
    """σ′ = 1 + wiggles, tents of slope ±S that are 0 wherever a slope of 1 is looked at: at the middles of all cells of
    all panels, and between the middles that have one of Chebyshev's points between them."""

    def __init__(self, smoothness, alternating):
        scales = piecewise.Scales.of(np.ones(1))
        edges = piecewise._first_edges(scales, ())
        cells = piecewise._cells(edges[:-1], edges[1:], scales)
        h = np.diff(edges) / cells
        seen = (piecewise._points()[0] + 1) / 2
        places, halves, signs = [], [], []
        for low, width, count in zip(edges, h, cells, strict=False):
            between = np.setdiff1d(np.arange(1, count), np.rint(seen * count))
            places.append(low + between * width)
            halves.append(np.full(len(between), width / 2))
            signs.append((-1.0) ** between if alternating else np.ones(len(between)))
        self.places, self.halves, self.signs = (np.concatenate(parts) for parts in (places, halves, signs))
        self.heights = smoothness * self.halves
        self.areas = self.signs * self.heights * self.halves
        before = np.append(0, np.cumsum(self.areas))
        self.before = before - before[np.searchsorted(self.places, 0.0)]
        self.activation = mgd.Activation(
            self.sigma, self.dsigma, lipschitz=1 + self.heights.max(), smoothness=smoothness
        )

    def _near(self, z):
        """The tent that z may be in, and how far it is through it, from -1 to 1."""
        last = np.clip(np.searchsorted(self.places + self.halves, z), 0, len(self.places) - 1)
        return last, np.clip((z - self.places[last]) / self.halves[last], -1, 1)

    def dsigma(self, z):
        which, share = self._near(z)
        return 1 + self.signs[which] * self.heights[which] * (1 - abs(share))

    def sigma(self, z):
        which, share = self._near(z)
        return z + self.before[which] + self.areas[which] * (0.5 + share - np.sign(share) * share**2 / 2)


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("smoothness", [1.0, 100.0, 1e4])
def test_wiggles_between_all_places_that_are_looked_at_are_within_what_the_constants_allow(smoothness, alternating):
    """E[σ′²] by the integrals of single tents, in which the density hardly changes; E[σ²] by a rule that is as fine."""
    hidden = Hidden(smoothness, alternating)
    _, single, _ = hidden.activation.expansions(np.ones(1), math.inf)  # the cells are not made smaller
    density = np.exp(-(hidden.places**2) / 2) / math.sqrt(2 * math.pi)
    slopes = 1 + density @ (2 * hidden.areas + hidden.heights**2 * 2 / 3 * hidden.halves)
    true_error = abs(single.slope_moment.item() - slopes)
    assert true_error <= single.slope_error * single.slope_moment.item()
    assert alternating or true_error >= 0.01 * single.slope_error

    x = np.linspace(-12, 12, 2**20)
    square = np.sum(hidden.sigma(x) ** 2 * np.exp(-(x**2) / 2)) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    norms = math.sqrt(single.second_moment.item()), math.sqrt(square)
    assert abs(norms[0] - norms[1]) <= single.error.item() + 1e-13
    assert hidden.activation.c_sigma == pytest.approx(1 / norms[0] ** 2, rel=1e-15)


def test_the_misfit_that_is_proven_is_what_both_curvatures_add_within_half_a_cell():
    """Of z²/2, with q = z and q′ = 1, and |σ″| ≤ 2: e′ grows by 3h/2 up to half a cell away, and e by 3h²/8."""
    scales = piecewise.Scales.of(np.ones(1))
    target = piecewise.Target(lambda z: z * z / 2, lambda z: z, (), "the half of a square")
    pieces, _ = piecewise.resolve(target, scales, True)
    h = (pieces.high - pieces.low) / piecewise._cells(pieces.low, pieces.high, scales, 1)
    misfit = piecewise.bounded(target, pieces, scales, piecewise.Bounds(math.inf, 2.0), 1)
    np.testing.assert_allclose(misfit.slope, 3 * h / 2, rtol=1e-8)
    np.testing.assert_allclose(misfit.value, 3 * h * h / 8, rtol=1e-3)
