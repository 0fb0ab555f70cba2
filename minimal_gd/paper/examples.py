"""The networks and data that the statements are computed on."""

from dataclasses import dataclass

import numpy as np

from minimal_gd import data
from minimal_gd.networks import ConvResNet, FullyConnected, ResNet, TwoLayerReLU
from minimal_gd.paper.companion_example import CompanionExample
from minimal_gd.paper.example import Example

# sin + cos has a well-conditioned K^(H) and a mean, so that the terms with b^(h) count.
ACTIVATION = "sincos"
SAMPLES, INPUT_DIM = 4, 10


@dataclass(frozen=True)
class Examples:
    """A network of every architecture, and one of a single hidden layer.

    Attributes
    ----------
    seeds : int
        How many random networks a definition is compared with.
    """

    one_layer: Example
    fc: Example
    resnet: Example
    conv: Example
    two_layer: CompanionExample
    seeds: int = 50


def examples(width: int = 512, conv_width: int = 128, two_layer_width: int = 4096) -> Examples:
    """The examples of the table.

    Parameters
    ----------
    width, conv_width, two_layer_width : int ≥ 1
        m of the fully-connected network and the ResNet, of the convolution, and of the companion's network.
    """
    X = data.sphere(SAMPLES, INPUT_DIM, seed=1)
    y = data.random_labels(SAMPLES, seed=2)
    images = np.random.default_rng(3).standard_normal((SAMPLES, 2, 5))
    images /= np.linalg.norm(images.reshape(SAMPLES, -1), axis=1)[:, None, None]
    return Examples(
        Example(FullyConnected(INPUT_DIM, width, 1, ACTIVATION), X, y, 60),
        Example(FullyConnected(INPUT_DIM, width, 2, ACTIVATION), X, y, 60),
        Example(ResNet(INPUT_DIM, width, 3, ACTIVATION), X, y, 60),
        Example(ConvResNet((2, 5), conv_width, 2, (3,), ACTIVATION), images, y, 60),
        CompanionExample(TwoLayerReLU(INPUT_DIM, two_layer_width), X, y, 60),
    )
