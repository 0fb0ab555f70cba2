"""Every property of a network, on the package's four architectures: gradients, Gram matrices, symmetries, bits.

Read these five first. What each of them is there to catch:

- `the_gradient_is_that_of_the_complex_step`: σ′ left out, a skip connection that is forgotten on the way back, W where
  Wᵀ belongs, a factor that is off by 1e-9 in one layer. The judge never runs `backward`.
- `the_gram_matrices_are_those_of_the_jacobian`: sums over positions that are taken before the product instead of after
  it, sensitivities that belong to the loss instead of to u, layers in another order.
- `each_sample_goes_its_own_way`: whatever the samples of a batch share and should not, such as a mean that is
  subtracted, a loss that is averaged, or the first sample's size taken for all.
- `a_used_workspace_gives_the_bits_of_a_new_one`: `+=` where `=` is meant, and arrays that are read before they are
  written. A single gradient is right all the same; descent, which uses its arrays again, goes wrong at its second step.
- `wide_networks_approach_the_limit`: a `limit_layer` that is not the limit of this `forward`, as with the scale of 1/H
  stated for branches that are scaled by 1/√H. No network of finite width shows that by its gradients.
"""

import pytest
from hypothesis import settings
from profiles import at_most

import minimal_gd as mgd
from minimal_gd.testing import PROPERTIES, check_network

ARCHITECTURES = [mgd.FullyConnected, mgd.ResNet, mgd.ConvResNet, mgd.TwoLayerReLU]
LARGE = [
    mgd.FullyConnected(30, 256, 5, "softplus"),
    mgd.ResNet(30, 256, 5, "gelu", c_res=0.9),
    mgd.ConvResNet((3, 20), 48, 4, (5,), "sincos"),
    mgd.ConvResNet((2, 9, 7), 32, 3, (3, 5), "silu"),
]
# Enough to refute whatever is wrong in wrong_networks.py, which took 12 examples at most in 12 runs of each; not so few
# with `--long`.
EXAMPLES = min(at_most(20).max_examples, settings().max_examples)


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture_has_every_property(architecture, name):
    check_network(architecture, only=[name], examples=EXAMPLES)


@pytest.mark.parametrize("net", LARGE, ids=repr)
def test_the_gradient_of_a_large_network_is_right_along_random_directions(net):
    check_network(net, only=["the_gradient_is_right_along_random_directions"], examples=2)
