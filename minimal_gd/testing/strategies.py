"""Hypothesis strategies: small problems of every architecture, activation and shape.

A `Problem` is a network at some parameters with data; everything in it follows from the network, the number of samples,
a seed and a norm, so that a failing one is told in one line and made again by `problem(net, n, seed, norm)`.

    problems(networks())                          any of the package's architectures, with any activation
    problems(networks(ANALYTIC))                  those that have a complex step
    problems(resnet(("tanh", "relu")))            one architecture, two activations
    constructed(MyNetwork, heads=st.integers(1, 3))   your own; the arguments that `ARGUMENTS` knows are drawn by name

Sizes shrink towards 1, seeds towards 0, and activations towards the first one named. A new activation of the package
goes into ANALYTIC or ALL, a new architecture into `networks` and, if it takes arguments of a new kind, into ARGUMENTS.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from minimal_gd.networks import ConvResNet, FullyConnected, Network, ResNet, TwoLayerReLU
from minimal_gd.parameters import Parameters

ANALYTIC = ("softplus", "tanh", "sigmoid", "erf", "gelu", "silu", "sincos", "identity", "square")
ALL = (*ANALYTIC, "relu")


@dataclass(frozen=True)
class Problem:
    """A network at some parameters, with data; `made` says how, `n`, `seed` and `norm` say from what."""

    net: Network
    params: Parameters
    X: NDArray
    y: NDArray
    made: str = ""
    seed: int = 0
    norm: float = 1.0

    def __repr__(self) -> str:
        return f"problem({self.made}, n={len(self.X)}, seed={self.seed}, norm={self.norm})"

    def _repr_pretty_(self, printer, cycle: bool) -> None:
        """What Hypothesis shows."""
        printer.text(repr(self))

    @property
    def everything(self) -> tuple[Network, Parameters, NDArray, NDArray]:
        """The arguments that most functions take."""
        return self.net, self.params, self.X, self.y

    def with_params(self, params: Parameters) -> "Problem":
        """The same problem at other parameters."""
        return replace(self, params=params)


def problem(net: Network, n: int, seed: int, norm: float = 1.0, made: str = "") -> Problem:
    """Draw parameters, n inputs of about the given norm and targets of size 1 for `net`."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, *net.input_shape)) * norm / np.sqrt(np.prod(net.input_shape))
    return Problem(net, net.init(rng), X, rng.standard_normal(n), made or repr(net), seed, norm)


sizes = st.integers(1, 4)
odd = st.sampled_from([1, 3, 5])
c_res = st.floats(0.1, 2.0)
seeds = st.integers(0, 2**32 - 1)
norms = st.sampled_from([1.0, 0.3, 3.0])


