"""Trajectories on disk."""

import zipfile

import numpy as np
import pytest
from strategies import problem
from test_descent import assert_same_run, stable

import minimal_gd as mgd
from minimal_gd.trajectory import Trajectory


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
