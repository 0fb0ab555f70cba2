"""Every figure draws, redraws from its numbers, and takes its numbers as options."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numba
import numpy as np
import pytest
from exact_certificate import Judge, largest_curvature

import minimal_gd as mgd
from minimal_gd.sweeps.results import Folder

FIGURES = Path(__file__).parent.parent / "figures"
NAMES = sorted(path.stem for path in FIGURES.glob("*.py") if path.stem not in ("common", "draw"))


def draw(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-X", "utf8", "-W", "error::RuntimeWarning", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """All figures, the quick way."""
    out = tmp_path_factory.mktemp("figures")
    watched = (Path(__file__).with_name("watched.py"), out / "written.json")
    done = draw(*watched, FIGURES / "draw.py", "--quick", "--out", out, "--copy-to", out / "copies")
    assert done.returncode == 0, done.stderr
    assert f"{len(NAMES)}/{len(NAMES)}" in done.stderr  # the progress bar
    return out


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_draws_its_picture_beside_its_numbers(drawn, name):
    picture = matplotlib.image.imread(drawn / f"{name}.png")
    assert picture.std() > 0.05  # not blank
    assert (drawn / "copies" / f"{name}.png").read_bytes() == (drawn / f"{name}.png").read_bytes()
    with np.load(drawn / f"{name}.npz", allow_pickle=False) as numbers:
        assert all(np.isfinite(numbers[key]).all() for key in numbers.files if numbers[key].dtype.kind == "f")


def test_figures_write_only_where_told(drawn):
    """But for what Python, numba and matplotlib keep of their own, and what has no name."""
    written = [Path(path) for path in json.loads((drawn / "written.json").read_text(encoding="utf-8"))]
    own = [Path(path).resolve() for path in (mpl.get_cachedir(), mpl.get_configdir(), tempfile.gettempdir())]
    assert {drawn / f"{name}.npz" for name in NAMES} <= set(written)
    elsewhere = [
        path
        for path in written
        if not path.is_relative_to(drawn)
        and "__pycache__" not in path.parts
        and path != Path(os.devnull)
        and not (numba.config.CACHE_DIR and path.is_relative_to(numba.config.CACHE_DIR))
        and path.resolve().parent not in own
        and path.resolve() not in own
    ]
    assert not elsewhere


def test_figures_are_redrawn_from_their_numbers_alone(drawn):
    pictures = {name: (drawn / f"{name}.png").read_bytes() for name in NAMES}
    times = {name: (drawn / f"{name}.npz").stat().st_mtime_ns for name in NAMES}
    for script in ("draw", "gradient_check"):  # all of them, and one
        redrawn = NAMES if script == "draw" else [script]
        for name in redrawn:
            (drawn / f"{name}.png").unlink()
        done = draw(FIGURES / f"{script}.py", "--redraw", "--out", drawn)
        assert done.returncode == 0, done.stderr
        for name in redrawn:
            assert (drawn / f"{name}.png").read_bytes() == pictures[name], name
    assert {name: (drawn / f"{name}.npz").stat().st_mtime_ns for name in NAMES} == times


def test_an_option_changes_the_numbers_and_is_kept_with_them(drawn, tmp_path):
    done = draw(FIGURES / "gradient_check.py", "--quick", "--activation", "tanh", "--seed", 5, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "gradient_check.npz") as new, np.load(drawn / "gradient_check.npz") as old:
        assert json.loads(str(new["options"])) == json.loads(str(old["options"])) | {"activation": "tanh", "seed": 5}
        assert (new["ResNet_central_differences"] != old["ResNet_central_differences"]).all()


DIES = """
import os, runpy, sys

def die_before_the_sixth_result_has_its_name(event, arguments):
    if event == "os.rename" and os.fspath(arguments[1]).endswith(".npz"):
        names.append(arguments[1])
        if len(names) == 6:
            os._exit(9)  # no handler runs, no `finally` and no flush

