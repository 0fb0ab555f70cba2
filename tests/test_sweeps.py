"""Sweeps: what they compute, keep and find in their folder."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from warnings import catch_warnings

import numpy as np
import pytest
import sweep_measures
from hypothesis import given
from hypothesis import strategies as st
from sweep_measures import SEEDS, Here, assert_same_results, logged
from threadpoolctl import threadpool_limits

import minimal_gd as mgd
from minimal_gd.sweeps import BusyFolderError, grid, sweep
from minimal_gd.sweeps.results import Folder


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setenv(sweep_measures.LOG, str(path))
    return path


# ------------------------------------------------------------------ what comes out


def test_a_grid_has_every_combination_the_last_name_fastest():
    cases = grid(width=np.array([8, 16]), activation="tanh", seed=range(2))
    assert cases == [{"width": m, "activation": "tanh", "seed": s} for m in (8, 16) for s in (0, 1)]
    json.dumps(cases)
    with pytest.raises(ValueError, match="seed must have at least one value"):
        grid(width=3, seed=[])


def test_results_come_in_the_order_of_the_cases_each_computed_once(tmp_path, log):
    cases = [*SEEDS[::-1], SEEDS[2]]
    results = sweep(sweep_measures.slow, cases, tmp_path / "out", executor=ThreadPoolExecutor(3))
    assert [int(result["seed"]) for result in results] == [5, 4, 3, 2, 1, 0, 2]
    assert sorted(case["seed"] for case, _ in logged(log)) == list(range(6))


def test_a_finished_sweep_is_read_and_a_larger_one_computes_what_is_new(tmp_path, log):
    first = sweep(sweep_measures.slow, SEEDS[:4], tmp_path / "out", executor=Here())
    assert_same_results(sweep(sweep_measures.slow, SEEDS[:4], tmp_path / "out"), first)
    assert_same_results(sweep(sweep_measures.slow, SEEDS, tmp_path / "out", executor=Here())[:4], first)
    assert len(logged(log)) == 6


def test_bits_do_not_depend_on_the_executor_the_number_of_workers_or_the_threads_of_blas(tmp_path):
    cases = grid(architecture=("FullyConnected", "ResNet"), width=(8, 64), depth=2, seed=0)
    ways = {
        "one process": {"workers": 1},
        "three processes": {"workers": 3},
        "one thread": {"executor": ThreadPoolExecutor(1)},
        "four threads": {"executor": ThreadPoolExecutor(4)},
    }
    found = {way: sweep(sweep_measures.gram, cases, tmp_path / way, **options) for way, options in ways.items()}
    with threadpool_limits(1):
        found["BLAS limited"] = sweep(sweep_measures.gram, cases, tmp_path / "BLAS limited", executor=Here())
    files = {way: {f.name: f.read_bytes() for f in (tmp_path / way).glob("*.npz")} for way in found}
    for way in found:
        assert_same_results(found[way], found["one process"])
        assert files[way] == files["one process"]
    assert len(files["one process"]) == len(cases)


@pytest.mark.parametrize("options", [{"workers": 2}, {"executor": ThreadPoolExecutor(2)}], ids=["processes", "threads"])
def test_every_case_has_one_thread_for_blas_and_for_the_package(tmp_path, options):
    for result in sweep(sweep_measures.thread_counts, SEEDS, tmp_path, **options):
        assert set(result["blas"]) == {1}
        assert result["own"] == 1


def test_what_comes_from_the_disk_is_what_was_computed(tmp_path):
    case = grid(kind="good")
    fresh = sweep(sweep_measures.returns, case, tmp_path, executor=Here())
    assert_same_results(sweep(sweep_measures.returns, case, tmp_path, executor=Here()), fresh)
    assert (fresh[0]["text"], fresh[0]["flag"], fresh[0]["number"]) == ("softplus", True, 2)


def test_a_file_says_the_case_and_the_versions_that_made_it_without_pickle(tmp_path):
    sweep(sweep_measures.slow, grid(seed=np.arange(3, 4)), tmp_path, executor=Here())
    (path,) = tmp_path.glob("*.npz")
    with np.load(path, allow_pickle=False) as file:
        record = json.loads(str(file["record"]))
    assert record["case"] == {"seed": 3}
    assert record["maker"]["measure"] == "slow"
    assert record["maker"]["numpy"] == np.__version__
    assert record["maker"]["minimal_gd"] == mgd.__version__


def test_cases_are_computed_in_a_mixed_order_that_is_the_same_whatever_order_they_come_in(tmp_path, log):
    """So that the pace so far tells of the rest."""
    orders = []
    for name, cases in (("up", grid(seed=range(12))), ("down", grid(seed=range(11, -1, -1)))):
        log.unlink(missing_ok=True)
        sweep(sweep_measures.slow, cases, tmp_path / name, executor=Here())
        orders.append([case["seed"] for case, _ in logged(log)])
    assert orders[0] == orders[1]
    assert orders[0] not in (list(range(12)), list(range(11, -1, -1)))


def test_no_more_than_the_asked_number_of_cases_is_begun_and_not_on_disk(tmp_path):
    unwritten = []

    class Watched(ThreadPoolExecutor):
        def submit(self, *arguments):
            unwritten.append(len(unwritten) + 1 - len(list(tmp_path.glob("*.npz"))))
            return super().submit(*arguments)

    sweep(sweep_measures.slow, grid(seed=range(12)), tmp_path, executor=Watched(2), workers=3)
    assert len(unwritten) == 12
    assert max(unwritten) == 3


def test_progress_counts_what_was_there_and_estimates_the_time_left(tmp_path, capsys):
    sweep(sweep_measures.slow, SEEDS[:4], tmp_path, executor=Here())
    assert capsys.readouterr().err == ""
    sweep(sweep_measures.slow, grid(seed=range(20)), tmp_path, executor=ThreadPoolExecutor(1), progress=True)
    shown = capsys.readouterr().err
    assert "slow:  20%" in shown
    assert re.search(r"slow: .* 1\d/20 \[\d\d:\d\d<\d\d:\d\d", shown)


# ------------------------------------------------------------------ what lies in the folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished sweep's folder, and its results."""
    path = tmp_path_factory.mktemp("whole")
    return path, sweep(sweep_measures.slow, SEEDS[:2], path, executor=Here())


