"""How the limits are asked for: how much of the tolerance series get, what runs in threads, what is kept, and shown."""

import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from slow_limits import inputs

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.gaussian.hermite import SETTLED
from minimal_gd.limits import limiting as module
from minimal_gd.limits.blocks import panels
from minimal_gd.limits.profile import profile

NET = mgd.ResNet(3, 1, 2, "square")
# these have errors that depend on the largest correlation
RELU, SIGNALS = mgd.ResNet(3, 1, 2, "relu"), mgd.ConvResNet((2, 2), 1, 2, (3,), "relu")
X = inputs(NET, 3, seed=1)

# ---------------------------------------------------------------- the tolerance


@pytest.fixture
def profiles(monkeypatch):
    """Say what error and what largest entry one profile after the other has, or let them be; get their arguments."""

    def told(*outcomes):
        asked, rest = [], iter(outcomes)

        def scripted(net, squares, channels, rho, tail, run):
            asked.append(SimpleNamespace(channels=channels, rho=rho, tail=tail))
            limits = profile(net, squares, channels, rho, tail, run)
            if not outcomes:
                return limits
            error, largest = next(rest)
            return limits._replace(error=error, largest=largest)

        monkeypatch.setattr(module, "profile", scripted)
        return asked

    return told


T = 1e-3


@pytest.mark.parametrize("entry", [0.1, 1.0, 10.0])
def test_the_series_get_a_thirty_second_part_of_the_tolerance_if_that_will_do(profiles, entry):
    asked = profiles((T * max(1, entry), entry))
    _, error = gram.limiting(NET, X, tolerance=T)
    assert error == T * max(1, entry)
    assert [one.tail for one in asked] == [T / 32]


def test_the_series_get_less_as_long_as_that_helps_until_it_will_do(profiles):
    asked = profiles((9 * T, 1.0), (5 * T, 1.0), (T, 1.0))
    _, error = gram.limiting(NET, X, tolerance=T)
    assert error == T
    assert [one.tail for one in asked] == [T / 32, T / 32**2, T / 32**3]


@pytest.mark.parametrize("last", [1.5, 1.6])
def test_the_smallest_error_is_taken_and_one_warning_given_if_no_more_helps(profiles, last):
    asked = profiles((9 * T, 0.5), (1.5 * T, 0.5), (last * T, 0.5))
    with pytest.warns(UserWarning, match="are known up to 1.5e-03, not to the tolerance of 1.0e-03") as caught:
        _, error = gram.limiting(NET, X, tolerance=T)
    assert [warning.filename for warning in caught] == [__file__]
    assert error == 1.5 * T
    assert len(asked) == 3


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_series_are_not_asked_for_more_than_their_rounding(profiles, tries):
    tolerance = 32**tries * SETTLED
    asked = profiles(*[((9 - k) * tolerance, 0.5) for k in range(tries)])
    with pytest.warns(UserWarning, match="are known up to"):
        gram.limiting(NET, X, tolerance=tolerance)
    assert len(asked) == tries
    assert asked[-1].tail == SETTLED


def test_a_tolerance_of_1e_12_is_the_default(profiles):
    asked = profiles((1e-12, 1.0))
    gram.limiting(NET, X)
    assert asked[0].tail == 1e-12 / 32
    profiles((1.1e-12, 1.0), (1.1e-12, 1.0))
    with pytest.warns(UserWarning, match="not to the tolerance of 1.0e-12"):
        gram.limiting(NET, X)


# ---------------------------------------------------------------- the largest correlation


