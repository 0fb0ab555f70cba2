"""Results that hold arrays: == compares what they hold, and their `repr` fits on three lines."""

import copy
from dataclasses import is_dataclass, replace

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd import spectra
from minimal_gd._runtime import content
from minimal_gd.networks.workspace import Workspace
from minimal_gd.testing.strategies import problem
from minimal_gd.theory import definitions, dynamics, flow, layers, two_layer_descent, two_layer_path
from minimal_gd.theory.comparison import compare

CASE = problem(mgd.ConvResNet((2, 3, 4), 6, 11, (3, 3), "tanh"), n=4, seed=0)
SMALL = problem(mgd.TwoLayerReLU(3, 4), n=3, seed=0)


def run():
    options = {"observe": lambda k, params: {"a": params.a, "k": k}}
    return mgd.gradient_descent(*CASE.everything, 1e-3, 5, predictions=True, distances=True, **options)


MAKERS = {
    "Parameters": lambda: CASE.net.init(0),
    "Trajectory": run,
    "Spectrum": lambda: spectra.spectrum(np.diag(np.arange(1.0, 300.0))),
    "Comparison": lambda: compare("u = y " * 100, np.ones((3, 3)), "≤", 2, premises=(compare("b", 1, "=", 1),) * 9),
    "Flow": lambda: flow.gradient_flow(*SMALL.everything, [0.0, 0.1], observe=lambda params: params.a),
    "Path": lambda: two_layer_path.gradient_path(*SMALL.everything, [0.1, 0.2]),
    "DescentStep": lambda: dynamics.descent_step(*SMALL.everything, 1e-3),
    "PatternRun": lambda: two_layer_descent.pattern_run(*SMALL.everything, 1e-3, 3),
    "HiddenLayers": lambda: layers.hidden_layers(*CASE.everything[:3]),
    "Average": lambda: definitions.average(lambda params: params.a, CASE.net, seeds=3),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_results_are_equal_by_what_they_hold_and_fit_on_three_lines(make):
    one, other = make(), make()
    assert (one == other) is True
    assert (one != other) is False
    assert one == copy.deepcopy(one)
    assert one != 3
    assert one != (1, 2)
    lines = repr(one).splitlines()
    assert len(lines) <= 3
    assert max(map(len, lines)) <= 120
    assert lines[0].startswith(type(one).__name__ + "(")


def arrays_in(value):
    """Every array that a result holds, where it can be changed."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        return [array for entry in value.values() for array in arrays_in(entry)]
    if isinstance(value, tuple | list):
        return [array for entry in value for array in arrays_in(entry)]
    return []


@pytest.mark.parametrize("name", ["Parameters", "Trajectory", "Spectrum", "Flow", "PatternRun", "HiddenLayers"])
def test_a_change_of_any_one_entry_makes_results_differ(name):
    one, other = MAKERS[name](), copy.deepcopy(MAKERS[name]())
    held = list(vars(other).values()) if is_dataclass(other) else list(other)
    arrays = [array for array in arrays_in(held) if array.size and array.flags.writeable]
    assert arrays
    for array in arrays:
        before = array[(0,) * array.ndim]
        array[(0,) * array.ndim] = before + 1
        assert one != other
        array[(0,) * array.ndim] = before
    assert one == other


def test_nan_equals_nan_while_dtypes_shapes_and_what_was_not_recorded_differ():
    a, W = np.array([1.0, np.nan]), (np.ones((2, 3)),)
    params = mgd.Parameters(W, a)
    assert params == mgd.Parameters((W[0].copy(),), a.copy())
    assert params != params.map(np.float32)
    assert params != mgd.Parameters(W, a[:, None])
    assert params != mgd.Parameters(W * 2, a)
    assert params != mgd.Parameters(W, np.array([np.nan, 1.0]))
    whole = run()
    assert whole != replace(whole, predictions=None)
    assert replace(whole, step_size=float("nan")) == replace(whole, step_size=float("nan"))


def test_results_without_a_content_of_their_own_have_no_hash():
    for make in (MAKERS["Parameters"], MAKERS["Spectrum"]):
        with pytest.raises(TypeError, match="unhashable"):
            hash(make())


def test_a_workspace_shows_in_three_lines_too():
    work = Workspace.allocate(CASE.net, 4, np.float64)
    assert len(repr(work).splitlines()) <= 3
    assert work == work


def test_what_is_no_set_of_parameters_still_has_a_text():
    assert repr(mgd.Parameters(3, "x")) == "Parameters(W=3, a='x')"
    assert content.short([np.float64(1) / 3, np.array(2.5)]) == "(0.333333, 2.5)"
