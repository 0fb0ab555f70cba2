"""The statements of sections 3 to 7 and of Appendix A, in their order."""

import numpy as np

from minimal_gd.networks import ConvResNet, FullyConnected, Network, ResNet
from minimal_gd.paper.example import Example
from minimal_gd.paper.examples import ACTIVATION, INPUT_DIM, Examples
from minimal_gd.paper.statement import DERIVED, HIGH, MEDIUM, TEXT, Statement
from minimal_gd.theory.appendices_a_to_d import certificates
from minimal_gd.theory.sections_3_and_4 import dynamics, flow, gradients, setting
from minimal_gd.theory.sections_5_to_7 import certified, definitions, recursions, theorems

# Narrow networks, for what takes dense products of Jacobians; and those whose seeds are averaged.
FC_40, RESNET_40 = FullyConnected(INPUT_DIM, 40, 3), ResNet(INPUT_DIM, 40, 3)
CONV_8 = ConvResNet((2, 5), 8, 3, (3,))
FC_200, RESNET_200 = FullyConnected(INPUT_DIM, 200, 3), ResNet(INPUT_DIM, 200, 3)
CONV_60 = ConvResNet((2, 5), 60, 3, (3,))
# Wide enough for a certificate before the first step.
FC_1024 = FullyConnected(INPUT_DIM, 1024, 1, ACTIVATION)
# Variances and covariances of two pairs.
A, B, C = np.array([1, 0.5]), np.array([1.0, 2]), np.array([0.3, -0.7])


def _started(net: Network, e: Example) -> tuple:
    return net, net.init(0), e.X, e.y


def _of_run(e: Example) -> tuple:
    return e.net, e.run, e.K_H


def _theorem(e: Example) -> tuple:
    return e.net, e.run, e.X, e.y, e.K_H


def _linearised(e: Example) -> tuple:
    return e.run, e.y, e.G, 0.1


def _linearised_flow(e: Example) -> tuple:
    return flow.gradient_flow(*e.everything, [0.2, 1.0], tolerance=1e-7), e.u, e.y, e.G, 0.1


def _certified(e: Example) -> tuple:
    return *_started(FC_1024, e), 0.1, e.steps


def _any_width(e: Example) -> tuple:
    return lambda m: FullyConnected(INPUT_DIM, m, 1, ACTIVATION), e.X, e.y, e.smallest, 0.2, e.steps


def _random_resnets(e: Examples) -> tuple:
    return RESNET_200, e.resnet.X, e.seeds


