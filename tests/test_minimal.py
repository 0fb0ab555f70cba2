"""The paper in one file, and the package: each is held to the other, to rounding."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minimal_gd as mgd
from minimal_gd import minimal
from minimal_gd.testing.comparing import (
    EPSILON,
    ROUNDINGS,
    compare_gradients,
    gram_allowance,
    grams,
    is_near_a_kink,
    layers,
    names,
    names_of_grams,
    predictions_allowance,
    require,
    rounding,
)
from minimal_gd.testing.strategies import conv_resnet, fully_connected, networks, problems, resnet, seeds

FILE = Path(minimal.__file__)
SOURCE = FILE.read_text(encoding="utf-8")
README = (FILE.parent.parent / "README.md").read_text(encoding="utf-8")

any_problem = problems(networks(tuple(minimal.ACTIVATIONS)))


def same(net):
    """The function of minimal.py that computes what `net` does."""
    name = net.activation.name
    match net:
        case mgd.FullyConnected():
            return lambda W, a, X: minimal.fully_connected(W, a, X, name)
        case mgd.ResNet():
            return lambda W, a, X: minimal.resnet(W, a, X, name, net.c_res)
        case mgd.ConvResNet():
            return lambda W, a, X: minimal.conv_resnet(W, a, X, net.filter_shape, name, net.c_res)
        case mgd.TwoLayerReLU():
            return minimal.two_layer_relu


# ---------------------------------------------------------------------- what both compute


@pytest.mark.parametrize("name", minimal.ACTIVATIONS)
def test_activations_are_those_of_the_package(name):
    sigma, dsigma, c_sigma = minimal.ACTIVATIONS[name]
    activation, z = mgd.activations.get(name), np.linspace(-30, 30, 601)
    np.testing.assert_allclose(sigma(z), activation.sigma(z), rtol=1e-14)  # e^z errs by |z| roundings
    np.testing.assert_allclose(dsigma(z), activation.dsigma(z), rtol=1e-14)  # in the tails too, where it is tiny
    assert c_sigma == pytest.approx(activation.c_sigma, rel=1e-15)


@given(networks(tuple(minimal.ACTIVATIONS)), seeds)
def test_a_seed_gives_the_same_parameters(net, seed):
    assume(not isinstance(net, mgd.TwoLayerReLU))  # whose output layer is ±1
    W, a = minimal.init(np.random.default_rng(seed), net.width, net.fan_in, *net.output_shape[1:])
    for ours, theirs in zip((*W, a), (*net.init(seed).W, net.init(seed).a), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(any_problem)
def test_predictions_and_loss_agree(case):
    f = same(case.net)
    expected, allowed = case.net.predict(case.params, case.X), predictions_allowance(case)
    u = f(*case.params, case.X)[0]
    require(case, "minimal.py", ["u"], [u], [expected], [allowed])
    loss = minimal.loss(f, case.params, case.X, case.y)
    residual = np.abs(expected - case.y)
    by_predictions = residual @ allowed + allowed @ allowed  # ½r² changes by as much, if r changes by `allowed`
    assert abs(loss - case.net.loss(*case.everything[1:])) <= by_predictions + ROUNDINGS * EPSILON * loss


@given(any_problem)
def test_gradients_agree(case):
    assume(not is_near_a_kink(case))
    dW, da = minimal.gradient(same(case.net), *case.everything[1:])
    da = da * case.net.train_output
    compare_gradients(
        case, "minimal.py", layers(mgd.Parameters(tuple(dW), da)), layers(case.net.gradient(*case.everything[1:]))
    )


@given(any_problem)
def test_gram_matrices_of_every_layer_agree(case):
    assume(not is_near_a_kink(case))
    G = minimal.gram(same(case.net), case.params, case.X)[::-1]
    require(case, "minimal.py", names_of_grams(case), G, grams(case), gram_allowance(case))


@given(any_problem)
def test_a_run_of_descent_agrees(case):
    assume(not is_near_a_kink(case))
    step_size = 1 / (1 + np.trace(mgd.gram.total(case.net, case.params, case.X)))  # below 1/λ_max(ΣG)

    def run(other):
        return layers(mgd.gradient_descent(*other.everything, step_size, 5).params)

    trained = minimal.gradient_descent(same(case.net), case.params, case.X, case.y, step_size, 5, case.net.train_output)
    expected = run(case)
    allowed = [
        ROUNDINGS * EPSILON * (np.linalg.norm(array) + np.linalg.norm(moved))
        for array, moved in zip(expected, rounding(run, case), strict=True)
    ]
    require(case, "minimal.py", names(case), layers(mgd.Parameters(*trained)), expected, allowed)


@pytest.mark.filterwarnings("ignore:the limits of .* are known up to")  # so far apart they may be, then
@given(problems(st.one_of(fully_connected(("sincos",)), resnet(("sincos",)), conv_resnet(("sincos",)))))
def test_limits_agree(case):
    net, X = case.net, case.X
    match net:
        case mgd.FullyConnected():
            K = minimal.limit_fully_connected(X, net.depth)
        case mgd.ResNet():
            K = minimal.limit_conv_resnet(X[:, :, None], net.depth, (1,), net.c_res)
        case mgd.ConvResNet():
            K = minimal.limit_conv_resnet(X, net.depth, net.filter_shape, net.c_res)
    theta, error, covariances = mgd.gram.limiting(net, X, covariances=True)
    if covariances.ndim == 5:
        covariances = np.diagonal(covariances, axis1=3, axis2=4)  # the positions l = r
    expected = [*covariances, theta[net.depth - 1]]
    # the exponent of a product errs by a rounding of K, and the product multiplies a K
    allowed = error + ROUNDINGS * EPSILON * max(1, *(np.max(np.abs(K_h)) for K_h in expected)) ** 2
    for ours, theirs in zip(K, expected, strict=True):
        np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=0, atol=allowed)


# ---------------------------------------------------------------------- one file, to be shown and copied


def test_it_has_at_most_160_lines_and_needs_numpy_alone():
    assert len(SOURCE.splitlines()) <= 160
    tree = ast.walk(ast.parse(SOURCE))
    imports = [ast.unparse(node) for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports == ["import numpy as np"]


def test_copied_alone_it_trains_three_networks(tmp_path):
    shutil.copy(FILE, tmp_path / "copy.py")
    command = [sys.executable, "-X", "utf8", "-I", "copy.py"]
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=one_thread, capture_output=True, encoding="utf-8", check=True)
    lines = run.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["fully_connected", "resnet", "conv_resnet"]
    for line in lines:
        before, after, smallest, moved = map(float, re.findall(r"\d\.\de[+-]\d\d", line))
        assert after < 1e-5 * before
        assert smallest > 0
        assert moved > 0
    assert run.stderr == ""


def test_the_readme_shows_its_heart_word_for_word():
    shown = [
        fence for fence in re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) if "δ^(h)" in fence
    ]
    assert len(shown) == 1
    pieces = shown[0].strip().split("\n\n\n")
    assert [piece.split("(")[0] for piece in pieces] == ["def fully_connected", "def gradient", "def gram"]
    assert all(f"\n\n\n{piece}\n\n\n" in SOURCE for piece in pieces)
    assert README.index(shown[0]) < README.index("## ", README.index("# minimal_gd"))  # before the first section
