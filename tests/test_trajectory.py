"""Trajectories on disk."""

import zipfile

import numpy as np
import pytest
from test_descent import assert_same_run, stable

import minimal_gd as mgd
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.testing.strategies import problem


@pytest.fixture
def run() -> Trajectory:
    case = problem(mgd.ConvResNet((2, 3, 4), 6, 11, (3, 3), "gelu"), n=4, seed=0)
    observer = {"observe": lambda k, params: params.a if k else 0, "observe_every": 2}
    return mgd.gradient_descent(*case.everything, stable(case), 5, predictions=True, distances=True, **observer)


def test_what_is_loaded_is_what_was_saved(run, tmp_path):
    path = run.save(tmp_path / "a run")
    assert [file.name for file in tmp_path.iterdir()] == ["a run"]  # no suffix added, nothing left over
    loaded = Trajectory.load(str(path))
    assert_same_run(loaded, run)
    for ours, theirs in zip(loaded.start.W, run.start.W, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (loaded.step_size, loaded.normalisation, loaded.steps) == (run.step_size, "sum", 5)


def test_what_was_observed_by_name_is_loaded_by_name(tmp_path):
    case = problem(mgd.FullyConnected(3, 4, 2), n=4, seed=0)
    names = ["loss", "x.npy", "a/b", "\0", "é\ud800", "params.a", "0"]  # none is taken for a part of the file
    observer = {"observe": lambda k, params: {name: params.a * i + k for i, name in enumerate(names)}}
    run = mgd.gradient_descent(*case.everything, 1e-3, 2, **observer)
    assert list(run.observed) == names
    assert Trajectory.load(run.save(tmp_path / "run.npz")) == run


def test_a_file_that_is_incomplete_or_mixed_is_refused(run, tmp_path):
    """Without any one of its arrays, with one more, or with one of another run, whatever its shape."""
    path = run.save(tmp_path / "run.npz")
    with np.load(path) as file:
        whole = dict(file)
    case = problem(mgd.ConvResNet((2, 3, 4), 6, 11, (3, 3), "gelu"), n=4, seed=1)
    with np.load(mgd.gradient_descent(*case.everything, stable(case), 5).save(tmp_path / "another")) as file:
        another = dict(file)
    mixtures = [{name: whole[name] for name in whole if name != left_out} for left_out in whole]
    mixtures += [whole | {name: another[name]} for name in another if not np.array_equal(another[name], whole[name])]
    mixtures += [whole | {"params.W11": whole["params.W10"]}, whole | {"observed_9": np.ones(3)}]
    mixtures += [whole | {name: array[:-1]} for name, array in whole.items() if array.ndim]
    mixtures += [whole | {"params.a": whole["params.a"].astype(np.float32)}, whole | {"loss": whole["loss"][::-1]}]
    # the same bytes under another name, of another shape or dtype
    renamed = {name.replace("distances", "distancet"): array for name, array in whole.items()}
    observed = whole["observed_1"]
    mixtures += [renamed, whole | {"observed_1": observed.reshape(-1)}, whole | {"observed_1": observed.view(np.int64)}]
    assert len(mixtures) > 70
    for arrays in mixtures:
        with path.open("wb") as file:
            np.savez(file, **arrays)
        with pytest.raises(ValueError, match=r"path must name a whole trajectory.*run\.npz"):
            Trajectory.load(path)
    with path.open("wb") as file:
        np.savez_compressed(file, **dict(reversed(whole.items())))  # the same arrays in another order are whole
    assert Trajectory.load(path) == run


PARAMS = mgd.FullyConnected(3, 4, 2).init(0)
OTHER = mgd.FullyConnected(3, 5, 2).init(0)
MISFITS = {
    "loss": {"loss": np.ones((2, 1))},
    "loss of no step": {"loss": np.ones(0)},
    "params": {"params": mgd.Parameters(PARAMS.W, OTHER.a)},
    "params of two widths": {"params": mgd.Parameters((PARAMS.W[0], OTHER.W[1]), PARAMS.a)},
    "params without layers": {"params": mgd.Parameters((), PARAMS.a)},
    "step_size": {"step_size": np.nan},
    "normalisation": {"normalisation": "max"},
    "predictions": {"predictions": np.ones((2, 4))},
    "distances": {"distances": np.ones((3, 2))},
    "start": {"start": OTHER},
    "observed_steps": {"observed_steps": np.array([0, 0]), "observed": [np.ones(1)] * 2},
    "observed_steps beyond the last": {"observed_steps": np.array([0, 3]), "observed": [np.ones(1)] * 2},
    "observed": {"observed_steps": np.array([0, 2]), "observed": {"a": [np.ones(1)] * 2, "b": [np.ones(1)]}},
}


@pytest.mark.parametrize("what", MISFITS)
def test_parts_that_do_not_belong_together_are_refused_by_name(tmp_path, what):
    """Where a trajectory is loaded, and where one is to be resumed."""
    case, part = problem(mgd.FullyConnected(3, 4, 2), n=4, seed=0), what.split()[0]
    whole = {"loss": np.array([3.0, 2.0, 1.0]), "params": PARAMS, "step_size": 1e-3}
    run = Trajectory(**whole | MISFITS[what])
    with pytest.raises(ValueError, match=rf"^path must name a whole trajectory.*(run\.{part} must fit|observed_1\.1)"):
        Trajectory.load(run.save(tmp_path / "run.npz"))
    if part not in ("step_size", "normalisation"):  # which must be those of the call before all else
        with pytest.raises(ValueError, match=rf"resume\.{part} must fit|steps counts"):
            mgd.gradient_descent(*case.everything, 1e-3, 9, resume=run)


def test_what_was_not_recorded_is_not_there_after_loading_either(tmp_path):
    case = problem(mgd.FullyConnected(3, 4, 2), n=4, seed=0)
    run = mgd.gradient_descent(*case.everything, 1e-3, 2, normalisation="mean")
    loaded = Trajectory.load(run.save(tmp_path / "run.npz"))
    assert loaded.predictions is loaded.distances is loaded.start is None
    assert loaded.normalisation == "mean"
    assert_same_run(loaded, run)


def test_a_trajectory_made_by_hand_has_observed_nothing():
    params = mgd.FullyConnected(3, 4, 2).init(0)
    run = Trajectory(np.array([2.0, 1.0]), params, 1e-3)
    assert (run.steps, run.observed_steps.tolist(), run.observed, run.normalisation) == (1, [], [], "sum")


def test_the_file_needs_no_pickle(run, tmp_path):
    with np.load(run.save(tmp_path / "run.npz"), allow_pickle=False) as stored:
        for name in stored.files:
            assert stored[name].dtype.kind in "biufU"


def test_a_damaged_file_is_refused_by_its_name(run, tmp_path):
    path = run.save(tmp_path / "run.npz")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"path must name a whole trajectory.*run\.npz"):
            Trajectory.load(path)
    for place in rng.integers(0, len(whole), 200):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            damaged = Trajectory.load(path)
        except ValueError:
            continue
        assert_same_run(damaged, run)  # the byte was one that no number depends on


def test_what_is_no_trajectory_is_refused(tmp_path):
    np.save(tmp_path / "array.npy", np.ones(3))
    np.savez(tmp_path / "arrays.npz", loss=np.ones(3))
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as file:
        file.writestr("loss.npy", b"nothing")
    run = Trajectory(np.array([2.0, 1.0]), mgd.FullyConnected(3, 4, 2).init(0), 1e-3)
    run.observed, run.observed_steps = [np.array([{}], dtype=object)], np.array([0])
    run.save(tmp_path / "pickle.npz")  # as nothing but a hand does
    for name in ("array.npy", "arrays.npz", "zip.npz", "pickle.npz"):
        with pytest.raises(ValueError, match="path must name a whole trajectory"):
            Trajectory.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Trajectory.load(tmp_path / "missing.npz")
    with pytest.raises(TypeError, match="path must be a path, got int 3"):
        Trajectory.load(3)


def test_a_failed_save_leaves_the_old_file(run, tmp_path, monkeypatch):
    path = run.save(tmp_path / "run.npz")
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        run.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
