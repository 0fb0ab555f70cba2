"""What each statement of the deep paper and of the poster is computed on."""

import numpy as np
from numpy.typing import NDArray

from minimal_gd import gram
from minimal_gd.networks import ConvResNet, FullyConnected, Network, ResNet
from minimal_gd.parameters import Parameters
from minimal_gd.theory import (
    certificates,
    concentration,
    definitions,
    dynamics,
    flow,
    full_rank,
    gradients,
    initial,
    perturbation,
    poster,
    poster_descent,
    recursions,
    second_order,
    setting,
    technical,
    theorems,
    training,
)
from minimal_gd.theory.comparison import Comparison
from minimal_gd.verify.case import Case
from minimal_gd.verify.cases import ACTIVATION, INPUT_DIM, Cases, Row

# How many random networks a definition is compared with, and how wide they are.
SEEDS = 50

SECTION_3: dict[str, Row] = {
    "Equation (1)": lambda c: setting.loss(*c.resnet.everything),
    "Condition 3.1": lambda c: setting.lipschitz_and_smooth(ACTIVATION),
    "Condition 3.2": lambda c: setting.analytic_not_polynomial(ACTIVATION),
    "c_σ": lambda c: setting.normalisation(ACTIVATION),
    "Equation (2)": lambda c: setting.predictions(*c.fully_connected.at_start),
    "Equation (3)": lambda c: setting.predictions(*c.resnet.at_start),
    "Initialisation": lambda c: setting.initialisation(c.fully_connected.params),
    "Gradient descent": lambda c: setting.descent(*c.resnet.everything, c.resnet.step_size),
    "Convolutional network": lambda c: setting.predictions(*c.conv_resnet.at_start),
    "Patch norms": lambda c: setting.patch_norms(*c.conv_resnet.at_start),
}

SECTION_4: dict[str, Row] = {
    "G^(h)": lambda c: gradients.layer_grams(*c.resnet.at_start),
    "G^(H+1)": lambda c: gradients.output_gram(*c.resnet.at_start),
    "G(k)": lambda c: gradients.whole_gram(*c.resnet.at_start),
    "Two-layer recap": lambda c: gradients.two_layer_recap(c.one_layer.net, c.resnet.X),
    "Loss step": lambda c: dynamics.loss_step(c.resnet.step),
    "I_1": lambda c: dynamics.first_order_change(c.resnet.step),
    "I_2": lambda c: dynamics.second_order_change(c.resnet.step),
    "Gram order": lambda c: dynamics.gram_order(c.resnet.step),
    "Descent inequality": lambda c: dynamics.descent_inequality(c.resnet.step),
    "Budget": lambda c: dynamics.one_step_rate(c.fully_connected.step, c.fully_connected.smallest),
    "Equation (4)": lambda c: flow.deep_dynamics(c.fully_connected.step, 0.05),
    "Linearised descent": lambda c: _linearised(c.fully_connected),
    "Linear flow": lambda c: flow.linear_ode(c.fully_connected.G, c.fully_connected.residual, [0.1, 0.5, 2.0]),
    "Linearised flow": lambda c: _linearised_flow(c.one_layer),
    "Closeness at the start": lambda c: certificates.initial_gram(*_of_run(c.fully_connected)),
    "Closeness in training": lambda c: certificates.stable_gram(*_of_run(c.fully_connected)),
    "Positive Gram matrix": lambda c: certificates.positive_gram(*_of_run(c.fully_connected)),
    "Condition A.1": lambda c: theorems.induction_hypothesis(c.fully_connected.run, c.fully_connected.smallest),
    "Averaged Frobenius norm": lambda c: training.averaged_drift(c.resnet.net, c.resnet.run, c.resnet.smallest),
    "Perturbation of the initial Gram matrix": lambda c: concentration.perturbed_start(
        c.resnet.net, c.resnet.X, _first_error(c.resnet)
    ),
    "Gap of 1/H": lambda c: concentration.layer_sizes(c.resnet.net, c.resnet.X),
}

