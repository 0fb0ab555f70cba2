"""The architectures: each file says how to go forward and how to go back, by hand, in the order of the paper."""

from minimal_gd.networks.base import Network
from minimal_gd.networks.conv_resnet import ConvResNet
from minimal_gd.networks.fully_connected import FullyConnected
from minimal_gd.networks.resnet import ResNet
from minimal_gd.networks.two_layer import TwoLayerReLU

__all__ = ["ConvResNet", "FullyConnected", "Network", "ResNet", "TwoLayerReLU"]
