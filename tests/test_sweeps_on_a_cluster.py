"""The same sweep on clusters, through executors that others have written. With --long alone: they need the extra."""

import os
import sys

import pytest
import sweep_measures
from sweep_measures import LOG, Here, assert_same_results, logged

from minimal_gd.sweeps import SweepError, grid, sweep

CASES = grid(architecture=("FullyConnected", "ResNet"), width=(8, 64), depth=(2, 3), seed=range(2))


@pytest.fixture(scope="module")
def client(request, tmp_path_factory):
    """A cluster on this machine: a scheduler, and two worker processes of two threads each."""
    if not request.config.getoption("--long"):
        pytest.skip("a Dask cluster is for --long")
    from distributed import Client, LocalCluster

    folder = tmp_path_factory.mktemp("cluster")
    environment = pytest.MonkeyPatch()
    environment.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    environment.setenv(LOG, str(folder / "log"))
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None, local_directory=str(folder)
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client, folder / "log"
    environment.undo()


def test_a_dask_cluster_gives_the_bits_of_this_process_each_case_computed_once(client, tmp_path):
    client, log = client
    here = os.getpid()
    results = sweep(sweep_measures.gram, CASES[:6], tmp_path / "cluster", executor=client.get_executor())
    results = sweep(sweep_measures.gram, CASES, tmp_path / "cluster", executor=client.get_executor(), workers=4)
    cases = [tuple(case.values()) for case, _ in logged(log)]
    assert len(cases) == len(set(cases)) == len(CASES)
    assert here not in {pid for _, pid in logged(log)}
    assert len({pid for _, pid in logged(log)}) == 2
    assert_same_results(results, sweep(sweep_measures.gram, CASES, tmp_path / "here", executor=Here()))
    for file in (tmp_path / "here").glob("*.npz"):
        assert file.read_bytes() == (tmp_path / "cluster" / file.name).read_bytes()


def test_a_dask_cluster_goes_on_where_processes_of_this_machine_stopped(client, tmp_path):
    client, log = client
    before = len(logged(log))
    first = sweep(sweep_measures.gram, CASES[:5], tmp_path, workers=2)
    results = sweep(sweep_measures.gram, CASES, tmp_path, executor=client.get_executor())
    assert len(logged(log)) == before + len(CASES)
    assert_same_results(results[:5], first)


def test_on_a_dask_cluster_every_case_has_one_thread(client, tmp_path):
    for result in sweep(sweep_measures.thread_counts, grid(seed=range(8)), tmp_path, executor=client[0].get_executor()):
        assert set(result["blas"]) == {1}
        assert result["own"] == 1


def test_a_dask_worker_that_dies_is_replaced_and_a_case_that_raises_is_named(client, tmp_path):
    client, _ = client
    cases = grid(seed=[0, 1, 10, 2], marks=str(tmp_path))
    results = sweep(sweep_measures.dies, cases, tmp_path / "dies", executor=client.get_executor())
    assert [int(result["seed"]) for result in results] == [0, 1, 10, 2]
    with pytest.raises(SweepError, match=r'1 of 4 cases .*\n\{"seed": 2\}: .*StubbornError: this and that'):
        sweep(sweep_measures.fails, grid(seed=range(4)), tmp_path / "fails", executor=client.get_executor())
