"""The closed forms against 25 digits, sums over a grid, and what they become where a variance or a determinant is 0."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimal_gd import activations
from minimal_gd.gaussian import closed_forms

REFERENCES = json.loads(Path(__file__).with_name("references.json").read_text(encoding="utf-8"))
NAMES = ["erf", "gelu", "sincos", "relu", "identity", "square"]
SMOOTH = [name for name in NAMES if name != "relu"]
EPS = np.finfo(float).eps

# E[f(z)], z ~ N(0, 1), by the trapezoid rule: for what is smooth it errs by less than a rounding.
STEP = 0.05
Z = np.arange(-240, 241) * STEP
WEIGHTS = STEP * np.exp(-Z * Z / 2) / math.sqrt(2 * math.pi)
VARIANCES = [1e-3, 0.3, 1.0, 4.0]


def form(name):
    return activations.get(name).closed_form


def products(name, a, b, c):
    """Both products, for variances a (r,) and b (k,) and covariances (r, k)."""
    a, b, c = np.asarray(a, float)[None, :, None], np.asarray(b, float)[None, None], np.asarray(c, float)[None]
    product, slope = np.full_like(c, np.nan), np.full_like(c, np.nan)
    form(name).products(a, b, c, product, slope)
    return product[0], slope[0]


def moment(f, a):
    return WEIGHTS @ f(math.sqrt(a) * Z)


def slope(name, u):
    return activations.get(name).dsigma(u)


def curvature(name, u):
    """σ″, by the complex step."""
    return slope(name, u + 1e-30j).imag / 1e-30


@pytest.mark.parametrize("name", NAMES)
def test_products_and_means_are_those_of_25_digits(name):
    for reference in (reference for reference in REFERENCES if reference["activation"] == name):
        a, b, c = reference["abc"]
        exact = float(reference["product"]), float(reference["slope_product"])
        # as far from the truth as for variances that differ by some roundings; relu's slopes are steep at |ρ| = 1
        squares = [products(name, [v], [v], [[v]]) for v in (a, b)]
        norms = [math.sqrt(one.item() * other.item()) for one, other in zip(*squares, strict=True)]
        is_steep = name == "relu" and abs(c) > 0.99 * math.sqrt(a * b)
        errors = 64 * EPS, math.sqrt(64 * EPS) if is_steep else 64 * EPS
        for got, wanted, norm, error in zip(products(name, [a], [b], [[c]]), exact, norms, errors, strict=True):
            assert abs(got.item() - wanted) <= error * norm
        assert form(name).mean(np.array([a])) == pytest.approx(float(reference["mean"]), rel=8 * EPS, abs=0)


@pytest.mark.parametrize("name", SMOOTH)
def test_products_of_many_pairs_are_sums_over_a_grid(name):
    """v = c/√a z + √(b - c²/a) w with independent z and w."""
    known, a, b = activations.get(name), np.array([0.3, 1.0]), np.array([2.0, 0.7, 1.0])
    c = np.array([0.5, -0.9, 0.0])[None] * np.sqrt(np.outer(a, b))
    results = products(name, a, b, c)
    for i, k in np.ndindex(c.shape):
        along, across = c[i, k] / math.sqrt(a[i]), math.sqrt(b[k] - c[i, k] ** 2 / a[i])
        v = along * Z[:, None] + across * Z
        for f, result in zip((known.sigma, known.dsigma), results, strict=True):
            exact = WEIGHTS @ (f(math.sqrt(a[i]) * Z) * (f(v) @ WEIGHTS))
            assert result[i, k] == pytest.approx(exact, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_variance_of_0_leaves_the_value_at_0_times_the_mean(name):
    known = activations.get(name)
    at_0 = float(known.sigma(0.0)), float(known.dsigma(0.0))
    b = np.array([0.0, 1.0, 2.0])
    for rows, columns in (([0.0], b), (b, [0.0])):
        got = products(name, rows, columns, np.zeros((len(rows), len(columns))))
        means = form(name).mean(b), [moment(lambda u: slope(name, u), v) if v else at_0[1] for v in b]
        if name == "relu":
            means = means[0], [1, 0.5, 0.5]  # P(v ≥ 0)
        for result, value, mean in zip(got, at_0, means, strict=True):
            np.testing.assert_allclose(result.reshape(-1), value * np.array(mean), rtol=1e-13, atol=1e-16)


def test_without_an_angle_the_slopes_of_relu_are_1_2_for_every_variable_that_is_not_0():
    a = b = [0.0, 1.0, 4.0]
    product, both = products("relu", a, b, [[0, 0, 0], [0, 1, 1], [0, -1, 4]])
    # with θ = 0, arccos(1/2) and arccos(-1/2)
    np.testing.assert_allclose(both, [[1, 0.5, 0.5], [0.5, 0.5, 1 / 3], [0.5, 1 / 6, 0.5]], rtol=1e-14)
    np.testing.assert_array_equal(product[0], 0)
    np.testing.assert_array_equal(product[:, 0], 0)


@pytest.mark.parametrize("c", [1e-150, -1e-150])
def test_beside_a_variance_of_0_a_covariance_that_rounding_left_is_no_angle(c):
    for a, b in (([0.0], [1.0]), ([1.0], [0.0])):
        assert products("relu", a, b, [[c]])[1].item() == 0.5


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", SMOOTH)
def test_parallel_variables_whose_covariance_is_too_large_by_a_rounding_give_their_moments(name, sign):
    known, a = activations.get(name), 3.0
    got = products(name, [a], [a], [[sign * math.nextafter(a, 4)]])
    for result, f in zip(got, (known.sigma, known.dsigma), strict=True):
        exact = moment(lambda u, f=f: f(u) * f(sign * u), a)
        assert result.item() == pytest.approx(exact, rel=1e-13, abs=1e-13)
    assert name != "sincos" or got[0].item() <= 1


def test_a_determinant_is_not_negative():
    arguments = np.array([[2.0, 3.0, 1.0], [0.5, 0.5, 0.25], [1.0, 1.0, 1 + EPS], [4.0, 0.5, -1.0]]).T
    np.testing.assert_array_equal(closed_forms.determinant(*arguments), [5, 0.1875, 0, 1])


# ---------------------------------------------------------------------- how errors in a, b and c spread


@pytest.mark.parametrize("a", VARIANCES)
@pytest.mark.parametrize("name", NAMES)
def test_the_sensitivities_are_moments_of_the_derivatives(name, a):
    """Of gelu, uσ′(u) = σ(u) + u²Φ′(u): its own is the sum of two norms, by the triangle inequality."""
    known = form(name)
    radial = a / 2 if name == "relu" else moment(lambda u: (u * slope(name, u)) ** 2, a)
    if name == "gelu":
        value = moment(lambda u: activations.get(name).sigma(u) ** 2, a)
        rest = moment(lambda u: u**4 * np.exp(-u * u) / (2 * math.pi), a)
        assert radial <= (math.sqrt(value) + math.sqrt(rest)) ** 2
        radial = (math.sqrt(value) + math.sqrt(rest)) ** 2
    exact = {"radial": radial}
    if name == "relu":
        assert known.curvature is known.radial_curvature is None
    else:
        exact["curvature"] = moment(lambda u: curvature(name, u) ** 2, a)
        exact["radial_curvature"] = moment(lambda u: (u * curvature(name, u)) ** 2, a)
    for key, value in exact.items():
        assert getattr(known, key)(np.full(2, a)) == pytest.approx(np.full(2, value), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("eta", "rho", "low", "high"),
    [(0.1, 0.5, 0.4, 0.6), (0.1, 0.95, 0.8, 1.0), (0.25, 1.0, 0.5, 1.0), (1e-3, 0.0, -1e-3, 1e-3), (1.5, 1.0, -1, 1)],
)
def test_the_slopes_of_relu_move_by_the_angle_between_the_ends_of_twice_the_step(eta, rho, low, high):
    exact = (math.acos(low) - math.acos(high)) / math.pi
    assert closed_forms.relu_slope_modulus(eta, rho) == pytest.approx(exact, rel=1e-13)


@given(st.floats(-0.999, 0.999), st.floats(1e-16, 1e-3))
def test_no_step_within_the_largest_correlation_moves_the_slopes_of_relu_by_more(rho, eta):
    reach = abs(rho)
    moved = min(max(rho + eta, -reach), reach)
    before, after = products("relu", [1], [1, 1], [[rho, moved]])[1][0]
    assert 2 * abs(before - after) <= closed_forms.relu_slope_modulus(eta, reach) + 1e-15


def test_no_other_form_claims_how_far_its_slopes_move_but_by_its_curvature():
    for name in SMOOTH:
        assert form(name).slope_modulus(1e-3, 0.5) == math.inf
