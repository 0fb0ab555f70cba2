"""Networks with one mistake each, of the kinds that are made: `check_network` must refute every one of them.

WRONG says of each which properties refute it, and which layer they name. All have DEPTH layers; the mistake is in the
middle one where it is in one.
"""

import math

import numpy as np
from numpy.typing import NDArray

import minimal_gd as mgd
from minimal_gd.networks.patches import im2col
from minimal_gd.networks.workspace import Workspace

DEPTH = 3
MIDDLE = 1  # h - 1 of the layer with the mistake


class SlopeOfTheOutput(mgd.FullyConnected):
    """relu′ applied to relu's output, which is never negative: every unit is taken for active."""

    def __init__(self, input_dim: int, width: int, depth: int) -> None:
        super().__init__(input_dim, width, depth, "relu")

    def forward(self, params: mgd.Parameters, work: Workspace) -> NDArray:
        u = super().forward(params, work)
        work.delta[MIDDLE][...] = self.first_scale * self.activation.dsigma(work.phi[MIDDLE + 1])
        return u


class NoSlope(mgd.FullyConnected):
    """σ′(z^(2)) left out."""

    def forward(self, params: mgd.Parameters, work: Workspace) -> NDArray:
        u = super().forward(params, work)
        work.delta[MIDDLE][...] = self.first_scale
        return u


class NoSkipOnTheWayBack(mgd.ResNet):
    """g^(1) = W^(2)ᵀ δ^(2), without the g^(2) that the skip connection carries."""

    def backward(self, params: mgd.Parameters, work: Workspace, upstream: NDArray) -> None:
        g = np.multiply.outer(upstream, params.a, out=work.g)
        for h in reversed(range(self.depth)):
            work.delta[h] *= g
            if h == MIDDLE:
                g[...] = work.delta[h] @ params.W[h]
            elif h > 0:
                g += work.delta[h] @ params.W[h]


class ScaleOfAnotherLayer(mgd.ResNet):
    """δ^(2) with the factor √(c_σ/m) of the first layer."""

    def backward(self, params: mgd.Parameters, work: Workspace, upstream: NDArray) -> None:
        g = np.multiply.outer(upstream, params.a, out=work.g)
        for h in reversed(range(self.depth)):
            work.delta[h] *= g * (self.first_scale / self.scale(h) if h == MIDDLE else 1)
            if h > 0:
                g += work.delta[h] @ params.W[h]


class SlightlyWrongScale(mgd.FullyConnected):
    """δ^(2) times 1 + 1e-9."""

    def backward(self, params: mgd.Parameters, work: Workspace, upstream: NDArray) -> None:
        work.delta[MIDDLE] *= 1 + 1e-9
        super().backward(params, work, upstream)


class SinglePrecisionInside(mgd.FullyConnected):
    """A factor of layer 2 rounded to float32 on the way back."""

    def backward(self, params: mgd.Parameters, work: Workspace, upstream: NDArray) -> None:
        work.delta[MIDDLE] *= float(np.float32(self.first_scale)) / self.first_scale
        super().backward(params, work, upstream)


class WNotTransposed(mgd.FullyConnected):
    """g^(1) = W^(2) δ^(2)."""

    def backward(self, params: mgd.Parameters, work: Workspace, upstream: NDArray) -> None:
        g = np.multiply.outer(upstream, params.a, out=work.g)
        for h in reversed(range(self.depth)):
            work.delta[h] *= g
            if h > 0:
                g[...] = work.delta[h] @ (params.W[h].T if h == MIDDLE else params.W[h])


class PatchesOnTheWayBack(mgd.ConvResNet):
    """φ in the place of φᵀ, from the top down: as if im2col were its own transpose."""

    def backward(self, params: mgd.Parameters, work: Workspace, upstream: NDArray) -> None:
        g = work.g
        np.multiply.outer(upstream, params.a.T, out=g.reshape(len(upstream), *params.a.T.shape))
        q = math.prod(self.filter_shape)
        patches = np.empty((len(g), q * self.width), g.dtype)
        for h in reversed(range(self.depth)):
            work.delta[h] *= g
            if h > 0:
                im2col(work.delta[h], self._grid, self._window, patches)
                blocks = params.W[h].reshape(self.width, self.width, q)  # (unit, channel, offset)
                g += patches @ blocks.transpose(0, 2, 1).reshape(-1, self.width)


class NoPaddingOnTheWayBack(mgd.ConvResNet):
    """What a patch took from the padding is added to the pixel at the border."""

    def backward(self, params: mgd.Parameters, work: Workspace, upstream: NDArray) -> None:
        super().backward(params, work, upstream)
        q = math.prod(self.filter_shape)
        if q > 1:
            patches = (work.delta[MIDDLE] @ params.W[MIDDLE]).reshape(len(upstream), self.positions, self.width, q)
            pixels = work.delta[0].reshape(len(upstream), self.positions, self.width)
            pixels[:, 0] += patches[:, 0, :, 0]


class OutputGradientOfTheLayerBelow(mgd.ResNet):
    """∂L/∂a with x^(H-1) for x^(H)."""

    def output_gradient(self, work: Workspace, residual: NDArray, out: NDArray) -> NDArray:
        return np.matmul(residual, work.phi[-2] if self.depth > 1 else 2 * work.phi[-1], out=out)