SECTIONS_5_TO_7: dict[str, Row] = {
    "Equation (12)": lambda c: gradients.layer_gradients(*_explicit(c.resnet, FullyConnected(INPUT_DIM, 40, 3))),
    "ResNet gradient": lambda c: gradients.layer_gradients(*_explicit(c.resnet, ResNet(INPUT_DIM, 40, 3))),
    "Convolutional gradient": lambda c: gradients.layer_gradients(
        *_explicit(c.conv_resnet, ConvResNet((2, 5), 8, 3, (3,)))
    ),
    "G^(H), fully connected": lambda c: gradients.last_gram(*c.fully_connected.at_start),
    "G^(H), ResNet": lambda c: gradients.last_gram(*c.resnet.at_start),
    "G^(H), convolution": lambda c: gradients.last_gram(*c.conv_resnet.at_start),
    "Definition 5.1": lambda c: definitions.definition(FullyConnected(INPUT_DIM, 200, 3), c.resnet.X, SEEDS),
    "Definition 6.1": lambda c: definitions.definition(ResNet(INPUT_DIM, 200, 3), c.resnet.X, SEEDS),
    "Definition 7.1": lambda c: definitions.definition(ConvResNet((2, 5), 60, 3, (3,)), c.conv_resnet.X, SEEDS),
    "Means b^(h)": lambda c: definitions.means(ResNet(INPUT_DIM, 200, 3), c.resnet.X, SEEDS),
    "Why the cross term factorises": lambda c: definitions.cross_terms(ResNet(INPUT_DIM, 200, 3), c.resnet.X, SEEDS),
    "Limits of every layer": lambda c: recursions.every_layer(c.conv_resnet.net, c.conv_resnet.X),
    "Closed form of sincos": lambda c: recursions.sincos_recursion(c.fully_connected.net, c.fully_connected.X),
    "Closed form of erf": lambda c: recursions.erf_expectations(
        np.array([1, 0.5]), np.array([1.0, 2]), np.array([0.3, -0.7])
    ),
    "Theorem 5.1": lambda c: _theorem(c.fully_connected),
    "Theorem 6.1": lambda c: _theorem(c.resnet),
    "Theorem 7.1": lambda c: _theorem(c.conv_resnet),
    "Sufficient width": lambda c: theorems.width_against_sufficient(
        lambda m: FullyConnected(INPUT_DIM, m, 1, ACTIVATION),
        c.one_layer.X,
        c.one_layer.y,
        c.one_layer.smallest,
        0.2,
        c.one_layer.steps,
    ),
}


def _lemmas(letter: str, which: str) -> dict[str, Row]:
    """Lemmas 1 to 7 of one appendix, for the case of that name."""

    def case(c: Cases) -> Case:
        return getattr(c, which)

    return {
        f"Lemma {letter}.1": lambda c: initial.norms(*case(c).at_start),
        f"Lemma {letter}.2": lambda c: initial.initial_gram(*case(c).at_start, case(c).K_H),
        f"Lemma {letter}.3": lambda c: perturbation.forward(*_trained(case(c))),
        f"Lemma {letter}.4": lambda c: perturbation.gram_matrix(*_trained(case(c)), case(c).smallest),
        f"Lemma {letter}.5": lambda c: training.weight_drift(case(c).net, case(c).run, case(c).X, case(c).smallest),
        f"Lemma {letter}.6": lambda c: second_order.change(case(c).step, case(c).smallest),
        f"Lemma {letter}.7": lambda c: second_order.term(case(c).step, case(c).smallest),
    }


APPENDICES: dict[str, Row] = {
    **_lemmas("B", "fully_connected"),
    "Step of Lemma B.5": lambda c: training.weight_step(c.fully_connected.step),
    **_lemmas("C", "resnet"),
    **_lemmas("D", "conv_resnet"),
    # the constant is open; 1 would be too small for this network
    "Theorem E.1": lambda c: concentration.layer_errors(*c.fully_connected.at_start, constant=2.0),
    "How an error is passed on": lambda c: concentration.passed_on(c.resnet.net, c.resnet.X, _first_error(c.resnet)),
    "From K^(H-1) to K^(H)": lambda c: concentration.last_step(*c.fully_connected.at_start, constant=2.0),
    "Lemma F.1": lambda c: full_rank.values_full_rank(ACTIVATION, c.resnet.X),
    "Lemma F.2": lambda c: full_rank.slopes_full_rank(ACTIVATION, c.resnet.X),
    "Proposition F.1": lambda c: full_rank.limit_full_rank(c.fully_connected.net, c.fully_connected.X),
    "Proposition F.2": lambda c: full_rank.residual_bound(c.resnet.net, c.resnet.X),
    "Full rank, convolution": lambda c: full_rank.residual_bound(c.conv_resnet.net, c.conv_resnet.X),
    "Decay with depth": lambda c: full_rank.decay_with_depth(FullyConnected(INPUT_DIM, 1, 5), c.resnet.X),
    "Angle law": lambda c: full_rank.angle_law(c.fully_connected.net, 0.1),
    "Lemma G.1": lambda c: technical.product_perturbation(*_layer_products(c.resnet)),
    "Lemma G.2": lambda c: technical.spectral_norms(c.fully_connected.net, c.fully_connected.params),
    "Lemma G.3": lambda c: technical.mean_is_lipschitz("softplus", 1.0, 1.5),
    "Lemma G.4": lambda c: technical.product_is_lipschitz(
        "softplus", np.array([[1.0, 0.3], [0.3, 1.0]]), np.array([[1.2, 0.5], [0.5, 0.9]])
    ),
    "Price identity": lambda c: technical.price("softplus", 1.0, 2.0, 0.5),
    "PSD order": lambda c: technical.psd_order(*_parts_of_gram(c.resnet)),
    "Schur product": lambda c: technical.schur_order(c.resnet.X @ c.resnet.X.T, c.resnet.K_H),
}