def activations(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    """The name of an activation; it shrinks towards the first."""
    return st.sampled_from(names)


# ---------------------------------------------------------------------- the package's architectures


def fully_connected(names: tuple[str, ...] = ALL) -> st.SearchStrategy[Network]:
    """A fully-connected network."""
    return st.builds(FullyConnected, sizes, sizes, sizes, activation=activations(names))


def resnet(names: tuple[str, ...] = ALL) -> st.SearchStrategy[Network]:
    """A ResNet."""
    return st.builds(ResNet, sizes, sizes, sizes, activation=activations(names), c_res=c_res)


@st.composite
def conv_resnet(draw: st.DrawFn, names: tuple[str, ...] = ALL) -> Network:
    """A convolutional ResNet on signals or on images."""
    rank = draw(st.integers(1, 2))
    input_shape = tuple(draw(sizes) for _ in range(1 + rank))
    filter_shape = tuple(draw(odd) for _ in range(rank))
    return ConvResNet(input_shape, draw(sizes), draw(sizes), filter_shape, draw(activations(names)), draw(c_res))


def two_layer() -> st.SearchStrategy[Network]:
    """The companion paper's network."""
    return st.builds(TwoLayerReLU, sizes, sizes, train_output=st.booleans())


def networks(names: tuple[str, ...] = ALL) -> st.SearchStrategy[Network]:
    """Any architecture; the companion's, whose activation is ReLU, only if that is among `names`."""
    kinds = [fully_connected(names), resnet(names), conv_resnet(names)]
    return st.one_of(*kinds, two_layer()) if "relu" in names else st.one_of(*kinds)


def problems(nets: st.SearchStrategy[Network]) -> st.SearchStrategy[Problem]:
    """A network that is drawn from `nets`, at drawn parameters, with drawn data."""
    return st.builds(problem, nets, sizes, seeds, norms)


# ---------------------------------------------------------------------- any architecture

# How to draw an argument of a constructor by its name; `spatial` is a strategy of the positions along each axis.
ARGUMENTS: dict[str, Callable[..., st.SearchStrategy]] = {
    "input_dim": lambda size, depth, spatial: size,
    "input_shape": lambda size, depth, spatial: spatial.flatmap(lambda shape: size.map(lambda c: (c, *shape))),
    "width": lambda size, depth, spatial: size,
    "depth": lambda size, depth, spatial: depth,
    "filter_shape": lambda size, depth, spatial: spatial.flatmap(lambda shape: st.tuples(*[odd] * len(shape))),
    "activation": lambda size, depth, spatial: activations(ALL),
    "c_res": lambda size, depth, spatial: c_res,
    "train_output": lambda size, depth, spatial: st.booleans(),
}


def positions(along_an_axis: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[int, ...]]:
    """The shape of a signal or of an image."""
    return st.one_of(st.tuples(along_an_axis), st.tuples(along_an_axis, along_an_axis))


@st.composite
def constructed(draw: st.DrawFn, kind: type[Network], large: bool = False, **own: st.SearchStrategy) -> tuple:
    """A network of the class `kind`, and the call that makes it.

    Arguments come from `own`, from ARGUMENTS by their names, or keep their defaults.
    """
    size, depth = (st.integers(12, 32), st.integers(2, 6)) if large else (sizes, sizes)
    shape = st.just(draw(positions(st.integers(3, 6) if large else sizes)))  # the filter has the rank of the input
    signature, arguments, named = inspect.signature(kind), {}, dict(own)
    rest = next((name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD), None)
    for name, parameter in signature.parameters.items():
        if name in named:
            arguments[name] = draw(named.pop(name))
        elif name in ARGUMENTS:
            arguments[name] = draw(ARGUMENTS[name](size, depth, shape))
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        elif parameter.default is parameter.empty:
            raise TypeError(
                f"{kind.__name__} must come with a strategy for its argument {name!r}: "
                f"check_network({kind.__name__}, {name}=st.…)"
            )
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            arguments[name] = parameter.default  # those behind it need it in its place
    if rest is not None:
        arguments[rest] = {name: draw(strategy) for name, strategy in named.items()}
    elif named:
        raise TypeError(f"{kind.__name__} must take every argument that a strategy is given for, got {sorted(named)}")
    call = f"{kind.__name__}({', '.join(_texts(signature, arguments))})"
    bound = inspect.BoundArguments(signature, arguments)  # type: ignore[arg-type]
    try:
        return kind(*bound.args, **bound.kwargs), call
    except TypeError as error:
        if not any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in signature.parameters.values()):
            raise
        by_name = f"or give a strategy for each, check_network({kind.__name__}, width=st.…, …), " if rest else ""
        raise TypeError(
            f"{kind.__name__}.__init__ must name its arguments, got {signature}, and {call} does not work ({error}): "
            f"write them in place of *args and **kwargs, {by_name}or check one network of yours"
        ) from error


def _texts(signature: inspect.Signature, arguments: dict) -> list[str]:
    """Each argument as it is written in a call."""
    texts = []
    for name, value in arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            texts += [f"{key}={entry!r}" for key, entry in value.items()]
        elif kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
            texts += [repr(value)] if kind is inspect.Parameter.POSITIONAL_ONLY else map(repr, value)
        else:
            texts.append(f"{name}={value!r}")
    return texts
