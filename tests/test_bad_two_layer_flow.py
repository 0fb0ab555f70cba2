"""Arguments of the companion's flow that are refused, by their names, and inputs that are warned of."""

import numpy as np
import pytest

import minimal_gd as mgd
from minimal_gd.theory import two_layer_flow, two_layer_path

CORNERS = np.eye(2)
SIGNS = np.array([1.0, -1.0])


def test_inputs_that_are_not_unit_vectors_are_warned_of():
    net = mgd.TwoLayerReLU(2, 5)
    path = two_layer_path.gradient_path(net, net.init(0), 2 * CORNERS, SIGNS, [0.1])
    with pytest.warns(UserWarning, match=r"Theorem 3\.2 of the companion asks for unit inputs"):
        comparison = two_layer_flow.theorem_3_2(path)
    assert not comparison.premises[0].holds


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"net": mgd.FullyConnected(2, 5, 1, "softplus")}, TypeError, "net must be a TwoLayerReLU"),
        ({"times": [0.0, 1.0]}, ValueError, "times must be one row of increasing numbers > 0"),
        ({"times": [1.0, 0.5]}, ValueError, "times must be one row of increasing numbers > 0"),
        ({"tolerance": 0.0}, ValueError, "tolerance must be a finite number > 0"),
        ({"y": [1.0]}, ValueError, "y must have shape"),
    ],
)
def test_a_wrong_argument_is_named(change, error, words):
    net = mgd.TwoLayerReLU(2, 5)
    arguments = {"net": net, "params": net.init(0), "X": CORNERS, "y": SIGNS, "times": [1.0]} | change
    with pytest.raises(error, match=words):
        two_layer_path.gradient_path(**arguments)


def test_other_wrong_arguments_are_named():
    joint = mgd.TwoLayerReLU(2, 5, train_output=True)
    path = two_layer_path.gradient_path(joint, joint.init(0), CORNERS, SIGNS, [0.1])
    with pytest.raises(ValueError, match="net must have train_output=False"):
        two_layer_flow.theorem_3_2(path)
    with pytest.raises(ValueError, match="widths must be at least two increasing integers"):
        two_layer_flow.remark_3_1_initial(CORNERS, (8,))
    with pytest.raises(ValueError, match="initial_square must be a finite number > 0"):
        two_layer_flow.width_of_lemma_3_4(2, 0.5, 0.0)
