"""What each statement of the companion paper is computed on."""

from minimal_gd.theory import (
    two_layer,
    two_layer_descent,
    two_layer_experiments,
    two_layer_flow,
    two_layer_hyperplanes,
    two_layer_joint,
    two_layer_limit,
    two_layer_path,
    two_layer_patterns,
    two_layer_split,
)
from minimal_gd.verify.cases import Row
from minimal_gd.verify.companion_case import RADIUS

# Widths for the slopes of Remark 3.1, and the width whose predictions are averaged.
SLOPE_WIDTHS = (64, 256, 1024)
PREDICTIONS_WIDTH = 64

NETWORK: dict[str, Row] = {
    "Companion Equation (1)": lambda c: two_layer.equation_1(*c.two_layer.at_start),
    "Companion Equation (2)": lambda c: two_layer.equation_2(*c.two_layer.everything),
    "Companion Equation (3)": lambda c: two_layer.equation_3(*c.two_layer.everything, c.two_layer.case.step_size),
    "Companion Equation (4)": lambda c: two_layer.equation_4(*c.two_layer.everything),
}

LIMIT: dict[str, Row] = {
    "Companion H^∞": lambda c: two_layer_limit.limit_of_h(c.two_layer.case.X),
    "Companion G^∞": lambda c: two_layer_limit.limit_of_g(c.two_layer.case.X),
    "Companion Assumption 3.1": lambda c: two_layer_limit.assumption_3_1(c.two_layer.case.X),
    "Companion Theorem 3.1": lambda c: two_layer_hyperplanes.theorem_3_1(c.two_layer.case.X),
    "Companion Lemma A.1": lambda c: two_layer_hyperplanes.lemma_a_1(c.two_layer.case.X),
    "Companion Theorem 3.1 (isolation)": lambda c: two_layer_hyperplanes.isolation(c.two_layer.case.X, 0),
    "Companion Lemma 3.1": lambda c: two_layer_limit.lemma_3_1(*c.two_layer.at_start),
    "Companion Lemma 3.1 (entries)": lambda c: two_layer_limit.lemma_3_1_entries(*c.two_layer.at_start),
}

PATTERNS: dict[str, Row] = {
    "Companion Event A_ir": lambda c: two_layer_patterns.event_a(*c.two_layer.at_start, RADIUS),
    "Companion P(A_ir)": lambda c: two_layer_patterns.share_of_events(*c.two_layer.at_start, RADIUS),
    "Companion P(A_ir) bound": lambda c: two_layer_patterns.bound_of_probability(RADIUS),
    "Companion Lemma 3.2": lambda c: two_layer_patterns.lemma_3_2(*c.two_layer.at_start),
    "Companion Lemma 3.2 (entries)": lambda c: two_layer_patterns.change_of_entries(*c.two_layer.moved, RADIUS),
    "Companion Lemma 3.2 (expectation)": lambda c: two_layer_patterns.expected_change(*c.two_layer.at_start, RADIUS),
    "Companion Lemma 3.2 (Markov)": lambda c: two_layer_patterns.markov(*c.two_layer.at_start, c.two_layer.allowed),
    "Companion S_i": lambda c: two_layer_patterns.changed_patterns(*c.two_layer.moved, RADIUS),
    "Companion Lemma 4.1": lambda c: two_layer_patterns.lemma_4_1(*c.two_layer.at_start, c.two_layer.allowed),
}

