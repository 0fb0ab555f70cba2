"""The hyperplanes where hidden units switch: inputs on the edge, other seeds, and what is said of wrong ones."""

import math

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd.theory import two_layer_hyperplanes

X = mgd.data.sphere(3, 4, seed=7) * np.array([[1.0], [0.5], [2.0]])


@pytest.mark.parametrize("inputs", [np.eye(2), np.eye(3)[:1]])
def test_lines_are_at_most_at_right_angles_and_so_is_a_line_with_no_other(inputs):
    np.testing.assert_allclose(two_layer_hyperplanes.non_parallel(inputs).left, math.pi / 2, rtol=1e-15)


def test_directions_count_as_parallel_up_to_1e_12():
    turned = [np.array([[1, 0], [math.cos(angle), math.sin(angle)]]) for angle in (0.9e-12, 1.1e-12)]
    assert [two_layer_hyperplanes.non_parallel(inputs).holds for inputs in turned] == [False, True]


def test_points_of_seed_0_are_tried_unless_asked_otherwise():
    default, first, second = (two_layer_hyperplanes.lemma_a_1(X, *seed) for seed in ((), (0,), (1,)))
    np.testing.assert_array_equal(default.left, first.left)
    assert (default.left != second.left).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_eight_points_is_taken(seed):
    expected = np.zeros(3)
    for draws in np.random.default_rng(seed).standard_normal((8, 3, 4)):
        for i, g in enumerate(draws):
            z = g - np.linalg.lstsq(X[[i]].T, g, rcond=None)[0] @ X[[i]]
            cosines = [abs(z @ x) / (np.linalg.norm(z) * np.linalg.norm(x)) for x in np.delete(X, i, axis=0)]
            expected[i] = max(expected[i], min(cosines))
    np.testing.assert_allclose(two_layer_hyperplanes.lemma_a_1(X, seed).left, expected, rtol=1e-12)


def test_in_the_plane_all_points_of_a_hyperplane_are_as_far_from_the_other():
    """The cosine of the angle between the inputs, for any seed."""
    inputs = np.array([[1.0, 0.0], [3.0, 4.0]])
    for seed in range(5):
        np.testing.assert_allclose(two_layer_hyperplanes.lemma_a_1(inputs, seed).left, [0.8, 0.8], rtol=1e-14)


def test_one_input_has_its_hyperplane_for_itself():
    """A distance of 1 by convention, whether the hyperplane holds other points than 0 or not."""
    for inputs in ([[3.0, 4.0]], [[2.0]]):
        np.testing.assert_array_equal(two_layer_hyperplanes.lemma_a_1(inputs).left, [1])
        assert two_layer_hyperplanes.isolation(inputs, 0).verdict == "holds"


def test_on_a_line_all_hyperplanes_are_the_point_0():
    comparison = two_layer_hyperplanes.lemma_a_1([[2.0], [-3.0]])
    assert comparison.verdict == "fails, 1 of 1 premises unmet"
    np.testing.assert_array_equal(comparison.left, [0, 0])


def test_many_points_up_to_the_next_hyperplane_give_the_averages_too():
    """In the plane, where the half balls end at a line."""
    assert two_layer_hyperplanes.isolation([[1.0, 0.0], [3.0, 4.0]], 1, draws=1000).holds


def test_a_hundred_points_of_seed_0_are_averaged_unless_asked_otherwise(monkeypatch):
    asked = []
    sphere, generator = mgd.data.sphere, two_layer_hyperplanes.validate.generator
    monkeypatch.setattr(two_layer_hyperplanes.data, "sphere", lambda n, *rest: asked.append(n) or sphere(n, *rest))
    monkeypatch.setattr(two_layer_hyperplanes.validate, "generator", lambda seed: asked.append(seed) or generator(seed))
    assert two_layer_hyperplanes.isolation(X, 1).holds
    assert 100 in asked
    assert asked[0] == 0


def test_one_draw_is_enough_for_the_averages_over_half_balls():
    for seed in range(20):
        assert two_layer_hyperplanes.isolation(X, seed % 3, draws=1, seed=seed).holds


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: two_layer_hyperplanes.isolation(X, 3), ValueError, "one of the 3 samples, 0 to 2, got 3"),
        (lambda: two_layer_hyperplanes.isolation(X, -1), ValueError, "i must be an integer ≥ 0"),
        (lambda: two_layer_hyperplanes.isolation(X, 0, draws=0), ValueError, "draws must be an integer ≥ 1"),
        (lambda: two_layer_hyperplanes.theorem_3_1([[1.0], [0.0]]), ValueError, "no hyperplane, got one at 1"),
        (lambda: two_layer_hyperplanes.lemma_a_1(np.zeros((2, 2))), ValueError, "no hyperplane, got one at 0"),
    ],
)
def test_a_wrong_argument_is_named_with_what_would_do(call, error, words):
    with pytest.raises(error, match=words):
        call()
