"""The companion's network, its flow and its descent: what its statements are computed on, each made once."""

from dataclasses import dataclass
from functools import cached_property

from minimal_gd.networks import TwoLayerReLU
from minimal_gd.paper.example import Example
from minimal_gd.parameters import Parameters
from minimal_gd.theory.companion import descent as two_layer_descent
from minimal_gd.theory.companion import experiments as two_layer_experiments
from minimal_gd.theory.companion import limit as two_layer_limit
from minimal_gd.theory.companion import path as two_layer_path
from minimal_gd.theory.companion import patterns as two_layer_patterns
from minimal_gd.theory.companion import split as two_layer_split

# Times of the flow; how far weights move where that is an argument; the widths of the experiments.
TIMES = (0.5, 1.0, 2.0, 4.0)
RADIUS = 0.1
WIDTHS = (32, 128, 512, 2048)


@dataclass(frozen=True)
class CompanionExample(Example[TwoLayerReLU]):
    """The companion's network on unit inputs, with its patterns, its flow and its experiments."""

    @cached_property
    def lambda_0(self) -> float:
        """λ_0 = λ_min(H^∞)."""
        return two_layer_limit.lambda_0(self.X)

    @property
    def allowed(self) -> float:
        """R, how far every weight may move."""
        return two_layer_patterns.allowed_radius(len(self.y), self.lambda_0)

    @cached_property
    def path(self) -> two_layer_path.Path:
        """Gradient flow of the first layer."""
        return two_layer_path.gradient_path(*self.everything, TIMES)

    @property
    def moved(self) -> tuple:
        """The network, θ(0), θ at the last time of the flow, and X."""
        return self.net, self.params, self.path.params[-1], self.X

    @cached_property
    def both(self) -> tuple[TwoLayerReLU, Parameters]:
        """A network that trains both layers, at its start."""
        net = TwoLayerReLU(self.net.input_shape[0], self.net.width, train_output=True)
        return net, net.init(0)

    @cached_property
    def joint(self) -> two_layer_path.Path:
        """Gradient flow of both layers."""
        return two_layer_path.gradient_path(*self.both, self.X, self.y, TIMES)

    @cached_property
    def pattern_run(self) -> two_layer_descent.PatternRun:
        """Gradient descent of the first layer."""
        return two_layer_descent.pattern_run(*self.everything, self.step_size, self.steps)

    @cached_property
    def pattern_step(self) -> two_layer_split.PatternStep:
        """Its first step, its patterns split at RADIUS."""
        net, params, X, y = self.everything
        return two_layer_split.pattern_step(net, params, params, X, y, self.step_size, RADIUS)

    @property
    def short_step_size(self) -> float:
        """λ_0/4n², as the theorem asks."""
        return self.lambda_0 / (4 * len(self.y) ** 2)

    @cached_property
    def short_step(self) -> two_layer_split.PatternStep:
        """A step as short as the theorem asks."""
        net, params, X, y = self.everything
        return two_layer_split.pattern_step(net, params, params, X, y, self.short_step_size)

    @cached_property
    def experiment(self) -> two_layer_experiments.Experiment:
        """The experiments of section 5, of a size for seconds."""
        return two_layer_experiments.experiment(WIDTHS, 200, 200, 100, step_size=0.2, every=10)
