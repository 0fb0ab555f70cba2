"""Files that are written whole or not at all, even if the power fails."""

import os

import numpy as np
import pytest

from minimal_gd._runtime import files as atomic


def test_the_bytes_are_on_the_disk_before_the_file_takes_its_name(tmp_path, monkeypatch):
    done, path = [], tmp_path / "run.npz"
    sync, replace = os.fsync, os.replace

    def recorded_sync(number):
        sync(number)
        done.append(atomic.partial(path).read_bytes())  # all that was written, and flushed

    def recorded_replace(old, new):
        done.append((old, new))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", recorded_sync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    atomic.save(path, {"x": np.arange(5)})
    assert done == [path.read_bytes(), (atomic.partial(path), path)]
    with np.load(path, allow_pickle=False) as file:
        assert list(file["x"]) == list(range(5))


@pytest.mark.parametrize("failing", ["savez", "fsync", "replace"])
def test_a_file_that_cannot_be_written_stays_as_it_was_and_nothing_is_beside_it(tmp_path, monkeypatch, failing):
    path = tmp_path / "run.npz"
    atomic.save(path, {"x": np.arange(5)})
    before = path.read_bytes()

    def fail(*arguments, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(np if failing == "savez" else os, failing, fail)
    with pytest.raises(KeyboardInterrupt):
        atomic.save(path, {"x": np.zeros(3)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