POSTER: dict[str, Row] = {
    "Poster normalisation": lambda c: poster.same_path(c.resnet.run, c.resnet.mean_run),
    "Poster flow": lambda c: poster.flow_dynamics(*c.resnet.everything),
    "Poster limit at the start": lambda c: poster.initial_limit(*c.resnet.at_start, _poster_limit(c.resnet)),
    "Poster limit in training": lambda c: poster.stable_limit(
        c.resnet.net,
        certificates.summed_grams(c.resnet.net, c.resnet.mean_run),
        np.linalg.eigvalsh(_poster_limit(c.resnet))[0],
    ),
    "Poster rate of the flow": lambda c: _poster_flow(c.one_layer),
    "Poster rate of the frozen flow": lambda c: poster.frozen_rate(
        _poster_limit(c.resnet), c.resnet.residual, np.array([0.5, 2.0, 8.0])
    ),
    "Poster Theorem 1": lambda c: _poster_theorem(c.fully_connected),
    "Poster Theorem 2": lambda c: _poster_theorem(c.resnet),
    "Poster empirical risk": lambda c: poster_descent.risk_vanishes(c.resnet.mean_run),
    "Poster random labels": lambda c: poster_descent.projected_risk(
        c.fully_connected.mean_run,
        c.fully_connected.y,
        len(c.fully_connected.y) * _poster_limit(c.fully_connected),
        0.1,
    ),
}


def _explicit(case: Case, net: Network) -> tuple:
    """The case's data with a narrow network, for what is computed with dense products of Jacobians."""
    return net, net.init(0), case.X, case.y


def _of_run(case: Case) -> tuple:
    return case.net, case.run, case.K_H


def _trained(case: Case) -> tuple:
    return case.net, case.params, case.run.params, case.X


def _theorem(case: Case) -> Comparison:
    return theorems.convergence(case.net, case.run, case.X, case.y, case.K_H)


def _linearised(case: Case) -> Comparison:
    return flow.linearised_descent(case.run, case.y, case.G, 0.1)


def _linearised_flow(case: Case) -> Comparison:
    path = flow.gradient_flow(*case.everything, [0.2, 1.0], tolerance=1e-7)
    return flow.linearised_flow(path, case.u, case.y, case.G, 0.1)


def _first_error(case: Case) -> NDArray:
    """x^(1) x^(1)ᵀ - S^(1), what the first layer's width leaves."""
    one = FullyConnected(INPUT_DIM, case.net.width, 1, ACTIVATION)
    return (
        gram.empirical(one, Parameters(case.params.W[:1], case.params.a), case.X)[1] - gram.limiting(one, case.X)[0][1]
    )


def _layer_products(case: Case) -> tuple:
    """The hidden layers' weight matrices, over √m, at the end and at the start of training, the last first."""
    root = np.sqrt(case.net.width)
    return tuple([W / root for W in params.W[:0:-1]] for params in (case.run.params, case.params))


def _parts_of_gram(case: Case) -> tuple:
    last = case.step.G[case.net.depth - 1]
    return last, case.step.trained_gram - last


def _poster_limit(case: Case) -> NDArray:
    return poster.limit(case.net, case.X)[0]


def _poster_flow(case: Case) -> Comparison:
    path = poster.gradient_flow(*case.everything, [0.0, 1.0, 4.0, 16.0], tolerance=1e-7)
    return poster.flow_rate(path, case.u, case.y, _poster_limit(case))


def _poster_theorem(case: Case) -> Comparison:
    return poster_descent.convergence(case.net, case.mean_run, case.y, _poster_limit(case))


PAPER = SECTION_3 | SECTION_4 | SECTIONS_5_TO_7 | APPENDICES | POSTER