class ReadsWhatWasLeft(mgd.ResNet):
    """δ^(2) takes up what its workspace held before: zeros at first, by luck."""

    def forward(self, params: mgd.Parameters, work: Workspace) -> NDArray:
        before = np.nan_to_num(work.product)
        u = super().forward(params, work)
        work.delta[MIDDLE] += 1e-3 * before
        return u


class Remembers(mgd.FullyConnected):
    """Scales x^(H) by a little more at every step of a run."""

    def forward(self, params: mgd.Parameters, work: Workspace) -> NDArray:
        super().forward(params, work)
        steps = getattr(work, "steps", 0) + 1
        object.__setattr__(work, "steps", steps)  # as with a running mean that is not part of the parameters
        work.phi[-1][:] *= 1 + 1e-9 * steps
        return np.matmul(work.phi[-1], params.a, out=work.u)


class CentresTheBatch(mgd.FullyConnected):
    """x^(1) minus its mean over the samples."""

    def forward(self, params: mgd.Parameters, work: Workspace) -> NDArray:
        u = super().forward(params, work)
        u -= u.mean()
        return u


class LimitOfAnotherScale(mgd.ResNet):
    """β_2 = c_res, for a branch that is scaled by c_res/H."""

    def limit_layer(self, h: int) -> tuple[float, float]:
        return (0, math.sqrt(self.activation.c_sigma)) if h == 1 else (1, 4 * self.c_res)


class UnitsOfTheirOwn(mgd.FullyConnected):
    """Unit r is scaled by 1 + r/10: no two may change places."""

    def forward(self, params: mgd.Parameters, work: Workspace) -> NDArray:
        super().forward(params, work)
        work.phi[-1] *= 1 + np.arange(self.width) / 10
        return np.matmul(work.phi[-1], params.a, out=work.u)


class LosesDigitsInSinglePrecision(mgd.FullyConnected):
    """u + 10⁵ - 10⁵."""

    def forward(self, params: mgd.Parameters, work: Workspace) -> NDArray:
        u = super().forward(params, work)
        u += 1e5
        u -= 1e5
        return u


class PrefersTheFirstSample(mgd.FullyConnected):
    """The first sample's prediction is doubled."""

    def forward(self, params: mgd.Parameters, work: Workspace) -> NDArray:
        u = super().forward(params, work)
        u[0] *= 2
        return u


class LossOfAMean(mgd.FullyConnected):
    """∂L/∂θ of the mean, for a loss that is the sum."""

    def gradient(self, params: mgd.Parameters, X: NDArray, y: NDArray) -> mgd.Parameters:
        return super().gradient(params, X, y).map(lambda array: array / len(X))


# Where the mistake shows first on the way back from u, by the property that is to see it.
BY_GRADIENT = {
    "the_gradient_is_that_of_the_complex_step": "W",
    "the_gradient_is_right_along_random_directions": "W",
    "the_gram_matrices_are_those_of_the_jacobian": "G",
}
BY_DIFFERENCES = {"the_gradient_is_that_of_central_differences": "W"}


def in_layer(h: int, *kinds: dict[str, str]) -> dict[str, str]:
    return {name: rf"{letter}\^\({h}\)" for kind in kinds for name, letter in kind.items()}


# A mistake in g^(1) = ∂u/∂x^(1), on the way through layer 2, shows in W^(1).
WRONG: dict[type[mgd.Network], dict[str, str]] = {
    SlopeOfTheOutput: in_layer(2, BY_GRADIENT, BY_DIFFERENCES),
    NoSlope: in_layer(2, BY_GRADIENT, BY_DIFFERENCES),
    ScaleOfAnotherLayer: in_layer(2, BY_GRADIENT, BY_DIFFERENCES),
    SlightlyWrongScale: in_layer(2, BY_GRADIENT),
    SinglePrecisionInside: in_layer(2, BY_GRADIENT),
    NoSkipOnTheWayBack: in_layer(1, BY_GRADIENT, BY_DIFFERENCES),
    WNotTransposed: in_layer(1, BY_GRADIENT, BY_DIFFERENCES),
    PatchesOnTheWayBack: in_layer(2, BY_GRADIENT, BY_DIFFERENCES),
    NoPaddingOnTheWayBack: in_layer(1, BY_GRADIENT, BY_DIFFERENCES),
    OutputGradientOfTheLayerBelow: {
        "the_gradient_is_that_of_the_complex_step": "a",
        "the_gradient_is_that_of_central_differences": "a",
        "the_gradient_is_right_along_random_directions": "a",
    },
    LossOfAMean: {"the_gradient_is_that_of_the_complex_step": "a", "each_sample_goes_its_own_way": "a"},
    ReadsWhatWasLeft: {"a_used_workspace_gives_the_bits_of_a_new_one": r"δ\^\(2\)"},
    Remembers: {"a_resumed_run_gives_the_bits_of_one_that_never_stopped": "(a|the loss)"},
    CentresTheBatch: {"each_sample_goes_its_own_way": "u"},
    UnitsOfTheirOwn: {"permuting_the_hidden_units_changes_nothing": "u"},
    LimitOfAnotherScale: {"wide_networks_approach_the_limit": r"G\^\(4\)"},
    LosesDigitsInSinglePrecision: {"float32_agrees_with_float64": "u"},
    PrefersTheFirstSample: {"permuting_the_samples_permutes_the_results": "u"},
}
