"""The companion's network, its flow and its descent: what its statements are computed on, each made once."""

from dataclasses import dataclass
from functools import cached_property

from minimal_gd.networks import TwoLayerReLU
from minimal_gd.parameters import Parameters
from minimal_gd.theory import (
    two_layer_descent,
    two_layer_experiments,
    two_layer_limit,
    two_layer_path,
    two_layer_patterns,
    two_layer_split,
)
from minimal_gd.verify.case import Case

# Times of the flow; how far weights move where that is an argument; the widths of the experiments.
TIMES = (0.5, 1.0, 2.0, 4.0)
RADIUS = 0.1
WIDTHS = (32, 128, 512, 2048)


@dataclass(frozen=True)
class Companion:
    """What the statements share, made once."""

    case: Case

    @property
    def everything(self) -> tuple:
        """The network, θ(0), X and y."""
        return self.case.everything

    @property
    def at_start(self) -> tuple:
        """The network, θ(0) and X."""
        return self.case.at_start

    @cached_property
    def smallest(self) -> float:
        """λ_0 = λ_min(H^∞)."""
        return two_layer_limit.lambda_0(self.case.X)

    @property
    def allowed(self) -> float:
        """R, how far every weight may move."""
        return two_layer_patterns.allowed_radius(len(self.case.y), self.smallest)

    @cached_property
    def path(self) -> two_layer_path.Path:
        """Gradient flow of the first layer."""
        return two_layer_path.gradient_path(*self.everything, TIMES)

    @property
    def moved(self) -> tuple:
        """The network, θ(0), θ at the last time of the flow, and X."""
        return self.case.net, self.case.params, self.path.params[-1], self.case.X

    @cached_property
    def both(self) -> tuple[TwoLayerReLU, Parameters]:
        """A network that trains both layers, at its start."""
        net = TwoLayerReLU(self.case.net.input_shape[0], self.case.net.width, train_output=True)
        return net, net.init(0)

    @cached_property
    def joint(self) -> two_layer_path.Path:
        """Gradient flow of both layers."""
        return two_layer_path.gradient_path(*self.both, self.case.X, self.case.y, TIMES)

    @cached_property
    def run(self) -> two_layer_descent.PatternRun:
        """Gradient descent of the first layer."""
        return two_layer_descent.pattern_run(*self.everything, self.case.step_size, self.case.steps)

    @cached_property
    def step(self) -> two_layer_split.PatternStep:
        """Its first step, its patterns split at RADIUS."""
        net, params, X, y = self.everything
        return two_layer_split.pattern_step(net, params, params, X, y, self.case.step_size, RADIUS)

    @property
    def short_step_size(self) -> float:
        """λ_0/4n², as the theorem asks."""
        return self.smallest / (4 * len(self.case.y) ** 2)

    @cached_property
    def short_step(self) -> two_layer_split.PatternStep:
        """A step as short as the theorem asks."""
        net, params, X, y = self.everything
        return two_layer_split.pattern_step(net, params, params, X, y, self.short_step_size)

    @cached_property
    def experiment(self) -> two_layer_experiments.Experiment:
        """The experiments of section 5, of a size for seconds."""
        return two_layer_experiments.experiment(WIDTHS, 200, 200, 100, step_size=0.2, every=10)
