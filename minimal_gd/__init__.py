"""Why gradient descent finds a global minimum, in code to read and trust."""

import importlib
from types import ModuleType

from minimal_gd import activations, data, descent, gaussian, gradcheck, gram, networks, spectra, sweeps
from minimal_gd.activations import Activation
from minimal_gd.certificate import Certificate, certify
from minimal_gd.descent import DivergenceError, gradient_descent
from minimal_gd.descent.trajectory import Trajectory
from minimal_gd.gram import stable_step_size
from minimal_gd.networks import ConvResNet, FullyConnected, Network, ResNet, TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.regression import kernel_regression

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Certificate",
    "ConvResNet",
    "DivergenceError",
    "FullyConnected",
    "Network",
    "Parameters",
    "ResNet",
    "Trajectory",
    "TwoLayerReLU",
    "__version__",
    "activations",
    "certify",
    "data",
    "descent",
    "gaussian",
    "gradcheck",
    "gradient_descent",
    "gram",
    "kernel_regression",
    "networks",
    "paper",
    "spectra",
    "stable_step_size",
    "sweeps",
    "theory",
]


def __getattr__(name: str) -> ModuleType:
    """Import the statements of the papers when they are asked for: they take as long as the rest of the package."""
    if name in ("paper", "theory"):
        importlib.import_module("minimal_gd.paper")  # which imports every part of `theory`
        return importlib.import_module(f"minimal_gd.{name}")
    raise AttributeError(f"module 'minimal_gd' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is public, and nothing else."""
    return __all__
