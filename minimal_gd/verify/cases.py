"""The networks and data of the table."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minimal_gd import data
from minimal_gd.networks import ConvResNet, FullyConnected, ResNet, TwoLayerReLU
from minimal_gd.theory.comparison import Comparison
from minimal_gd.verify.case import Case
from minimal_gd.verify.companion_case import Companion

# sin + cos has a well-conditioned K^(H) and a mean, so that the terms with b^(h) count.
ACTIVATION = "sincos"
SAMPLES, INPUT_DIM = 4, 10


@dataclass(frozen=True)
class Cases:
    """A case for every architecture, and one of a single hidden layer."""

    one_layer: Case
    fully_connected: Case
    resnet: Case
    conv_resnet: Case
    two_layer: Companion


Row = Callable[[Cases], Comparison]


def cases(width: int = 512, conv_width: int = 128, two_layer_width: int = 4096) -> Cases:
    """The cases of the table.

    Parameters
    ----------
    width, conv_width, two_layer_width : int ≥ 1
        m of the fully-connected network and the ResNet, of the convolution, and of the companion's network.
    """
    X = data.sphere(SAMPLES, INPUT_DIM, seed=1)
    y = data.random_labels(SAMPLES, seed=2)
    images = np.random.default_rng(3).standard_normal((SAMPLES, 2, 5))
    images /= np.linalg.norm(images.reshape(SAMPLES, -1), axis=1)[:, None, None]
    return Cases(
        Case(FullyConnected(INPUT_DIM, width, 1, ACTIVATION), X, y, 60),
        Case(FullyConnected(INPUT_DIM, width, 2, ACTIVATION), X, y, 60),
        Case(ResNet(INPUT_DIM, width, 3, ACTIVATION), X, y, 60),
        Case(ConvResNet((2, 5), conv_width, 2, (3,), ACTIVATION), images, y, 60),
        Companion(Case(TwoLayerReLU(INPUT_DIM, two_layer_width), X, y, 60)),
    )
