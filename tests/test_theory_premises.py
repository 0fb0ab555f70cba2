"""What the theorems ask of their input: refused with the reason, or reported as a premise that is not met."""

from functools import partial

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.theory import dynamics, perturbation, premises, second_order, training

NET = mgd.ResNet(2, 5, 2, "sincos")
CORNERS = np.eye(2)


def with_norms(*norms):
    """Samples of these norms, each with two pixels of two channels."""
    X = np.random.default_rng(0).standard_normal((len(norms), 2, 2))
    return X / np.linalg.norm(X, axis=(1, 2))[:, None, None] * np.array(norms)[:, None, None]


def test_two_layers_are_enough_and_one_is_not():
    premises.at_least_two_layers(NET, "Lemma C.4")
    with pytest.raises(ValueError, match=r"net must have depth ≥ 2 for Lemma C\.4, got ResNet"):
        premises.at_least_two_layers(mgd.ResNet(2, 5, 1, "sincos"), "Lemma C.4")


@pytest.mark.parametrize(("norms", "words"), [((1, 0.5, 1.2), "‖x_1‖ = 0.5"), ((1, 1.5), "‖x_1‖ = 1.5")])
def test_the_sample_whose_norm_is_farthest_from_one_is_named(norms, words):
    with pytest.warns(UserWarning, match=f"Lemma C.4 asks for unit inputs, got {words}$"):
        premises.warn_unless_unit(with_norms(*norms), "Lemma C.4")
    np.testing.assert_allclose(premises.unit_inputs(with_norms(*norms)).left, norms)
    assert not premises.unit_inputs(with_norms(*norms)).holds


@pytest.mark.parametrize("off", [0, 1e-10, -1e-10])
def test_rounding_of_a_norm_is_no_reason_to_warn(off, recwarn):
    X = with_norms(1, 1 + off)
    premises.warn_unless_unit(X, "Lemma C.4")
    assert not recwarn
    assert premises.unit_inputs(X).holds


@pytest.mark.parametrize("off", [2e-9, -2e-9, 1e-3])
def test_more_than_rounding_is(off):
    X = with_norms(1, 1 + off)
    with pytest.warns(UserWarning, match="‖x_1‖"):
        premises.warn_unless_unit(X, "Lemma C.4")
    assert not premises.unit_inputs(X).holds


def test_the_warning_is_of_the_line_that_asked_for_the_statement():
    start = NET.init(0)
    step = dynamics.descent_step(NET, start, 2 * CORNERS, np.ones(2), 0.01)
    for words, statement in (
        ("Lemma C.3", partial(perturbation.forward, NET, start, start, 2 * CORNERS)),
        ("Lemma C.5", partial(training.weight_step, step)),
        ("Lemma C.6", partial(second_order.change, step, 0.1)),
        ("Lemma C.7", partial(second_order.term, step, 0.1)),
    ):
        with pytest.warns(UserWarning, match=f"{words} asks for unit inputs") as warned:
            statement()
        assert warned[0].filename == __file__


def test_the_limit_is_that_of_the_last_hidden_layer():
    K, _ = gram.limiting(NET, CORNERS)
    K_H, smallest = premises.limiting_gram(NET, CORNERS)
    np.testing.assert_array_equal(K_H, K[1])
    assert smallest == pytest.approx(np.linalg.eigvalsh(K[1])[0])
    with pytest.raises(ValueError, match="samples 0 and 1 are parallel"):
        premises.limiting_gram(NET, np.ones((2, 2)))


def test_the_smallest_eigenvalue_must_be_larger_than_its_error():
    K = np.diag([0.5, 2.0])
    assert premises.smallest_eigenvalue(K) == pytest.approx(0.5)
    assert premises.smallest_eigenvalue(K, 0.2) == pytest.approx(0.5)  # 2 · 0.2 of an eigenvalue
    with pytest.raises(ValueError, match=r"λ_min\(K\) must be positive, got 0.5 with an error of 6.0e-01: "):
        premises.smallest_eigenvalue(K, 0.3)


def test_a_step_size_is_stable_below_two_over_the_largest_eigenvalue():
    G = np.diag([4.0, 1.0])
    assert premises.stable_step(0.499, G) == 0.499
    for step_size in (0.5, 0.6):
        with pytest.raises(ValueError, match=rf"step_size must be below 2/λ_max\(ΣG\) = 0.5, got {step_size}$"):
            premises.stable_step(step_size, G)
    with pytest.raises(ValueError, match="step_size must be a finite number > 0"):
        premises.stable_step(0, G)
