"""Hypothesis strategies: small problems of every architecture, activation and shape."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import minimal_gd as mgd

ANALYTIC = ("softplus", "tanh", "sigmoid", "erf", "gelu", "silu", "sincos", "identity", "square")
ALL = (*ANALYTIC, "relu")


@dataclass(frozen=True)
class Problem:
    """A network at some parameters, with data."""

    net: mgd.Network
    params: mgd.Parameters
    X: NDArray
    y: NDArray

    @property
    def everything(self) -> tuple:
        """The arguments that most functions take."""
        return self.net, self.params, self.X, self.y

    def with_params(self, params: mgd.Parameters) -> "Problem":
        return replace(self, params=params)


def problem(net: mgd.Network, n: int, seed: int, norm: float = 1.0) -> Problem:
    """Draw parameters, n inputs of about the given norm and targets of size 1 for `net`."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, *net.input_shape)) * norm / np.sqrt(np.prod(net.input_shape))
    return Problem(net, net.init(rng), X, rng.standard_normal(n))


sizes = st.integers(1, 4)
odd = st.sampled_from([1, 3, 5])
c_res = st.floats(0.1, 2.0)
seeds = st.integers(0, 2**32 - 1)


def activations(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(names)


def fully_connected(names: tuple[str, ...] = ALL) -> st.SearchStrategy[mgd.Network]:
    return st.builds(mgd.FullyConnected, sizes, sizes, sizes, activation=activations(names))


def resnet(names: tuple[str, ...] = ALL) -> st.SearchStrategy[mgd.Network]:
    return st.builds(mgd.ResNet, sizes, sizes, sizes, activation=activations(names), c_res=c_res)


@st.composite
def conv_resnet(draw: st.DrawFn, names: tuple[str, ...] = ALL) -> mgd.Network:
    rank = draw(st.integers(1, 2))
    input_shape = tuple(draw(sizes) for _ in range(1 + rank))
    filter_shape = tuple(draw(odd) for _ in range(rank))
    return mgd.ConvResNet(input_shape, draw(sizes), draw(sizes), filter_shape, draw(activations(names)), draw(c_res))


def two_layer() -> st.SearchStrategy[mgd.Network]:
    return st.builds(mgd.TwoLayerReLU, sizes, sizes, train_output=st.booleans())


def networks(names: tuple[str, ...] = ALL) -> st.SearchStrategy[mgd.Network]:
    """Any architecture; the companion's, whose activation is ReLU, only if that is among `names`."""
    kinds = [fully_connected(names), resnet(names), conv_resnet(names)]
    return st.one_of(*kinds, two_layer()) if "relu" in names else st.one_of(*kinds)


def problems(nets: st.SearchStrategy[mgd.Network]) -> st.SearchStrategy[Problem]:
    return st.builds(problem, nets, sizes, seeds, st.sampled_from([0.3, 1.0, 3.0]))
