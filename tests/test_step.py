"""One step of descent: how it is cut into blocks, and that the cuts do not show."""

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd.descent.step import Step
from minimal_gd.networks import blocks
from minimal_gd.testing.strategies import problem

NET = mgd.FullyConnected(4, 6, 2)  # a sample takes 6 · (4 + 6) multiplications


@pytest.mark.parametrize(
    ("multiplications", "rows", "units", "most", "of_samples", "of_units"),
    [
        (100, 2, 3, 8, 5, 2),  # 10 samples take 600
        (100, 2, 1, 8, 5, 6),
        (100, 1, 1, 8, 6, 6),  # no block has fewer than 100 multiplications
        (150, 1, 1, 8, 4, 4),
        (100, 1, 1, 3, 3, 3),
        (100, 5, 6, 8, 2, 2),
        (100, 100, 100, 8, 2, 2),  # at least two, where there is enough to do
        (600, 1, 1, 8, 1, 1),
        (601, 1, 1, 8, 1, 1),
        (300, 1, 1, 8, 2, 2),
    ],
)
def test_a_step_has_as_many_blocks_as_its_sizes_say(
    monkeypatch, multiplications, rows, units, most, of_samples, of_units
):
    monkeypatch.setattr(blocks, "_MULTIPLICATIONS_A_BLOCK", multiplications)
    monkeypatch.setattr(blocks, "_ROWS_A_BLOCK", rows)
    monkeypatch.setattr(blocks, "_UNITS_A_BLOCK", units)
    monkeypatch.setattr(blocks, "_MOST_BLOCKS", most)
    case = problem(NET, n=10, seed=0)
    one = Step(*case.everything, 1e-3, run=lambda function, parts: [function(part) for part in parts])
    assert (len(one._samples), len(one._units)) == (of_samples, of_units)


@pytest.mark.parametrize(
    ("width", "n", "of_samples", "of_units"),
    [
        (1000, 1, 1, 1),  # 4 000 000 multiplications: one block
        (1000, 2, 2, 2),
        (1000, 749, 2, 7),
        (1000, 750, 3, 7),  # 250 samples a block
        (383, 1000, 4, 2),
        (384, 1000, 4, 3),  # 128 units a block
        (2000, 5000, 8, 8),
    ],
)
def test_the_blocks_of_a_problem_stay_what_they_are(width, n, of_samples, of_units):
    """With other blocks, every run would have other last bits."""
    net = mgd.FullyConnected(4000, width, 1)
    assert (len(blocks.of_samples(net, n)), len(blocks.of_units(net, n))) == (of_samples, of_units)


def test_a_pixel_of_a_convolution_counts_as_a_sample_of_a_dense_network_does():
    """An image of p pixels costs p times as much as a vector of as many entries as a patch, and is p rows."""
    convolution, dense = mgd.ConvResNet((50, 5, 8), 300, 1, (3, 3)), mgd.FullyConnected(450, 300, 1)
    for n in (1, 2, 12, 13, 25, 30, 100):
        assert len(blocks.of_samples(convolution, n)) == min(n, len(blocks.of_samples(dense, 40 * n)))
        assert len(blocks.of_units(convolution, n)) == len(blocks.of_units(dense, 40 * n))


@pytest.mark.parametrize(
    "net", [NET, mgd.ResNet(4, 6, 3), mgd.ConvResNet((2, 3), 6, 2, (3,)), mgd.TwoLayerReLU(4, 6)], ids=repr
)
def test_a_step_in_blocks_is_the_gradient_step(monkeypatch, net):
    monkeypatch.setattr(blocks, "_MULTIPLICATIONS_A_BLOCK", 1)
    monkeypatch.setattr(blocks, "_ROWS_A_BLOCK", 2)
    monkeypatch.setattr(blocks, "_UNITS_A_BLOCK", 2)
    case, eta = problem(net, n=7, seed=0), 0.01
    theta = case.params.map(np.copy)
    one = Step(net, theta, case.X, case.y, eta, run=lambda function, parts: [function(part) for part in parts])
    assert one.evaluate() == pytest.approx(net.loss(case.params, case.X, case.y), rel=1e-12)
    np.testing.assert_allclose(one.predictions, net.predict(case.params, case.X), rtol=1e-12)
    one.descend()
    gradient = net.gradient(case.params, case.X, case.y)
    pairs = list(zip((*theta.W, theta.a), (*case.params.W, case.params.a), (*gradient.W, gradient.a), strict=True))
    for now, then, slope in pairs:
        np.testing.assert_allclose(now, then - eta * slope * (net.train_output or now is not theta.a), rtol=1e-11)
    moved = [np.linalg.norm(now - then) for now, then, _ in pairs]
    np.testing.assert_allclose(one.distances(case.params), moved, rtol=1e-12)