names = []
sys.addaudithook(die_before_the_sixth_result_has_its_name)
sys.path[0] = os.path.dirname(sys.argv[1])
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_figure_that_is_killed_goes_on_where_it_was(tmp_path):
    command = [FIGURES / "lazy_weights.py", "--quick", "--out"]
    kept = tmp_path / "killed" / "lazy_weights.unfinished"
    killed = draw("-c", DIES, *command, tmp_path / "killed")
    assert killed.returncode == 9, killed.stderr
    assert len(list(kept.glob("*.npz"))) == 5
    done, never_killed = draw(*command, tmp_path / "killed"), draw(*command, tmp_path / "never killed")
    assert done.returncode == never_killed.returncode == 0, done.stderr + never_killed.stderr
    assert re.search(r"trained: .* 5/18", done.stderr)  # what the progress bar begins with
    for name in ("lazy_weights.npz", "lazy_weights.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "never killed" / name).read_bytes()
    assert not kept.exists()


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("gradient_check", ("--activation", "relu"), "net must have an analytic activation"),
        ("gradient_check", ("--width", "0"), "width must be an integer ≥ 1"),
        ("residuals_follow_the_gram_matrix", ("--eigenvectors", "0 3"), "eigenvectors must lie between 1 and samples"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(tmp_path, name, option, message):
    done = draw(FIGURES / f"{name}.py", "--quick", *option, "--out", tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_figure_that_another_process_is_computing_says_so(tmp_path):
    with Folder(tmp_path / "lazy_weights.unfinished", print).held():
        done = draw(FIGURES / "lazy_weights.py", "--quick", "--out", tmp_path)
    assert done.returncode == 2
    assert "another is at work in" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_does_not_reach_its_target_says_so(tmp_path):
    done = draw(FIGURES / "randomisation_test.py", "--quick", "--most-steps", 3, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "randomisation_test.npz") as numbers:
        assert not numbers["ResNet_true_labels_reached"]


def test_an_unknown_figure_and_missing_numbers_are_named(tmp_path):
    assert "no figure nonsense; there are proof_map" in draw(FIGURES / "draw.py", "nonsense").stderr
    done = draw(FIGURES / "gradient_check.py", "--redraw", "--out", tmp_path)
    assert done.returncode == 2
    assert "there are no numbers at" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_has_its_committed_picture_and_it_is_small(name):
    assert (FIGURES / "pictures" / f"{name}.png").stat().st_size < 200_000


def test_the_quick_gradient_check_shows_what_it_claims(drawn):
    with np.load(drawn / "gradient_check.npz") as numbers:
        for architecture in ("fully_connected", "ResNet", "convolutional_ResNet"):
            assert numbers[f"{architecture}_complex_step"].min() < 1e-14
            assert numbers[f"{architecture}_central_differences"].min() < 1e-6


def test_the_quick_randomisation_test_reaches_its_targets(drawn):
    with np.load(drawn / "randomisation_test.npz") as numbers:
        options = json.loads(str(numbers["options"]))
        for key in numbers.files:
            if key.endswith("labels"):
                assert numbers[key][-1] <= options["conv_target" if key.startswith("conv") else "target"]


def test_the_quick_residuals_follow_the_prediction_for_the_first_steps(drawn):
    """The part of the residual along each eigenvector, five steps on: within a tenth of the whole residual."""
    with np.load(drawn / "residuals_follow_the_gram_matrix.npz") as numbers:
        for architecture in ("fully_connected", "ResNet", "convolutional_ResNet"):
            measured, predicted = (numbers[f"{architecture}_{kind}"] for kind in ("measured", "predicted"))
            np.testing.assert_array_equal(measured[0], predicted[0])
            assert np.abs(measured[:6] - predicted[:6]).max() < 0.1 * np.linalg.norm(measured[0])


def test_the_shares_of_the_layers_are_those_of_the_whole(drawn):
    with np.load(drawn / "layers.npz") as numbers:
        for kind in ("fully_connected", "ResNet"):
            np.testing.assert_allclose(numbers[kind].sum(axis=1), 1, rtol=1e-12)


def test_no_bound_of_a_certificate_is_below_what_it_bounds(drawn):
    with np.load(drawn / "certificate_slack.npz") as numbers:
        for kind in ("fully_connected", "ResNet", "convolutional_ResNet"):
            for name in ("residual", "smallest", "largest"):
                assert (numbers[f"{kind}_{name}"] > 0).all()
            for name in ("at_the_start", "in_the_ball"):
                assert (numbers[f"{kind}_curvature_{name}"] > 0).all()


def test_the_search_for_the_most_curved_direction_finds_what_exact_second_derivatives_say(monkeypatch):
    monkeypatch.syspath_prepend(FIGURES)
    from certificate_slack import STEP, most_curved

    X, y = mgd.data.sphere(2, 3, seed=0), mgd.data.random_labels(2, seed=1)
    for net in (mgd.FullyConnected(3, 2, 2, "tanh"), mgd.ResNet(3, 2, 2, "sincos")):
        params, rng = net.init(2), np.random.default_rng(3)
        judge, theta = Judge.of(net, params, X, y)
        largest, _ = largest_curvature(judge.second_derivatives(theta), rng, starts=10)
        found = max(most_curved(net, params, X, rounds=5, rng=rng)[0] for _ in range(4))
        assert found == pytest.approx(largest, rel=100 * STEP**2)


def test_the_first_certified_step_is_certified_and_the_one_before_is_not(monkeypatch):
    monkeypatch.syspath_prepend(FIGURES)
    from certified_from import first_certified

    X, y = mgd.data.sphere(4, 10, seed=0), mgd.data.random_labels(4, seed=1)
    net = mgd.FullyConnected(10, 16, 1, "sincos")
    params = net.init(0)
    eta = 0.1 * mgd.stable_step_size(net, params, X)
    margins = mgd.gradient_descent(
        net, params, X, y, eta, 80, observe=lambda _, theta: mgd.certify(net, theta, X, y, eta).margin
    ).observed
    k = first_certified(net, params, X, y, eta, 80)
    assert k == np.argmax(np.array(margins) > 1) > 1
    assert first_certified(net, params, X, y, eta, k // 2) == -1
    trained = mgd.gradient_descent(net, params, X, y, eta, int(k)).params
    assert first_certified(net, trained, X, y, eta, 1) == 0
