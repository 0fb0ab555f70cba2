"""The checker itself: it refutes wrong networks and activations, names the layer, and says all of it in a few lines."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import at_most
from threadpoolctl import threadpool_limits
from wrong_networks import DEPTH, WRONG, NoSlope

import minimal_gd as mgd
from minimal_gd import gram
from minimal_gd.testing import PROPERTIES, PropertyError, check_activation, check_network
from minimal_gd.testing.checks import WIDE, _cases
from minimal_gd.testing.strategies import problem

PAIRS = [(wrong, name, layer) for wrong, refuted_by in WRONG.items() for name, layer in refuted_by.items()]
EXAMPLES = 40


def refuted(network, name, **arguments):
    """The message of the property that does not hold."""
    with pytest.raises(PropertyError) as caught:
        check_network(network, only=[name], examples=EXAMPLES, **arguments)
    return str(caught.value)


@pytest.mark.parametrize(("wrong", "name", "layer"), PAIRS, ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_network_is_refuted_and_the_layer_is_named(wrong, name, layer):
    message = refuted(wrong, name, depth=st.just(DEPTH))
    assert re.search(rf"first layer that is wrong: {layer}(;|$)", message, re.MULTILINE), message


def test_every_property_refutes_something():
    elsewhere = {"the_gram_matrices_are_symmetric_and_positive_semidefinite"}  # below
    assert {name for _, name, _ in PAIRS} | elsewhere == {*PROPERTIES}


@pytest.mark.parametrize("change", [np.negative, np.triu], ids=["negative", "upper triangle"])
def test_what_is_no_gram_matrix_is_refuted(change, monkeypatch):
    right = gram.empirical

    def wrong(net, params, X):
        G = right(net, params, X)
        G[0] = change(G[0])
        return G

    monkeypatch.setattr(gram, "empirical", wrong)
    message = refuted(mgd.FullyConnected, "the_gram_matrices_are_symmetric_and_positive_semidefinite")
    assert "first layer that is wrong: G^(1)\n" in message


@pytest.mark.parametrize("h", [1, 2, 3])
def test_a_factor_in_one_layer_of_the_gradient_is_seen(h):
    """The comparison is sharp: a relative change of 1e-9 in any one layer fails it."""

    class Factor(mgd.ResNet):
        def gradient(self, params, X, y):
            W, a = super().gradient(params, X, y)
            return mgd.Parameters(tuple(G * (1 + 1e-9 * (layer == h)) for layer, G in enumerate(W, 1)), a)

    message = refuted(Factor, "the_gradient_is_that_of_the_complex_step", depth=st.just(3))
    assert f"first layer that is wrong: W^({h})\n" in message


def test_the_message_tells_the_smallest_case_the_layer_and_both_sizes():
    message = refuted(NoSlope, "the_gradient_is_that_of_the_complex_step", depth=st.just(2))
    smallest = "NoSlope(input_dim=1, width=1, depth=2, activation='softplus')"
    case = problem(mgd.FullyConnected(1, 1, 2, "softplus"), n=1, seed=0)
    right = case.net.gradient(case.params, case.X, case.y).W[1]
    wrong = NoSlope(1, 1, 2).gradient(case.params, case.X, case.y).W[1]
    lines = message.splitlines()
    assert lines[0] == f"{smallest}: ∂L/∂θ by hand is not that of the complex step"
    assert lines[1].endswith(f"problem({smallest}, n=1, seed=0, norm=1.0)")
    assert lines[2].endswith("W^(2); wrong too: W^(1)")
    assert f"{np.linalg.norm(wrong):.6e} computed, {np.linalg.norm(right):.6e} expected" in lines[3]
    assert f"{abs(wrong / right - 1).item():.3e}" in lines[4]
    assert len(lines) == 5


# ---------------------------------------------------------------------- how it is called


def test_a_network_that_raises_is_shown_with_its_case():
    class Fails(mgd.FullyConnected):
        def backward(self, params, work, upstream):
            raise KeyError("h")

    with pytest.raises(KeyError) as caught:
        check_network(Fails)
    assert "problem(Fails(input_dim=1, width=1, depth=1, activation='softplus'), n=1, seed=0, norm=1.0)" in "".join(
        caught.value.__notes__
    )


def test_an_instance_is_taken_as_it_is():
    seen = set()

    class Spy(mgd.ResNet):
        def forward(self, params, work):
            seen.add((self.width, self.depth, self.activation.name))
            return super().forward(params, work)

    with pytest.warns(UserWarning, match=r"^wide_networks_approach_the_limit was not tested on .*, got width 3$"):
        check_network(Spy(2, 3, 2, "tanh"), examples=5)
    assert seen == {(3, 2, "tanh")}


class ThreeTimesTooLarge(mgd.FullyConnected):
    """A limit of 3 K^(h)."""

    def limit_layer(self, h):
        kappa, beta = super().limit_layer(h)
        return kappa, beta * (np.sqrt(3) if h == self.depth else 1)


@at_most(8)
@given(_cases(ThreeTimesTooLarge, *WIDE, {}))
def test_a_wrong_limit_is_noticed_whatever_is_drawn(case):
    with threadpool_limits(1, user_api="blas"), pytest.raises(PropertyError, match="is not the limit of limit_layer"):
        PROPERTIES[WIDE[0]](case)


def test_a_wrong_limit_of_an_instance_is_noticed():
    with pytest.raises(PropertyError, match="is not the limit of limit_layer"):
        check_network(ThreeTimesTooLarge(3, 64, 2), only=WIDE, examples=1)


@pytest.mark.parametrize(
    ("network", "name", "reason"),
    [
        (mgd.FullyConnected(2, 3, 1), "wide_networks_approach_the_limit", "at widths from 64 on, got width 3"),
        (mgd.FullyConnected(2, 64, 1, "square"), "wide_networks_approach_the_limit", "heavy"),
    ],
)
def test_a_property_that_says_nothing_is_reported_as_not_tested(network, name, reason):
    with pytest.warns(UserWarning, match=f"^{name} was not tested on .*{reason}"):
        check_network(network, only=name, examples=2)


def test_arguments_are_drawn_by_name_or_by_the_strategy_given():
    seen = []

    class Spy(mgd.ResNet):
        def __init__(self, input_dim, width, depth, heads, c_res=0.5, other="default"):
            super().__init__(input_dim, width, depth, "tanh", c_res)
            seen.append((heads, other))

    name = "each_sample_goes_its_own_way"
    check_network(Spy, only=[name], examples=20, heads=st.sampled_from([7, 8]))
    assert {*seen} == {(7, "default"), (8, "default")}
    with pytest.raises(TypeError, match=r"^Spy must come with a strategy for its argument 'heads'"):
        check_network(Spy, only=[name])
    with pytest.raises(TypeError, match=r"^Spy must take every argument .* got \['tails'\]"):
        check_network(Spy, only=[name], heads=st.just(1), tails=st.just(1))


def test_positional_only_arguments_are_given_in_their_places():
    seen = []

    class Spy(mgd.FullyConnected):
        def __init__(self, input_dim, width, other=7, /, depth=2, *, activation="tanh"):
            super().__init__(input_dim, width, depth, activation)
            seen.append((other, activation))

    check_network(Spy, only="each_sample_goes_its_own_way", examples=5, activation=st.just("erf"))
    assert {*seen} == {(7, "erf")}


def test_a_class_that_does_not_name_its_arguments_is_told_what_works():
    class Unnamed(mgd.FullyConnected):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    class Positional(mgd.FullyConnected):
        def __init__(self, *args):
            super().__init__(*args)

    name = "each_sample_goes_its_own_way"
    for kind, advice in (
        (Unnamed, r"or give a strategy for each, check_network\(Unnamed, width"),
        (Positional, "or check"),
    ):
        with pytest.raises(
            TypeError, match=rf"^{kind.__name__}\.__init__ must name its arguments, got \(\*args.*{advice}"
        ):
            check_network(kind, only=name)
        check_network(kind(2, 3, 2), only=name, examples=2)  # each piece of advice works
    check_network(Unnamed, only=name, examples=2, **dict.fromkeys(("input_dim", "width", "depth"), st.just(2)))


@pytest.mark.parametrize("wrong", [None, "ResNet", mgd.Activation, 3])
def test_what_is_no_network_or_activation_is_refused(wrong):
    with pytest.raises(TypeError, match=r"^network must be a Network or a subclass of it, got"):
        check_network(wrong)
    with pytest.raises(TypeError, match=r"^activation must be an Activation, got"):
        check_activation(wrong)


@pytest.mark.parametrize("which", ["only", "without"])
def test_a_property_that_there_is_not_is_refused(which):
    with pytest.raises(ValueError, match=r"^only and without must hold names of PROPERTIES, got \['gradient'\]"):
        check_network(mgd.ResNet, **{which: ["gradient"]})
    with pytest.raises(ValueError, match=r"^only and without must hold names of PROPERTIES, got \['gradient'\]"):
        check_network(mgd.ResNet, **{which: "gradient"})


# ---------------------------------------------------------------------- activations


@pytest.mark.parametrize("name", ["gelu", "relu"])  # one with a closed form that is smooth, one with a kink
def test_the_packages_activations_pass(name):
    check_activation(mgd.activations.get(name), examples=4)


def real_only(z):
    return np.tanh(z.real) + 0 * z


def slope(z):
    return 1 / np.cosh(z) ** 2


WRONG_SIGMAS = {
    "not analytic": (lambda: mgd.Activation(real_only, slope, analytic=True), "that of the complex step"),
    "another value for complex numbers": (
        lambda: mgd.Activation(lambda z: np.tanh(z) + np.iscomplexobj(z), slope, analytic=True),
        r"σ of x \+ 0i is not σ of x",
    ),
    "lipschitz": (lambda: mgd.Activation(np.tanh, slope, lipschitz=0.9, smoothness=0.77), "exceeds `lipschitz`"),
    "smoothness": (lambda: mgd.Activation(np.tanh, slope, lipschitz=1, smoothness=0.5), "faster than `smoothness`"),
    "digits": (
        lambda: mgd.Activation(lambda z: np.tanh(z) + z.dtype.type(100) - z.dtype.type(100), slope),
        "σ in float32 is not that in float64",
    ),
    "closed form": (
        lambda: mgd.Activation(np.tanh, slope, closed_form=mgd.activations.get("erf").closed_form),
        r"`closed_form` is not the E\[σσ\] of the series",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG_SIGMAS.values(), ids=WRONG_SIGMAS)
def test_a_wrong_activation_is_refuted(make, message):
    with pytest.raises(PropertyError, match=message):
        check_activation(make(), examples=EXAMPLES)


def test_a_wrong_c_sigma_dtype_or_changed_input_is_refuted():
    class Wrong(mgd.Activation):
        c_sigma = 1.0

    class Doubles(mgd.Activation):
        def sigma(self, z):
            return np.asarray(super().sigma(z), dtype=float)

    class Writes(mgd.Activation):
        def sigma(self, z):
            value = super().sigma(z)
            if isinstance(z, np.ndarray):
                z *= 2
            return value

    wrong = {Wrong: "is not 1", Doubles: "float32 .* becomes one of float64", Writes: "changes what it is given"}
    for kind, message in wrong.items():
        with pytest.raises(PropertyError, match=message):
            check_activation(kind(np.tanh, slope), examples=1)