def largest_correlation(net, X, X2=None):
    """The largest |ρ| of two samples' patches at one position, by loops over them."""
    n, every = len(X), X if X2 is None else np.concatenate([X, X2])
    filters = getattr(net, "filter_shape", (1,))
    pixels = np.pad(net.pixels(every), [(0, 0), (filters[0] // 2,) * 2, (0, 0)])
    found = []
    for i in range(n):
        for j in range(i + 1, n) if X2 is None else range(n, len(every)):
            for at in range(net.positions):
                u, v = (pixels[one, at : at + filters[0]].reshape(-1) for one in (i, j))
                found.append(abs(u @ v) / np.sqrt((u @ u) * (v @ v)) if u.any() and v.any() else 0.0)
    return max(found, default=0.0)


@pytest.mark.parametrize("net", [RELU, SIGNALS], ids=lambda net: type(net).__name__)
@pytest.mark.parametrize("sign", [1, -1])
def test_series_are_meant_for_the_largest_correlation_of_two_samples(profiles, net, sign):
    samples = inputs(net, 5, seed=2)
    samples[3] = sign * (samples[1] + 0.3 * samples[0])
    samples[4] = 0
    asked = profiles()
    gram.limiting(net, samples, tolerance=1e-6)
    gram.limiting(net, samples[:2], samples[2:], tolerance=1e-6)
    assert asked[0].rho == pytest.approx(largest_correlation(net, samples), rel=1e-14)
    assert asked[1].rho == pytest.approx(largest_correlation(net, samples[:2], samples[2:]), rel=1e-14)
    assert {one.channels for one in asked} == {net.input_shape[0]}


def test_where_no_error_depends_on_it_the_correlation_is_not_asked_for(profiles, monkeypatch):
    """A closed form whose σ′ is smooth."""
    asked = profiles()
    monkeypatch.setattr(module, "largest_correlation", None)
    for activation in ("erf", "gelu", "sincos", "identity", "square"):
        gram.limiting(mgd.ResNet(3, 1, 2, activation), inputs(NET, 3, seed=3))
    assert {one.rho for one in asked} == {1}


def test_covariances_of_a_convolution_have_all_correlations_up_to_one(profiles):
    """Its positions meet others of the same sample."""
    asked = profiles()
    for net in (RELU, SIGNALS):
        samples = inputs(net, 3, seed=3)
        for covariances in (False, True):
            gram.limiting(net, samples, tolerance=1e-6, covariances=covariances)
    assert asked[0].rho == asked[1].rho < 1
    assert asked[2].rho < asked[3].rho == 1


# ---------------------------------------------------------------- threads


@pytest.fixture
def handed_out(monkeypatch):
    """Say which share of the work is small, at most; get how many parts of it threads are given."""

    def told(largest):
        parts_of = []

        def run(function, parts):
            parts_of.append(len(parts))
            return [function(part) for part in parts]

        @contextmanager
        def threads():
            yield run

        monkeypatch.setattr(module, "is_small", lambda n, n2, entries, share=1.0: share <= largest)
        monkeypatch.setattr(module, "threads", threads)
        return parts_of

    return told


def test_small_problems_leave_threads_alone(handed_out):
    parts = handed_out(largest=1)
    gram.limiting(RELU, X)
    assert sum(parts) == 0


def test_covariances_are_computed_in_threads_however_small(handed_out):
    parts = handed_out(largest=1)
    gram.limiting(RELU, X, covariances=True)
    assert sum(parts) == 2  # a block of the limits, and one of the covariances


@pytest.mark.parametrize(("largest", "blocks"), [(0.99, 1), (1 / 8, 1), (0.12, 2), (0, 2)])
def test_correlations_are_an_eighth_of_the_work(handed_out, largest, blocks):
    parts = handed_out(largest)
    gram.limiting(RELU, X)
    assert sum(parts) == blocks


# ---------------------------------------------------------------- what is kept


@pytest.mark.parametrize(
    ("kept", "samples"),
    [([0, 0], 2**25), ([1, 0], 2**25), ([2, 0], 2**24), ([2**19, 2**19], 32), ([2**25], 1), ([2**30], 1)],
)
def test_coefficients_of_64_mebibytes_are_kept_of_two_runs_of_samples(kept, samples):
    layers = [SimpleNamespace(moments=SimpleNamespace(bytes_a_sample=size)) for size in kept]
    assert module._samples_at_once(layers) == samples


def test_a_panel_is_prepared_before_its_blocks_are_filled_where_there_is_something_to_keep():
    done = []

    def layer(size):
        def prepare(rows, columns):
            done.append((size, rows, columns))

        return SimpleNamespace(moments=SimpleNamespace(bytes_a_sample=size, prepare=prepare))

    parts = panels(2, None, 1, samples=1)
    module._over(parts, done.append, [layer(1), layer(0), layer(8)], map)
    expected = []
    for panel in parts:
        expected += [(size, panel.rows, panel.columns) for size in (1, 8)]
        expected += panel.blocks
    assert done == expected


# ---------------------------------------------------------------- the result and the bar


def test_the_result_is_written_where_it_is_wanted():
    out = np.full((3, 3, 3), np.nan)
    K, _ = gram.limiting(NET, X, out=out)
    assert K is out
    np.testing.assert_array_equal(out, gram.limiting(NET, X)[0])
    out.flags.writeable = False
    with pytest.raises(
        ValueError, match=r"out must be a writeable float64 array of shape \(3, 3, 3\), got .*read-only"
    ):
        gram.limiting(NET, X, out=out)
    with pytest.raises(ValueError, match=r"shape \(3, 3, 2\), got an array of shape \(3, 3, 3\) and dtype float64$"):
        gram.limiting(NET, X, X[:2], out=np.empty((3, 3, 3)))


def test_every_block_is_counted_on_request(monkeypatch, capsys):
    monkeypatch.setattr(module, "_KEPT_BYTES", 1)  # every sample by itself
    gram.limiting(NET, X, tolerance=1e-6, progress=True)
    assert "6/6" in capsys.readouterr().err
    gram.limiting(NET, X, tolerance=1e-6)
    assert capsys.readouterr().err == ""


def test_a_loose_tolerance_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, error = gram.limiting(mgd.FullyConnected(3, 1, 2, "softplus"), X, tolerance=1e-3)
    assert 1e-9 < error <= 1e-3