@given(st.data())
def test_a_damaged_file_is_never_taken_for_a_result(whole, data):
    """Bytes changed anywhere, or cut off: a warning that names the file, or the result as it was."""
    path, results = whole
    store = Folder(path, sweep_measures.slow)
    file = store.file('{"seed": 0}')
    content = file.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    damaged = bytearray(content)
    damaged[place] ^= data.draw(st.integers(1, 255))
    damaged = damaged[: data.draw(st.sampled_from([len(content), place]))]
    file.write_bytes(damaged)
    with catch_warnings(record=True, action="always") as caught:
        found = store.read('{"seed": 0}')
    file.write_bytes(content)
    if found is not None:  # a byte that nobody reads
        assert_same_results([found[0]], results[:1])
    else:
        assert f"{file} is damaged" in str(caught[0].message)
        assert '{"seed": 0}' in str(caught[0].message)


def test_a_damaged_file_is_named_and_computed_again_alone(tmp_path, log):
    before = sweep(sweep_measures.slow, SEEDS, tmp_path / "out", executor=Here())
    store = Folder(tmp_path / "out", sweep_measures.slow)
    broken, swapped, gone = (store.file(json.dumps(case)) for case in SEEDS[:3])
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    swapped.write_bytes(store.file(json.dumps(SEEDS[5])).read_bytes())
    gone.unlink()
    with pytest.warns(UserWarning, match="damaged") as warnings:
        again = sweep(sweep_measures.slow, SEEDS, tmp_path / "out", executor=Here())
    messages = sorted(str(warning.message) for warning in warnings)
    assert len(messages) == 2
    assert all(any(str(file) in message for message in messages) for file in (broken, swapped))
    assert any("another case" in message for message in messages)
    assert warnings[0].filename == __file__
    assert_same_results(again, before)
    assert [case["seed"] for case, _ in logged(log)].count(3) == 1
    assert len(logged(log)) == 9


def test_files_of_others_stay_and_what_a_kill_left_goes(tmp_path):
    others = [
        "notes.txt",
        "thesis.npz",
        "thesis.npz.partial",
        "slow-thesis.npz.partial",
        "large-1.npz",
        "other.partial",
    ]
    for name in others:
        (tmp_path / name).write_text("mine", encoding="utf-8")
    left = tmp_path / (Folder(tmp_path, sweep_measures.slow).file('{"seed": 77}').name + ".partial")
    left.write_text("half", encoding="utf-8")
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path, executor=Here())
    assert all((tmp_path / name).read_text(encoding="utf-8") == "mine" for name in others)
    assert not left.exists()


def test_one_sweep_at_a_time_works_in_a_folder(tmp_path):
    with Folder(tmp_path, sweep_measures.slow).held(), pytest.raises(BusyFolderError, match="another is at work in"):
        sweep(sweep_measures.slow, SEEDS, tmp_path, executor=Here())
    sweep(sweep_measures.slow, SEEDS[:1], tmp_path, executor=Here())
