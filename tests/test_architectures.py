"""Every property of a network, on the package's four architectures: gradients, Gram matrices, symmetries, bits."""

import pytest

import minimal_gd as mgd
from minimal_gd.testing import PROPERTIES, check_network

ARCHITECTURES = [mgd.FullyConnected, mgd.ResNet, mgd.ConvResNet, mgd.TwoLayerReLU]
LARGE = [
    mgd.FullyConnected(30, 256, 5, "softplus"),
    mgd.ResNet(30, 256, 5, "gelu", c_res=0.9),
    mgd.ConvResNet((3, 20), 48, 4, (5,), "sincos"),
    mgd.ConvResNet((2, 9, 7), 32, 3, (3, 5), "silu"),
]


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture_has_every_property(architecture, name):
    check_network(architecture, only=[name])


@pytest.mark.parametrize("net", LARGE, ids=repr)
def test_the_gradient_of_a_large_network_is_right_along_random_directions(net):
    check_network(net, only=["the_gradient_is_right_along_random_directions"], examples=2)
