"""`check_network` and `check_activation`: they draw cases, run every property on them, and shrink the first failure."""

import inspect
import math
import warnings
from collections.abc import Callable, Iterable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure
from threadpoolctl import threadpool_limits

from minimal_gd.activations import Activation
from minimal_gd.networks import ConvResNet, FullyConnected, Network, ResNet
from minimal_gd.testing import properties
from minimal_gd.testing.properties_of_sigma import SIGMA_PROPERTIES
from minimal_gd.testing.strategies import ALL, Problem, activations, constructed, norms, problem, seeds, sizes

# In this order: the cheap ones that say most come first.
PROPERTIES: dict[str, Callable[[Problem], str | None]] = {
    function.__name__: function
    for function in (
        properties.the_gradient_is_that_of_the_complex_step,
        properties.the_gradient_is_that_of_central_differences,
        properties.the_gradient_is_right_along_random_directions,
        properties.the_gram_matrices_are_those_of_the_jacobian,
        properties.the_gram_matrices_are_symmetric_and_positive_semidefinite,
        properties.each_sample_goes_its_own_way,
        properties.permuting_the_samples_permutes_the_results,
        properties.permuting_the_hidden_units_changes_nothing,
        properties.float32_agrees_with_float64,
        properties.a_used_workspace_gives_the_bits_of_a_new_one,
        properties.a_resumed_run_gives_the_bits_of_one_that_never_stopped,
        properties.wide_networks_approach_the_limit,
    )
}
LARGE = ("the_gradient_is_right_along_random_directions",)
NOT_SQUARE = tuple(name for name in ALL if name != "square")  # of which the property of WIDE says nothing
WIDE = ("wide_networks_approach_the_limit",)


def check_network(
    network: type[Network] | Network,
    *,
    only: Iterable[str] = tuple(PROPERTIES),
    without: Iterable[str] = (),
    examples: int | None = None,
    **arguments: st.SearchStrategy,
) -> None:
    """Run every property of `PROPERTIES` on an architecture.

    Parameters
    ----------
    network : class or Network
        A class is constructed with small sizes that are drawn at random, and with large ones for what is cheap. An
        instance is taken as it is and should be small; its `limit_layer`, however, is tested from width 64 on only.
    only, without : name or names of PROPERTIES
        Which properties to run, and which not: leave out "permuting_the_hidden_units_changes_nothing" if the hidden
        units have no symmetry.
    examples : int, optional
        On how many cases each property is tried. The default is `max_examples` of Hypothesis's current profile, which
        is 100 unless you set another one.
    **arguments : strategies
        Hypothesis strategies for arguments of the class, by name. Those called input_dim, input_shape, width, depth,
        filter_shape, activation, c_res and train_output are drawn without being told how (`strategies.ARGUMENTS`);
        others keep their defaults.

    Raises
    ------
    PropertyError
        If a property does not hold; the message has the smallest case that fails, the first layer that is wrong, and
        the sizes of both sides.
    TypeError
        If `network` is neither a subclass nor an instance of `Network`, or if an argument has neither a default nor a
        strategy.
    ValueError
        If `only` or `without` has a name that `PROPERTIES` does not have.

    Warns
    -----
    UserWarning
        For every property that says nothing about any of the cases, with the reason: it was not tested.
    """
    if not isinstance(network, Network) and not (isinstance(network, type) and issubclass(network, Network)):
        raise TypeError(f"network must be a Network or a subclass of it, got {network!r}")
    only, without = ({names} if isinstance(names, str) else set(names) for names in (only, without))
    unknown = (only | without) - PROPERTIES.keys()
    if unknown:
        raise ValueError(f"only and without must hold names of PROPERTIES, got {sorted(unknown)}")
    examples = settings().max_examples if examples is None else examples
    for name in PROPERTIES:
        if name in only - without:
            # one case of these is 40 networks
            tried = math.ceil(examples / 4) if name in WIDE else examples
            reason = _run(PROPERTIES[name], _cases(network, name, arguments), tried)
            if reason is not None:
                what = network.__name__ if isinstance(network, type) else network
                warnings.warn(f"{name} was not tested on {what}: {reason}", UserWarning, stacklevel=2)


def check_activation(activation: Activation, *, examples: int | None = None) -> None:
    """Run every property of σ, and every property of a network on three architectures that use it.

    Parameters
    ----------
    activation : Activation
    examples : int, optional
        On how many cases each property is tried, as for `check_network`.

    Raises
    ------
    PropertyError
        If a property does not hold.
    TypeError
        If `activation` is no Activation.
    """
    if not isinstance(activation, Activation):
        raise TypeError(f"activation must be an Activation, got {activation!r}")
    examples = settings().max_examples if examples is None else examples
    for check in SIGMA_PROPERTIES:
        _run(lambda seed, check=check: check(activation, seed), seeds, examples)
    for architecture in (FullyConnected, ResNet, ConvResNet):
        check_network(architecture, examples=examples, activation=st.just(activation))


@st.composite
def _cases(draw: st.DrawFn, network: type[Network] | Network, name: str, arguments: dict) -> Problem:
    if isinstance(network, Network):
        net, made = network, repr(network)
    elif name in WIDE:
        taken = inspect.signature(network).parameters
        # Every case can refute: a mistake may be in the first layer, in the next ones or show in the depth alone.
        of_wide = {"width": st.just(100), "depth": st.just(3), "activation": activations(NOT_SQUARE)}
        net, made = draw(constructed(network, **{key: of_wide[key] for key in of_wide if key in taken} | arguments))
    else:
        net, made = draw(constructed(network, large=name in LARGE, **arguments))
    return problem(net, draw(sizes), draw(seeds), draw(norms), made)


def _run(check: Callable, cases: st.SearchStrategy, examples: int) -> str | None:
    """Run `check` on cases until one fails, then on ever smaller ones; return why, if it says nothing about any."""
    reasons: list[str | None] = []
    quiet = settings(
        max_examples=examples,
        phases=(Phase.generate, Phase.shrink),
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )

    def holds(case: object) -> None:
        reasons.append(check(case))

    try:
        with threadpool_limits(1, user_api="blas"):  # threads that share such small products only wait for one another
            quiet(given(case=cases)(holds))()
    except FlakyFailure as flaky:
        first = flaky.exceptions[0]
        first.add_note("  The same case does not fail every time: something is drawn, remembered or not initialised.")
        raise first from None
    return None if None in reasons else reasons[0]
