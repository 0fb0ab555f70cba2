"""The same bits on one machine, whatever the number of threads; the same numbers on all, within stated roundings."""

import os
import subprocess
import sys

import numpy as np
import pytest
import reference_runs
from reference_runs import NETS, case_of, stored
from test_descent import assert_same_run
from threadpoolctl import threadpool_limits

import minimal_gd as mgd
from minimal_gd.testing.comparing import EPSILON, gram_allowance
from minimal_gd.testing.strategies import problem

every_net = pytest.mark.parametrize("name", NETS)

# ---------------------------------------------------------------------- threads

# OpenBLAS splits products of more than about 2^18 multiplications and dot products of more than 10^4. Here those of a
# layer are larger, and the sizes are no multiples of a kernel's.
LARGE = {
    "dense": (mgd.FullyConnected(101, 613, 3), 509),
    "residual": (mgd.ResNet(64, 513, 2, "tanh"), 777),
    "convolution": (mgd.ConvResNet((3, 2, 2), 97, 2, (3, 3)), 301),
    "two layers": (mgd.TwoLayerReLU(50, 2003), 1001),
    "many samples": (mgd.FullyConnected(3, 5, 2), 40_001),
}


def on_any_number_of_threads(compute):
    """What is computed with a BLAS of 1, 2, 3 and 5 threads."""
    results = []
    for count in (1, 2, 3, 5):
        with threadpool_limits(count, user_api="blas"):
            results.append(compute())
    return results


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("which", LARGE)
def test_descent_gives_the_same_bits_on_any_number_of_threads(which, dtype):
    net, n = LARGE[which]
    case = problem(net, n, seed=0)
    params = net.init(0, dtype)
    first, *others = on_any_number_of_threads(
        lambda: mgd.gradient_descent(net, params, case.X, case.y, 1e-6, 2, predictions=True, distances=True)
    )
    for other in others:
        assert_same_run(first, other)


@pytest.mark.parametrize("which", ["dense", "residual", "convolution", "two layers"])
def test_the_stable_step_size_has_the_same_bits_on_any_number_of_threads(which):
    net, n = LARGE[which]
    case = problem(net, n, seed=0)
    sizes = on_any_number_of_threads(lambda: mgd.stable_step_size(net, case.params, case.X))
    assert len(set(sizes)) == 1


@pytest.mark.parametrize(
    ("net", "n"),
    [
        (mgd.FullyConnected(64, 1, 3), 101),
        (mgd.FullyConnected(641, 1, 3, "relu"), 350),  # the most that is done in one thread
        (mgd.FullyConnected(641, 1, 3, "relu"), 373),
        (mgd.ConvResNet((3, 5, 5), 1, 3, (3, 3)), 40),
    ],
    ids=repr,
)
@pytest.mark.parametrize("norm", ["of their own", "one"])
def test_limits_have_the_same_bits_on_any_number_of_threads(net, n, norm):
    X = problem(net, n, seed=0).X
    if norm == "one":
        X = X / np.linalg.norm(X.reshape(n, -1), axis=1).reshape(n, *[1] * (X.ndim - 1))
    (K, error), *others = on_any_number_of_threads(lambda: mgd.gram.limiting(net, X, tolerance=1e-8))
    for other, its_error in others:
        np.testing.assert_array_equal(K, other)
        assert error == its_error


PROGRAM = """
import hashlib, minimal_gd as mgd
X, y = mgd.data.digits(150, seed=0)
net = mgd.ResNet(64, 256, 2, "tanh")
params = net.init(0)
run = mgd.gradient_descent(net, params, X, y, mgd.stable_step_size(net, params, X), 20)
K, _ = mgd.gram.limiting(net, X)
for array in (run.loss, run.params.a, *run.params.W, K):
    print(hashlib.sha256(array.tobytes()).hexdigest())
"""


def test_a_program_gives_the_same_bits_in_every_process_and_on_any_number_of_threads():
    outputs = set()
    for threads, hash_seed in (("1", "0"), ("2", "1"), ("3", "2")):
        limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), threads)
        environment = os.environ | limits | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", PROGRAM]
        outputs.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(outputs) == 1


# ---------------------------------------------------------------------- machines


@every_net
def test_losses_are_those_of_the_machine_that_made_the_references(name):
    case, (here,) = case_of(name), reference_runs.losses(case_of(name))
    allowed = reference_runs.losses_allowance(case)
    assert (allowed < 1e-6 * here).all()  # six digits or more are compared
    there = np.array(stored()["runs"][name]["losses"])
    assert there[-1] < there[0]
    assert (np.abs(here - there) <= allowed).all()


@every_net
def test_gram_matrices_are_those_of_the_machine_that_made_the_references(name):
    case = case_of(name)
    allowed = reference_runs.sums(np.array(gram_allowance(case)[::-1]))
    here, there = reference_runs.sums(reference_runs.grams_of(case)), np.array(stored()["runs"][name]["grams"])
    assert (np.abs(here - there) <= allowed).all()


@every_net
def test_limits_and_their_smallest_eigenvalue_are_within_the_errors_that_both_machines_state(name):
    there, (K, error, spectrum) = stored()["runs"][name], reference_runs.limits(case_of(name))
    errors = error + there["limits' error"]
    for here, then, entries in zip(reference_runs.sums(K), there["limits"], (len(K[0]), K[0].size), strict=True):
        rounding = entries * EPSILON * np.abs(K).sum(axis=(1, 2))
        assert (np.abs(here - then) <= entries * errors + rounding).all()
    assert abs(spectrum.smallest - there["smallest eigenvalue"]) <= spectrum.error + there["its error"]


@pytest.mark.parametrize("name", ["signs", "labels", "corrupted", "digits' labels"])
def test_what_is_chosen_at_random_is_the_same_everywhere(name):
    """As long as NumPy's streams are: it keeps them, but may change them with a new release, for a good reason."""
    np.testing.assert_array_equal(reference_runs.draws()[name], stored()["draws"][name])


@pytest.mark.parametrize("name", ["sphere", "digits"])
def test_points_are_the_same_everywhere_but_for_the_rounding_of_their_norm(name):
    """A sum of d squares, d at most 64, in another order, then a root and a quotient."""
    np.testing.assert_allclose(reference_runs.draws()[name], stored()["draws"][name], rtol=70 * EPSILON, atol=0)


def test_initial_weights_are_the_same_everywhere_to_the_bit():
    """But in the tail, |z| > 3.654, where NumPy takes the machine's logarithm, good to two roundings or so."""
    normal, there = reference_runs.draws()["normal"], stored()["normal"]
    is_body = np.abs(normal) < reference_runs.TAIL
    assert normal[:5].tolist() == there["first"]
    assert reference_runs.digest(normal[is_body]) == there["body"]
    np.testing.assert_allclose(normal[~is_body], there["tail"], rtol=4 * EPSILON, atol=0)
    assert len(there["tail"]) > 0


def test_the_digits_are_those_that_the_references_were_made_of():
    assert reference_runs.digits_digests() == stored()["digits"]
