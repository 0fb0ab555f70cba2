"""The folder of a sweep: the names of its files, what is in them, what is refused, and its lock."""

import errno
import hashlib
import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sweep_measures
from hypothesis import example, given
from hypothesis import strategies as st
from sweep_measures import SEEDS, Here

from minimal_gd._runtime import compiling, files
from minimal_gd.sweeps import results, sweep
from minimal_gd.sweeps.code_digest import code_digest
from minimal_gd.sweeps.results import BusyFolderError, Folder, as_result, measure_code, versions

CASE = '{"seed": 0}'


@pytest.fixture
def store(tmp_path) -> Folder:
    """A folder with one result."""
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path, executor=Here())
    return Folder(tmp_path, sweep_measures.slow)


# ------------------------------------------------------------------ what made it


def test_a_measure_is_told_by_its_name_and_a_digest_of_what_it_runs(store):
    assert measure_code(sweep_measures.slow) == {
        "measure": "slow",
        "measure's code": code_digest(sweep_measures.slow),
    }
    assert store.maker == measure_code(sweep_measures.slow) | versions()


def test_the_digest_of_the_package_is_that_of_what_is_imported(monkeypatch):
    """A file that is edited after the import is not what runs: the digest is not taken again."""
    assert versions()["minimal_gd's code"] == compiling.package_code()[:12]
    monkeypatch.setattr(compiling, "package_code", lambda: "of another text")
    assert versions()["minimal_gd's code"] == results._OWN_CODE != "of another text"


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
    "change",
    [
        lambda draw: {"result.draw": np.zeros(100)},
        lambda draw: {"result.draw": draw.reshape(10, 10)},
        lambda draw: {"result.draw": draw.view(np.int64)},
        lambda draw: {"result.draw": draw.view(draw.dtype.newbyteorder())},
        lambda draw: {"result.seed": np.int64(1)},
        lambda draw: {"result.more": np.zeros(0)},
        lambda draw: {"record": np.array(json.dumps({"case": {"seed": 0}, "maker": {}}))},
    ],
    ids=["values", "the shape alone", "the dtype alone", "the order of bytes alone", "a number", "more", "the record"],
)
def test_whatever_is_changed_in_a_file_its_checksum_tells(store, change):
    result, _ = store.read(CASE)
    changed(store, **change(result["draw"]))
    with pytest.warns(UserWarning, match="its checksum is wrong"):
        assert store.read(CASE) is None


def test_a_result_that_is_renamed_is_told_by_the_checksum(store):
    with np.load(store.file(CASE), allow_pickle=False) as file:
        entries = dict(file)
    entries["result.seal"] = entries.pop("result.seed")
    np.savez(store.file(CASE), **entries)
    with pytest.warns(UserWarning, match="its checksum is wrong"):
        assert store.read(CASE) is None


NAMES = ["", "x", "x.npy", "x.npy.npy", "x\0y", "x\0", "a/b", "../x", "a\\b", "%2E", "loss ∂u", "\ud800", "n" * 59_000]


@given(st.lists(st.sampled_from(NAMES) | st.text(st.characters(), max_size=4), unique=True))
@example(NAMES)
def test_a_result_has_whatever_names_the_measure_gives(tmp_path_factory, names):
    folder = Folder(tmp_path_factory.mktemp("names"), sweep_measures.slow)
    result = {name: np.float64(number) for number, name in enumerate(names)}
    folder.write(CASE, as_result(result))
    assert folder.read(CASE) == (result, folder.maker)
    with zipfile.ZipFile(folder.file(CASE)) as archive:  # whoever unpacks it stays in one folder
        assert not set("".join(archive.namelist())) & set("/\\\0")


def test_plain_names_are_those_of_the_file_and_names_with_a_dot_of_older_files_are_read(store):
    with np.load(store.file(CASE), allow_pickle=False) as file:
        assert {"result.draw", "result.seed"} < set(file)
    entries = {"result.a.b": np.ones(2)}
    record = json.dumps({"case": {"seed": 0}, "maker": store.maker})
    np.savez(store.file(CASE), record=record, sha256=files.checksum(entries, record), **entries)
    assert list(store.read(CASE)[0]) == ["a.b"]


def test_a_name_too_long_for_a_file_is_refused_before_anything_is_written():
    with pytest.raises(ValueError, match=r"measure must return .* got a name of 30000 characters, 'ééééé"):
        as_result({"é" * 30_000: 1.0})


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


def read_only(path, monkeypatch):
    """As on a disk that cannot be written, whoever the user is."""
    opened = Path.open

    def refuse(file, mode="r", *how):
        if set(mode) & set("wax+") and path in file.parents:
            raise OSError(errno.EROFS, "Read-only file system", str(file))
        return opened(file, mode, *how)

    monkeypatch.setattr(Path, "open", refuse)


def test_a_finished_sweep_on_a_disk_that_cannot_be_written_is_read(store, monkeypatch):
    read_only(store.path, monkeypatch)
    assert len(sweep(sweep_measures.slow, SEEDS[:1], store.path, executor=Here())) == 1
    with pytest.raises(OSError, match="Read-only file system"):  # before any work
        sweep(sweep_measures.slow, SEEDS, store.path, executor=None)


def test_a_finished_sweep_is_read_while_another_is_at_work(store):
    left = store.path / (store.file(CASE).name + ".partial")
    left.touch()
    with Folder(store.path, sweep_measures.large).held() as hindrance:
        assert hindrance is None
        assert len(sweep(sweep_measures.slow, SEEDS[:1], store.path, executor=Here())) == 1
        with pytest.raises(BusyFolderError, match="another is at work in"):
            sweep(sweep_measures.slow, SEEDS, store.path, executor=Here())
    assert left.exists()  # it may be growing


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
    spec = importlib.util.find_spec("minimal_gd.sweeps.results")
    there = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(there)
    with there.Folder(tmp_path, sweep_measures.slow).held() as hindrance:
        assert (locked, hindrance) == ([(2, 1)], None)
