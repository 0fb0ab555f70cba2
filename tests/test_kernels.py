"""The kernels against NumPy, compiled and as plain Python; the latter is what a run without numba's JIT tests."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from two_forms import both, plain

from minimal_gd.limits import kernels
from minimal_gd.networks import patches
from minimal_gd.testing.strategies import seeds, sizes

EPS = np.finfo(float).eps
TESTS = Path(__file__).parent


def test_the_tests_of_the_kernels_pass_as_plain_python():
    files = [str(TESTS / name) for name in ("test_kernels.py", "test_angles.py", "test_fused.py")]
    others = f"not {test_the_tests_of_the_kernels_pass_as_plain_python.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
    run = subprocess.run(
        [*command, "-k", others, *files],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=TESTS.parent,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]


# ---------------------------------------------------------------------- patches

odd = st.sampled_from([1, 3, 5])


@given(st.data())
def test_a_patch_holds_its_pixels_channel_by_channel(data):
    """Every entry of φ(x), by numpy's pad: channel c at offset κ is column c·q + κ."""
    rows, columns, channels, n = (data.draw(sizes) for _ in range(4))
    window = data.draw(odd), data.draw(odd)
    x = np.random.default_rng(data.draw(seeds)).standard_normal((n, rows, columns, channels))
    padded = np.pad(x, [(0, 0), *((q // 2, q // 2) for q in window), (0, 0)])
    for im2col in both(patches.im2col):
        phi = np.full((n * rows * columns, channels * window[0] * window[1]), np.nan)
        im2col(x.reshape(-1, channels), (rows, columns), window, phi)
        for (i, row, column), patch in zip(np.ndindex(n, rows, columns), phi, strict=True):
            expected = padded[i, row : row + window[0], column : column + window[1]]
            np.testing.assert_array_equal(patch, np.moveaxis(expected, -1, 0).reshape(-1))


@given(st.data())
def test_col2im_is_the_transpose_of_im2col(data):
    """⟨φ(x), z⟩ = ⟨x, φᵀ(z)⟩, and what was there is added to."""
    grid, window = (data.draw(sizes), data.draw(sizes)), (data.draw(odd), 3)
    rng = np.random.default_rng(data.draw(seeds))
    x = rng.standard_normal((2 * grid[0] * grid[1], 3))
    z = rng.standard_normal((len(x), 3 * window[0] * window[1]))
    for im2col, add_col2im in zip(both(patches.im2col), both(patches.add_col2im), strict=True):
        phi, transposed = np.empty_like(z), np.ones_like(x)
        im2col(x, grid, window, phi)
        add_col2im(z, grid, window, transposed)
        assert np.sum(phi * z) == pytest.approx(np.sum(x * (transposed - 1)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", ["im2col", "add_col2im"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_patches_are_the_same_compiled_and_as_plain_python(name, dtype):
    rng = np.random.default_rng(0)
    x, phi = rng.standard_normal((24, 2)).astype(dtype), rng.standard_normal((24, 30)).astype(dtype)
    results = []
    for function in both(getattr(patches, name)):
        arrays = (x.copy(), phi.copy())
        first, last = arrays if name == "im2col" else arrays[::-1]
        function(first, (4, 3), (3, 5), last)
        results.append(last)
    np.testing.assert_array_equal(*results)


def test_beside_the_image_there_is_no_row():
    for source_row in both(patches.source_row):
        # row 7 is the second pixel in the first row of the second image of 2 · 3
        around = [source_row(7, offset, (2, 3), (3, 3)) for offset in range(9)]
        assert around == [-1] * 3 + [6, 7, 8, 9, 10, 11]
    assert patches.OUTSIDE == -1


# ---------------------------------------------------------------------- series

shapes = st.tuples(sizes, sizes, sizes)


@given(shapes, seeds)
def test_correlations_are_quotients_between_minus_one_and_one(shape, seed):
    rng = np.random.default_rng(seed)
    covariance, first, second = rng.standard_normal(shape), rng.random(shape[:2]), rng.random((shape[0], shape[2]))
    covariance.flat[0], first.flat[0], second.flat[0] = rng.choice([-1.5, 1.5]), 1, 1
    for correlations in both(kernels.correlations):
        rho = np.full(shape, np.nan)
        correlations(covariance, first, second, rho)
        expected = np.clip(covariance * first[:, :, None] * second[:, None], -1, 1)
        np.testing.assert_allclose(rho, expected, rtol=2 * EPS, atol=0)
        assert abs(rho.flat[0]) == 1


@given(shapes, seeds)
def test_means_are_added_to_the_scaled_series(shape, seed):
    rng = np.random.default_rng(seed)
    series = rng.standard_normal(shape)
    s, first, t, second = (rng.standard_normal((shape[0], shape[axis])) for axis in (1, 1, 2, 2))
    summands = series * s[:, :, None] * t[:, None], first[:, :, None] * second[:, None]
    for add_means in both(kernels.add_means):
        product = series.copy()
        add_means(product, s, t, first, second)
        assert (abs(product - sum(summands)) <= 4 * EPS * sum(map(abs, summands))).all()


def test_as_many_terms_are_taken_as_the_largest_correlation_needs():
    reach = np.array([0.1, 0.2, 0.3, 0.4])
    for terms_for in both(kernels.terms_for):
        # "the first k with |ρ| ≤ reach[k], and one more": k counts from 0
        for rho, terms in ((0.0, 1), (0.05, 1), (0.1, 1), (-0.15, 2), (0.2, 2), (-0.35, 4), (0.4, 4), (-0.9, 4)):
            assert terms_for(np.array([0.0, rho, 0.01]), reach) == terms


def reaching(rng, terms):
    """Reaches from about nothing to 1, so that rows of small |ρ| take few terms."""
    return np.sort(rng.random(terms))


def by_powers(rho, products, reach):
    """Σ_k w_k ρ^(k+1), its derivative in ρ, and the sums of the moduli of either; by pairs, (q, r, c) and (q, r, c, K).

    Every row takes the terms that its largest |ρ| needs.
    """
    terms = np.minimum(np.searchsorted(reach, np.abs(rho).max(axis=2)) + 1, len(reach))
    k = np.arange(len(reach))
    products = np.where(k < terms[:, :, None, None], products, 0)
    values, slopes = products * rho[..., None] ** (k + 1), products * (k + 1) * rho[..., None] ** k
    return values.sum(-1), slopes.sum(-1), np.abs(values).sum(-1), np.abs(slopes).sum(-1)


def assert_within_rounding(computed, exact, moduli, terms):
    """Horner's rule rounds twice a term, the sum of powers about as often."""
    assert (np.abs(computed - exact) <= 8 * (terms + 1) * EPS * moduli + 1e-300).all()


terms_of_a_series = st.integers(1, 13)  # up to three fours and a rest


@given(shapes, terms_of_a_series, seeds)
def test_a_shared_series_is_the_sum_of_its_powers(shape, terms, seed):
    rng = np.random.default_rng(seed)
    rho, weights, reach = rng.uniform(-1, 1, shape), rng.standard_normal(terms), reaching(rng, terms)
    value, slope, sizes_of_value, sizes_of_slope = by_powers(rho, np.broadcast_to(weights, (*shape, terms)), reach)
    for shared_series in both(kernels.shared_series):
        p, dp = np.full(shape, np.nan), np.full(shape, np.nan)
        shared_series(rho, weights, reach, p, dp)
        assert_within_rounding(p, value, sizes_of_value, terms)
        assert_within_rounding(dp, slope, sizes_of_slope, terms)


@given(shapes, terms_of_a_series, sizes, seeds)
def test_a_series_has_the_weights_of_its_pair(shape, terms, positions, seed):
    rng = np.random.default_rng(seed)
    rho, reach = rng.uniform(-1, 1, shape), reaching(rng, terms)
    left, right = rng.integers(0, positions, (2, shape[0]))
    first = rng.standard_normal((positions, shape[1], terms))
    second = rng.standard_normal((positions, terms, shape[2]))
    products = np.einsum("qrk,qkc->qrck", first[left], second[right])
    value, slope, sizes_of_value, sizes_of_slope = by_powers(rho, products, reach)
    for series in both(kernels.series):
        p, dp = np.full(shape, np.nan), np.full(shape, np.nan)
        series(rho, left, right, first, second, reach, p, dp)
        assert_within_rounding(p, value, sizes_of_value, terms)
        assert_within_rounding(dp, slope, sizes_of_slope, terms)


@given(shapes, st.floats(0.1, 3), seeds)
def test_the_gram_of_a_layer_sums_over_positions(shape, square, seed):
    rng = np.random.default_rng(seed)
    P, B, D = rng.standard_normal((3, *shape))
    expected = square * D * B
    for layer_gram in both(kernels.layer_gram):
        changed, theta = D.copy(), np.full(shape[1:], np.nan)
        layer_gram(P, B, square, changed, theta)
        np.testing.assert_allclose(changed, expected, rtol=4 * EPS, atol=0)
        summands = P * expected
        assert (np.abs(theta - summands.sum(axis=0)) <= 16 * EPS * np.abs(summands).sum(axis=0)).all()


@given(st.integers(1, 4), st.integers(1, 6), seeds)
def test_a_reflected_matrix_is_symmetric_and_keeps_what_is_on_and_above_its_diagonal(layers, n, seed):
    theta = np.random.default_rng(seed).standard_normal((layers, n, n))
    for reflect in both(kernels.reflect):
        reflected = theta.copy()
        reflect(reflected)
        np.testing.assert_array_equal(np.triu(reflected), np.triu(theta))
        np.testing.assert_array_equal(reflected, reflected.swapaxes(1, 2))


def test_plain_python_is_not_compiled():
    assert not hasattr(plain(patches.im2col), "py_func")
