"""The folder of a sweep: the names of its files, what is in them, what is refused, and its lock."""

import errno
import hashlib
import importlib.util
import inspect
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import sweep_measures
from sweep_measures import SEEDS, Here

from minimal_gd import results
from minimal_gd.results import Folder, measure_code, versions
from minimal_gd.sweeps import sweep

CASE = '{"seed": 0}'


@pytest.fixture
def store(tmp_path) -> Folder:
    """A folder with one result."""
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path, executor=Here())
    return Folder(tmp_path, sweep_measures.slow)


# ------------------------------------------------------------------ what made it


def test_a_measure_is_told_by_its_name_and_a_digest_of_its_text(store):
    text = inspect.getsource(sweep_measures.slow)
    assert text.startswith("def slow(seed):")
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    assert measure_code(sweep_measures.slow) == {"measure": "slow", "measure's code": digest}
    assert store.maker == measure_code(sweep_measures.slow) | versions()
    assert len(versions()["minimal_gd's code"]) == 12


def test_a_measure_without_a_text_is_told_by_its_name():
    typed = {}
    exec("def typed(seed): return {}", typed)
    assert measure_code(typed["typed"]) == {"measure": "typed", "measure's code": "unknown"}
    assert measure_code(len) == {"measure": "len", "measure's code": "unknown"}


# ------------------------------------------------------------------ its files


def test_the_name_of_a_file_is_that_of_the_measure_and_a_digest_of_the_case(store):
    """Another name, and nobody finds what was computed before."""
    digest = hashlib.sha256(b'{"seed": 0}').hexdigest()[:32]
    assert sorted(file.name for file in store.path.iterdir()) == [f"slow-{digest}.npz", "sweep.lock"]


def test_a_folder_in_a_folder_that_is_not_there_is_made(tmp_path):
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path / "there" / "not", executor=Here())
    assert len(list((tmp_path / "there" / "not").glob("*.npz"))) == 1


def changed(store, **entries) -> None:
    """Write a file anew, with other entries beside the checksum as it was."""
    with np.load(store.file(CASE), allow_pickle=False) as file:
        kept = dict(file)
    np.savez(store.file(CASE), **kept | entries)


@pytest.mark.parametrize(
    "entries",
    [
        {"result.draw": np.zeros(100)},
        {"result.seed": np.int64(1)},
        {"result.seed": np.int32(0)},
        {"result.draw": np.zeros((10, 10))},
        {"result.more": np.zeros(1)},
        {"record": np.array(json.dumps({"case": {"seed": 0}, "maker": {}}))},
    ],
    ids=["values", "a value", "a dtype", "a shape", "an entry more", "the record"],
)
def test_whatever_is_changed_in_a_file_its_checksum_tells(store, entries):
    changed(store, **entries)
    with pytest.warns(UserWarning, match="its checksum is wrong"):
        assert store.read(CASE) is None


class Harmful:
    """What a pickle may do when it is read."""

    def __reduce__(self):
        return print, ("harm is done",)


def test_no_pickle_in_a_file_is_ever_read(store, capsys):
    changed(store, **{"result.seed": np.array([Harmful()], dtype=object)})
    with pytest.warns(UserWarning, match="is damaged"):
        assert store.read(CASE) is None
    assert capsys.readouterr().out == ""


def test_a_result_that_cannot_be_written_says_where_and_that_the_sweep_goes_on(tmp_path, monkeypatch):
    def full(file, **arrays):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left") as caught:
        sweep(sweep_measures.slow, SEEDS[:1], tmp_path, executor=Here())
    file = Folder(tmp_path, sweep_measures.slow).file(CASE)
    assert caught.value.__notes__ == [
        f"{file} could not be written; the same sweep goes on from the results in the folder"
    ]


# ------------------------------------------------------------------ its lock


@pytest.mark.skipif(results.fcntl is None, reason="POSIX locks")
def test_where_the_file_system_has_no_locks_a_sweep_does_without(tmp_path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(results.fcntl, "flock", refuse)
    assert len(sweep(sweep_measures.slow, SEEDS[:2], tmp_path, executor=Here())) == 2


def test_windows_locks_the_first_byte(tmp_path, monkeypatch):
    locked = []
    windows = SimpleNamespace(LK_NBLCK=2, locking=lambda number, how, size: locked.append((how, size)))
    monkeypatch.setitem(sys.modules, "fcntl", None)  # importing it fails
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    spec = importlib.util.find_spec("minimal_gd.results")
    there = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(there)
    with there.Folder(tmp_path, sweep_measures.slow).held():
        assert locked == [(2, 1)]