FLOW: dict[str, Row] = {
    "Companion Equation (5)": lambda c: two_layer_path.equation_5(*c.two_layer.everything),
    "Companion Equation (6)": lambda c: two_layer_path.equation_6(*c.two_layer.at_start),
    "Companion Equation (7)": lambda c: two_layer_path.equation_7(c.two_layer.path),
    "Companion Theorem 3.2": lambda c: two_layer_flow.theorem_3_2(c.two_layer.path),
    "Companion Remark 3.1 (initial)": lambda c: two_layer_flow.remark_3_1_initial(c.two_layer.case.X, SLOPE_WIDTHS),
    "Companion Remark 3.1 (training)": lambda c: two_layer_flow.remark_3_1_training(
        c.two_layer.case.X, c.two_layer.case.y, SLOPE_WIDTHS
    ),
    "Companion Lemma 3.3": lambda c: two_layer_flow.lemma_3_3(c.two_layer.path),
    "Companion Lemma 3.3 (distance)": lambda c: two_layer_flow.lemma_3_3_distance(c.two_layer.path),
    "Companion Lemma 3.4": lambda c: two_layer_flow.lemma_3_4(c.two_layer.path),
    "Companion Lemma 3.4 (width)": lambda c: two_layer_flow.width_of_lemma_3_4(
        len(c.two_layer.case.y), c.two_layer.smallest, c.two_layer.step.squared_residual
    ),
    "Companion E[u_i(0)²]": lambda c: two_layer_flow.initial_predictions(c.two_layer.case.X, PREDICTIONS_WIDTH),
    "Companion Initial residual": lambda c: two_layer_flow.initial_residual(*c.two_layer.everything),
}

BOTH_LAYERS: dict[str, Row] = {
    "Companion Theorem 3.3": lambda c: two_layer_joint.theorem_3_3(c.two_layer.joint),
    "Companion H and G": lambda c: two_layer_joint.gram_matrices(
        c.two_layer.both[0], c.two_layer.joint.params[-1], c.two_layer.case.X
    ),
    "Companion Dynamics of both layers": lambda c: two_layer_joint.both_layers(c.two_layer.joint),
    "Companion G ⪰ 0": lambda c: two_layer_joint.order(*c.two_layer.both, c.two_layer.case.X),
    "Companion Lemma A.2": lambda c: two_layer_joint.lemma_a_2(*c.two_layer.both, c.two_layer.case.X),
    "Companion Lemma A.3": lambda c: two_layer_joint.lemma_a_3(c.two_layer.joint, RADIUS),
    "Companion Lemma A.4": lambda c: two_layer_joint.lemma_a_4(c.two_layer.joint, RADIUS),
    "Companion Lemma A.5": lambda c: two_layer_joint.lemma_a_5(c.two_layer.joint),
    "Companion Lemma A.6": lambda c: two_layer_joint.lemma_a_6(*c.two_layer.both, c.two_layer.case.X),
}

DESCENT: dict[str, Row] = {
    "Companion Theorem 4.1": lambda c: two_layer_descent.theorem_4_1(c.two_layer.run),
    "Companion Condition 4.1": lambda c: two_layer_descent.condition_4_1(c.two_layer.run),
    "Companion Corollary 4.1": lambda c: two_layer_descent.corollary_4_1(c.two_layer.run),
    "Companion Corollary 4.1 (sum)": lambda c: two_layer_descent.geometric_sum(
        c.two_layer.case.step_size, c.two_layer.smallest, c.two_layer.case.steps
    ),
    "Companion I_1 + I_2": lambda c: two_layer_split.split(c.two_layer.step),
    "Companion I_1": lambda c: two_layer_split.first_part(c.two_layer.step),
    "Companion I_2": lambda c: two_layer_split.second_part(c.two_layer.step),
    "Companion H^⊥": lambda c: two_layer_split.h_perp(c.two_layer.step),
    "Companion Second-order term": lambda c: two_layer_split.second_order(c.two_layer.step),
    "Companion Total factor": lambda c: two_layer_split.total_factor(c.two_layer.short_step),
    "Companion Rate from the total factor": lambda c: two_layer_split.rate_from_factor(
        len(c.two_layer.case.y), c.two_layer.smallest, c.two_layer.short_step_size, c.two_layer.allowed
    ),
}

EXPERIMENTS: dict[str, Row] = {
    "Companion Section 5 (a)": lambda c: two_layer_experiments.section_5_a(c.two_layer.experiment),
    "Companion Section 5 (b)": lambda c: two_layer_experiments.section_5_b(c.two_layer.experiment),
    "Companion Section 5 (c)": lambda c: two_layer_experiments.section_5_c(c.two_layer.experiment),
}

COMPANION = NETWORK | LIMIT | PATTERNS | FLOW | BOTH_LAYERS | DESCENT | EXPERIMENTS
