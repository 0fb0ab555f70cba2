"""`minimal_gd.testing` as another project uses it: from an empty folder, with no path to this one's tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

NETWORKS = """
import numpy as np
import minimal_gd as mgd
from minimal_gd.testing import PropertyError, check_network

class Straight(mgd.FullyConnected):
    factor = 1

    def backward(self, params, work, upstream):
        g = np.multiply.outer(upstream, params.a)
        for h in reversed(range(self.depth)):
            work.delta[h] *= self.factor * g
            g = work.delta[h] @ params.W[h]

class Crooked(Straight):
    factor = 1 + 1e-9
"""
WITHOUT_HYPOTHESIS = """
import sys
sys.modules["hypothesis"] = None  # as where it is not installed
import minimal_gd
"""


@pytest.fixture
def elsewhere(tmp_path):
    """Run code in an empty folder, with nothing on the path but the checkout."""

    def run(code):
        command = [sys.executable, "-P", "-c", code]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "MINIMAL_GD_QUIET": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")

    return run


def test_a_right_network_passes_and_a_wrong_one_does_not(elsewhere):
    check = "check_network({}, only='the_gradient_is_that_of_the_complex_step', examples=5)"
    code = f"{NETWORKS}\n{check.format('Straight')}\nprint('passed', flush=True)\n{check.format('Crooked')}\n"
    done = elsewhere(code)
    assert done.stdout == "passed\n"
    assert "PropertyError: Crooked(" in done.stderr
    assert "first layer that is wrong: W^(1)\n" in done.stderr


def test_without_hypothesis_the_extra_is_named_and_the_package_works(elsewhere):
    done = elsewhere(f"{WITHOUT_HYPOTHESIS}\nprint('imported', flush=True)\nimport minimal_gd.testing\n")
    assert done.stdout == "imported\n"
    assert "ImportError: minimal_gd.testing needs Hypothesis" in done.stderr
    assert "[testing]" in done.stderr