def test_distances_of_several_blocks_of_units_are_those_of_the_whole_layers():
    case = problem(mgd.ResNet(10, 512, 2), n=200, seed=0)
    assert len(blocks.of_units(case.net, 200)) > 1
    run = mgd.gradient_descent(*case.everything, 1e-3, 1, distances=True)
    pairs = zip((*run.params.W, run.params.a), (*case.params.W, case.params.a), strict=True)
    # a sum of up to 512² squares: at most so many roundings, and far fewer as they are summed pairwise
    np.testing.assert_allclose(run.distances[1], [np.linalg.norm(now - then) for now, then in pairs], rtol=1e-12)


@pytest.mark.parametrize("n", [3, 7])  # one block of samples, and several
def test_predictions_are_those_that_forward_returns_in_whatever_array(monkeypatch, n):
    class ReturnsAnArrayOfItsOwn(mgd.ResNet):
        def forward(self, params, work):
            super().forward(params, work)
            work.u.fill(np.nan)
            return work.phi[-1] @ params.a

    monkeypatch.setattr(blocks, "_MULTIPLICATIONS_A_BLOCK", 140)
    monkeypatch.setattr(blocks, "_ROWS_A_BLOCK", 2)
    case = problem(ReturnsAnArrayOfItsOwn(4, 6, 2), n, seed=0)
    assert len(blocks.of_samples(case.net, n)) == (1 if n == 3 else 3)
    run = mgd.gradient_descent(*case.everything, 1e-3, 2, predictions=True)
    usual = mgd.gradient_descent(mgd.ResNet(4, 6, 2), *case.everything[1:], 1e-3, 2, predictions=True)
    # nothing cancels: a prediction differs by roundings of a sum of 6
    np.testing.assert_allclose(run.predictions, usual.predictions, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.loss, 0.5 * np.sum((run.predictions - case.y) ** 2, axis=1), rtol=1e-14)


def test_arrays_put_in_place_of_the_workspaces_are_written_into_them():
    """Descent reads the arrays that were there first."""

    class PutsArraysInPlace(mgd.FullyConnected):
        def forward(self, params, work):
            for h, W in enumerate(params.W):
                z = work.phi[h] @ W.T
                work.phi[h + 1] = self.first_scale * self.activation.sigma(z)
                work.delta[h] = self.first_scale * self.activation.dsigma(z)
            return work.phi[-1] @ params.a

        def backward(self, params, work, upstream):
            g = np.outer(upstream, params.a)
            for h in reversed(range(self.depth)):
                work.delta[h] = work.delta[h] * g
                g = work.delta[h] @ params.W[h]

    case = problem(PutsArraysInPlace(4, 6, 2), n=3, seed=0)
    run = mgd.gradient_descent(*case.everything, 1e-3, 5, predictions=True)
    usual = mgd.gradient_descent(NET, *case.everything[1:], 1e-3, 5, predictions=True)
    np.testing.assert_allclose(run.predictions, usual.predictions, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.params.W[0], usual.params.W[0], rtol=1e-12, atol=1e-14)


def test_the_buffers_of_a_pass_hold_one_block():
    net = mgd.ConvResNet((2, 8, 8), 40, 2, (3, 3))
    one = Step(*problem(net, n=70, seed=0).everything, 1e-3, run=map)
    rows = max(len(samples.work.delta[0]) for samples in one._samples)
    assert rows < len(one.work.delta[0])
    assert len(one.work.buffers["g"]) == len(one.work.buffers["product"]) == rows


@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200])
def test_distances_neither_over_nor_underflow(size):
    case = problem(NET, n=3, seed=0)
    one = Step(NET, case.params, case.X, case.y, 1e-3, run=map)
    start = case.params.map(lambda array: array - size * np.sign(array))
    pairs = zip((*case.params.W, case.params.a), (*start.W, start.a), strict=True)
    moved = [np.linalg.norm((now - then) / size) for now, then in pairs]
    np.testing.assert_allclose(one.distances(start) / size, moved, rtol=1e-12)


def test_one_entry_that_has_come_far_against_the_others_does_not_overflow():
    case = problem(NET, n=3, seed=0)
    one = Step(NET, case.params, case.X, case.y, 1e-3, run=map)
    start = case.params.map(np.copy)
    start.W[0][2, 3] += 1e200
    start.W[1][4, 5] -= 1e200
    np.testing.assert_allclose(one.distances(start), [1e200, 1e200, 0], rtol=1e-12)


def test_parameters_of_another_depth_are_refused():
    case, deeper = problem(NET, n=3, seed=0), mgd.FullyConnected(4, 6, 3).init(0)
    deeper = mgd.Parameters((case.params.W[0], *deeper.W[1:]), deeper.a)
    with pytest.raises(ValueError, match="argument"):
        Step(NET, deeper, case.X, case.y, 1e-3, run=map)
    with pytest.raises(ValueError, match="argument"):
        Step(NET, case.params, case.X, case.y, 1e-3, run=map).distances(deeper)
