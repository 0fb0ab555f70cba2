"""The companion's experiments at a small size, against loops of plain steps."""

import dataclasses
import math
import tracemalloc
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd.theory import two_layer_experiments

SMALL = {"widths": (10, 40, 160), "samples": 12, "input_dim": 15, "epochs": 20, "step_size": 0.5, "seed": 1}
SEEN = two_layer_experiments.experiment(**SMALL)


def data_of(seed, samples, input_dim):
    """Points on the sphere and labels from N(0, 1), by the generator's own stream."""
    rng = np.random.default_rng([seed, 0])
    X = rng.standard_normal((samples, input_dim))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.standard_normal(samples)


@cache
def plain(width, epochs=20, step_size=0.5):
    """Losses, shares of changed patterns and largest distances after every epoch, by loops."""
    X, y = data_of(1, 12, 15)
    rng = np.random.default_rng([1, width])
    start = rng.standard_normal((width, 15))
    a, W = rng.choice([-1.0, 1.0], size=width), start.copy()
    losses, changed, distances = [], [], []
    for _ in range(epochs + 1):
        residual = np.array([a @ np.maximum(W @ x, 0) for x in X]) / math.sqrt(width) - y
        losses.append(0.5 * sum(residual**2))
        changed.append(np.mean([[(w @ x >= 0) != (v @ x >= 0) for w, v in zip(W, start, strict=True)] for x in X]))
        distances.append(max(math.dist(w, v) for w, v in zip(W, start, strict=True)))
        gradient = sum(r * np.outer(a * (W @ x >= 0), x) for r, x in zip(residual, X, strict=True)) / math.sqrt(width)
        W = W - step_size * gradient
    return np.array(losses), np.array(changed), np.array(distances)


def test_companion_section_5_a():
    comparison = two_layer_experiments.section_5_a(two_layer_experiments.experiment(**SMALL))
    ends = [losses[-1] / losses[0] for losses, _, _ in map(plain, (10, 40, 160))]
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, ends[1:], rtol=1e-6)
    np.testing.assert_allclose(comparison.right, ends[:-1], rtol=1e-6)


def test_companion_section_5_b():
    comparison = two_layer_experiments.section_5_b(two_layer_experiments.experiment(**SMALL))
    ends = [changed[-1] for _, changed, _ in map(plain, (10, 40, 160))]
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, ends[1:], rtol=1e-12)
    np.testing.assert_allclose(comparison.right, ends[:-1], rtol=1e-12)


def test_companion_section_5_c():
    comparison = two_layer_experiments.section_5_c(two_layer_experiments.experiment(**SMALL))
    ends = [distances[-1] for _, _, distances in map(plain, (10, 40, 160))]
    assert comparison.holds
    np.testing.assert_allclose(comparison.left, ends[1:], rtol=1e-9)
    np.testing.assert_allclose(comparison.right, ends[:-1], rtol=1e-9)


def test_every_epoch_is_that_of_the_loop():
    for row, width in enumerate((10, 40, 160)):
        losses, changed, distances = plain(width)
        np.testing.assert_allclose(SEEN.losses[row], losses, rtol=1e-6)
        np.testing.assert_allclose(SEEN.changed[row], changed, rtol=1e-12)
        np.testing.assert_allclose(SEEN.distances[row], distances, rtol=1e-9)
    np.testing.assert_array_equal(SEEN.epochs, np.arange(21))


def test_the_panels_say_no_where_a_wider_net_does_worse():
    """Its rows turned over: the wider the net, the slower, the more changes, the further."""
    turned = {name: getattr(SEEN, name)[::-1] for name in ("losses", "changed", "distances")}
    worse = dataclasses.replace(SEEN, **turned)
    for panel in (
        two_layer_experiments.section_5_a,
        two_layer_experiments.section_5_b,
        two_layer_experiments.section_5_c,
    ):
        assert not panel(worse).holds


def test_with_the_printed_outer_sum_to_m_the_share_would_not_fall():
    """A sum over m samples, of which there are n, is m/n times the share."""
    printed = dataclasses.replace(SEEN, changed=SEEN.changed * SEEN.widths[:, None] / 12)
    assert not two_layer_experiments.section_5_b(printed).holds


def test_changes_and_distances_fall_as_one_over_the_root_of_the_width():
    """Mean over four seeds of 60 samples: ±0.1 tells -1/2 from -1/4 and -1."""
    widths = (100, 400, 1600)
    runs = [
        two_layer_experiments.experiment(widths, 60, 60, 20, step_size=0.5, every=20, seed=seed) for seed in range(4)
    ]
    for values in ([run.changed[:, -1] for run in runs], [run.distances[:, -1] for run in runs]):
        slope = np.polyfit(np.log(widths), np.log(np.mean(values, axis=0)), 1)[0]
        assert abs(slope + 0.5) < 0.1


def test_the_default_step_size_is_stable_for_all_widths():
    seen = two_layer_experiments.experiment(**SMALL | {"step_size": None, "epochs": 2})
    X, _ = data_of(1, 12, 15)
    nets = [mgd.TwoLayerReLU(15, width) for width in (10, 40, 160)]
    steps = [mgd.stable_step_size(net, net.init(np.random.default_rng([1, net.width])), X) for net in nets]
    np.testing.assert_allclose(seen.step_size, min(steps), rtol=1e-12)