_ROWS = (
    ("Equation (1)", "section 3", TEXT, setting.loss, lambda e: e.resnet.everything),
    ("Condition 3.1", "section 3.2", TEXT, setting.lipschitz_and_smooth, lambda e: (ACTIVATION,)),
    ("Condition 3.2", "section 3.2", TEXT, setting.analytic_not_polynomial, lambda e: (ACTIVATION,)),
    ("c_σ", "section 3.2", TEXT, setting.normalisation, lambda e: (ACTIVATION,)),
    ("Equation (2)", "section 3.3", TEXT, setting.predictions, lambda e: e.fc.at_start),
    ("Equation (3)", "section 3.3", TEXT, setting.predictions, lambda e: e.resnet.at_start),
    ("Initialisation", "section 3.3", TEXT, setting.initialisation, lambda e: (e.fc.params,)),
    ("Gradient descent", "section 3.3", TEXT, setting.descent, lambda e: (*e.resnet.everything, e.resnet.step_size)),
    ("Convolutional network", "section 7", TEXT, setting.predictions, lambda e: e.conv.at_start),
    ("Patch norms", "section 7", TEXT, setting.patch_norms, lambda e: e.conv.at_start),
    ("Equation (12)", "Appendix B", HIGH, gradients.layer_gradients, lambda e: _started(FC_40, e.resnet)),
    ("ResNet gradient", "Appendix C", HIGH, gradients.layer_gradients, lambda e: _started(RESNET_40, e.resnet)),
    ("Convolutional gradient", "Appendix D", DERIVED, gradients.layer_gradients, lambda e: _started(CONV_8, e.conv)),
    ("G^(H), fully connected", "Appendix B", HIGH, gradients.last_gram, lambda e: e.fc.at_start),
    ("G^(H), ResNet", "Appendix C", HIGH, gradients.last_gram, lambda e: e.resnet.at_start),
    ("G^(H), convolution", "Appendix D", DERIVED, gradients.last_gram, lambda e: e.conv.at_start),
    ("G^(h)", "section 4", TEXT, gradients.layer_grams, lambda e: e.resnet.at_start),
    ("G^(H+1)", "section 4", TEXT, gradients.output_gram, lambda e: e.resnet.at_start),
    ("G(k)", "section 4", TEXT, gradients.whole_gram, lambda e: e.resnet.at_start),
    ("Two-layer recap", "section 4", TEXT, gradients.two_layer_recap, lambda e: (e.one_layer.net, e.resnet.X)),
    ("Definition 5.1", "section 5", HIGH, definitions.definition, lambda e: (FC_200, e.resnet.X, e.seeds)),
    ("Definition 6.1", "section 6", MEDIUM, definitions.definition, _random_resnets),
    ("Definition 7.1", "section 7", MEDIUM, definitions.definition, lambda e: (CONV_60, e.conv.X, e.seeds)),
    ("Means b^(h)", "Definition 6.1", TEXT, definitions.means, _random_resnets),
    ("Why the cross term factorises", "Definition 6.1", DERIVED, definitions.cross_terms, _random_resnets),
    ("Limits of every layer", "sections 5 to 7", DERIVED, recursions.every_layer, lambda e: e.conv.limit),
    ("Closed form of sincos", "Definition 5.1", DERIVED, recursions.sincos_recursion, lambda e: e.fc.limit),
    ("Closed form of erf", "Definition 5.1", DERIVED, recursions.erf_expectations, lambda e: (A, B, C)),
    ("Loss step", "Appendix A", HIGH, dynamics.loss_step, lambda e: (e.resnet.step,)),
    ("I_1", "Appendix A", HIGH, dynamics.first_order_change, lambda e: (e.resnet.step,)),
    ("I_2", "Appendix A", HIGH, dynamics.second_order_change, lambda e: (e.resnet.step,)),
    ("Gram order", "section 4", TEXT, dynamics.gram_order, lambda e: (e.resnet.step,)),
    ("Descent inequality", "Appendix A", HIGH, dynamics.descent_inequality, lambda e: (e.resnet.step,)),
    ("Budget", "Appendix A", DERIVED, dynamics.one_step_rate, lambda e: (e.fc.step, e.fc.smallest)),
    ("Equation (4)", "section 4", TEXT, flow.deep_dynamics, lambda e: (e.fc.step, 0.05)),
    ("Linearised descent", "section 4", TEXT, flow.linearised_descent, lambda e: _linearised(e.fc)),
    ("Linear flow", "section 4", DERIVED, flow.linear_ode, lambda e: (e.fc.G, e.fc.residual, [0.1, 0.5, 2.0])),
    ("Linearised flow", "section 4", DERIVED, flow.linearised_flow, lambda e: _linearised_flow(e.one_layer)),
    ("Closeness at the start", "Appendix A", HIGH, certificates.initial_gram, lambda e: _of_run(e.fc)),
    ("Closeness in training", "Appendix A", HIGH, certificates.stable_gram, lambda e: _of_run(e.fc)),
    ("Positive Gram matrix", "Appendix A", HIGH, certificates.positive_gram, lambda e: _of_run(e.fc)),
    ("Condition A.1", "Appendix A", HIGH, theorems.induction_hypothesis, lambda e: (e.fc.run, e.fc.smallest)),
    ("Theorem 5.1", "section 5", TEXT, theorems.convergence, lambda e: _theorem(e.fc)),
    ("Theorem 6.1", "section 6", TEXT, theorems.convergence, lambda e: _theorem(e.resnet)),
    ("Theorem 7.1", "section 7", TEXT, theorems.convergence, lambda e: _theorem(e.conv)),
    ("Sufficient width", "Theorem 5.1", DERIVED, theorems.width_against_sufficient, lambda e: _any_width(e.one_layer)),
    ("Certified descent", "Theorem 5.1", DERIVED, certified.certificate_rate, lambda e: _certified(e.one_layer)),
)
SECTIONS = tuple(Statement(*row) for row in _ROWS)