def test_fewer_observations_are_the_same_ones():
    seldom = two_layer_experiments.experiment(**SMALL, every=8)
    np.testing.assert_array_equal(seldom.epochs, [0, 8, 16])
    np.testing.assert_array_equal(seldom.changed, SEEN.changed[:, ::8])
    np.testing.assert_array_equal(seldom.losses, SEEN.losses)


def test_blocks_of_units_change_nothing(monkeypatch):
    monkeypatch.setattr(two_layer_experiments, "_BLOCK_BYTES", 12 * 8 * 7)  # seven units at a time
    np.testing.assert_array_equal(two_layer_experiments.experiment(**SMALL).changed, SEEN.changed)
    np.testing.assert_allclose(two_layer_experiments.experiment(**SMALL).distances, SEEN.distances, rtol=1e-12)


def test_single_precision_agrees_to_its_digits():
    single = two_layer_experiments.experiment(**SMALL, dtype=np.float32)
    np.testing.assert_allclose(single.losses[:, :5], SEEN.losses[:, :5], rtol=1e-4)


def test_memory_is_what_the_docstring_says():
    n, d, m = 100, 200, 3000
    tracemalloc.start()
    two_layer_experiments.experiment((10, m), n, d, 2, step_size=0.1, dtype=np.float32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # a tenth for what does not grow with m, and blocks of preactivations while observing
    assert peak < 1.1 * (4 * (3 * n + 5 * d) * m + n * m) + 5 * n * m


def test_blocks_of_units_keep_the_memory_small(monkeypatch):
    """Preactivations of a block take as many bytes as asked for, where those of all units take 4 MB."""
    monkeypatch.setattr(two_layer_experiments, "_BLOCK_BYTES", 100_000)
    net, X = mgd.TwoLayerReLU(3, 5000), mgd.data.sphere(100, 3, 0)
    watched, params = two_layer_experiments._watch(net.init(0), X), net.init(1)
    tracemalloc.start()
    watched(0, params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 100_000 < peak < 200_000


def test_a_unit_at_its_kink_is_active():
    """It leaves the hyperplane upwards and comes back to it, and no pattern has changed; downwards it has."""
    above, kink, below = (mgd.Parameters((np.array([[0.0, z]]),), np.ones(1)) for z in (1, 0, -1))
    X = np.array([[0.0, 1.0]])
    for start, end, share in ((kink, above, 0), (above, kink, 0), (kink, below, 1), (below, kink, 1)):
        assert two_layer_experiments._watch(start, X)(0, end) == [share, 1]


def test_two_widths_are_enough():
    assert two_layer_experiments.experiment(**SMALL | {"widths": (10, 40), "epochs": 1}).losses.shape == (2, 2)


def test_the_size_of_the_companion_is_what_is_run_unless_asked_otherwise(monkeypatch):
    """n = d = 1000, 100 epochs, patterns after each, 32 to 8192 units, without a progress bar."""
    asked = []

    def descent(net, params, X, y, step_size, epochs, observe, observe_every, progress):
        asked.append((net.width, X.shape, epochs, observe_every, progress))
        np.testing.assert_allclose(X[0], first[0], rtol=1e-12)
        zeros = np.zeros((2, 2))
        return SimpleNamespace(observed=zeros, loss=zeros[0], step_size=step_size, observed_steps=zeros[0])

    first, _ = data_of(0, 1000, 1000)
    monkeypatch.setattr(two_layer_experiments, "gradient_descent", descent)
    monkeypatch.setattr(two_layer_experiments, "_watch", lambda *_: None)
    two_layer_experiments.experiment(step_size=0.1)
    assert asked == [(32 * 4**k, (1000, 1000), 100, 1, False) for k in range(5)]


def test_seed_0_is_a_seed():
    seen = two_layer_experiments.experiment(**SMALL | {"seed": 0, "epochs": 1})
    net = mgd.TwoLayerReLU(15, 10)
    loss = net.loss(net.init(np.random.default_rng([0, 10])), *data_of(0, 12, 15))
    np.testing.assert_allclose(seen.losses[0, 0], loss, rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"widths": (10,)}, ValueError, "widths must be at least two increasing integers"),
        ({"widths": (10, 10)}, ValueError, "widths must be at least two increasing integers"),
        ({"widths": (10, 2.5)}, TypeError, "widths must be an integer"),
        ({"samples": 0}, ValueError, "n must be an integer ≥ 1"),
        ({"epochs": 0}, ValueError, "epochs must be an integer ≥ 1"),
        ({"every": 0}, ValueError, "every must be an integer ≥ 1"),
        ({"step_size": -1}, ValueError, "step_size must be a finite number > 0"),
        ({"seed": -1}, ValueError, "seed must be an integer ≥ 0"),
        ({"dtype": int}, ValueError, "dtype must be float32 or float64"),
    ],
)
def test_a_wrong_argument_is_named(change, error, words):
    with pytest.raises(error, match=words):
        two_layer_experiments.experiment(**SMALL | change)


def test_too_long_a_step_is_said_to_diverge():
    with pytest.raises(mgd.DivergenceError, match="A stable step_size is below"):
        two_layer_experiments.experiment(**SMALL | {"step_size": 50.0, "epochs": 100})
