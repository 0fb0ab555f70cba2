"""The statements of the companion paper, in its order."""

from minimal_gd.paper.companion_example import RADIUS, CompanionExample
from minimal_gd.paper.statement import DERIVED, HIGH, LOW, TEXT, Statement, taken_from
from minimal_gd.theory.companion import descent as two_layer_descent
from minimal_gd.theory.companion import experiments as two_layer_experiments
from minimal_gd.theory.companion import flow as two_layer_flow
from minimal_gd.theory.companion import hyperplanes as two_layer_hyperplanes
from minimal_gd.theory.companion import joint as two_layer_joint
from minimal_gd.theory.companion import limit as two_layer_limit
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.companion import path as two_layer_path
from minimal_gd.theory.companion import patterns as two_layer_patterns
from minimal_gd.theory.companion import split as two_layer_split

# Widths for the slopes of Remark 3.1, and the width whose predictions are averaged.
WIDTHS = (64, 256, 1024)
PREDICTIONS_WIDTH = 64


def _width(e: CompanionExample) -> tuple:
    return len(e.y), e.lambda_0, e.pattern_step.squared_residual


def _sum(e: CompanionExample) -> tuple:
    return e.step_size, e.lambda_0, e.steps


def _factor(e: CompanionExample) -> tuple:
    return len(e.y), e.lambda_0, e.short_step_size, e.allowed


_ROWS = (
    ("Equation (1)", "section 1", TEXT, two_layer.equation_1, lambda e: e.at_start),
    ("Equation (2)", "section 1", TEXT, two_layer.equation_2, lambda e: e.everything),
    ("Equation (3)", "section 1", TEXT, two_layer.equation_3, lambda e: (*e.everything, e.step_size)),
    ("Equation (4)", "section 1", TEXT, two_layer.equation_4, lambda e: e.everything),
    ("H^∞", "section 3", HIGH, two_layer_limit.limit_of_h, lambda e: (e.X,)),
    ("Assumption 3.1", "section 3", TEXT, two_layer_limit.assumption_3_1, lambda e: (e.X,)),
    ("Theorem 3.1", "section 3", TEXT, two_layer_hyperplanes.theorem_3_1, lambda e: (e.X,)),
    ("Lemma A.1", "Appendix A", TEXT, two_layer_hyperplanes.lemma_a_1, lambda e: (e.X,)),
    ("Theorem 3.1 (isolation)", "Appendix A", TEXT, two_layer_hyperplanes.isolation, lambda e: (e.X, 0)),
    ("Lemma 3.1", "section 3", HIGH, two_layer_limit.lemma_3_1, lambda e: e.at_start),
    ("Lemma 3.1 (entries)", "section 3", DERIVED, two_layer_limit.lemma_3_1_entries, lambda e: e.at_start),
    ("G^∞", "section 3", DERIVED, two_layer_limit.limit_of_g, lambda e: (e.X,)),
    ("Event A_ir", "section 3", TEXT, two_layer_patterns.event_a, lambda e: (*e.at_start, RADIUS)),
    ("P(A_ir)", "section 3", TEXT, two_layer_patterns.share_of_events, lambda e: (*e.at_start, RADIUS)),
    ("P(A_ir) bound", "section 3", TEXT, two_layer_patterns.bound_of_probability, lambda e: (RADIUS,)),
    ("Lemma 3.2", "section 3", TEXT, two_layer_patterns.lemma_3_2, lambda e: e.at_start),
    ("Lemma 3.2 (entries)", "section 3", DERIVED, two_layer_patterns.change_of_entries, lambda e: (*e.moved, RADIUS)),
    ("Lemma 3.2 (expectation)", "section 3", TEXT, two_layer_patterns.expected_change, lambda e: (*e.at_start, RADIUS)),
    ("Lemma 3.2 (Markov)", "section 3", TEXT, two_layer_patterns.markov, lambda e: (*e.at_start, e.allowed)),
    ("Equation (5)", "section 3", TEXT, two_layer_path.equation_5, lambda e: e.everything),
    ("Equation (6)", "section 3", TEXT, two_layer_path.equation_6, lambda e: e.at_start),
    ("Equation (7)", "section 3", TEXT, two_layer_path.equation_7, lambda e: (e.path,)),
    ("Theorem 3.2", "section 3", TEXT, two_layer_flow.theorem_3_2, lambda e: (e.path,)),
    ("Remark 3.1 (initial)", "section 3", TEXT, two_layer_flow.remark_3_1_initial, lambda e: (e.X, WIDTHS)),
    ("Remark 3.1 (training)", "section 3", TEXT, two_layer_flow.remark_3_1_training, lambda e: (e.X, e.y, WIDTHS)),
    ("Lemma 3.3", "section 3", TEXT, two_layer_flow.lemma_3_3, lambda e: (e.path,)),
    ("Lemma 3.3 (distance)", "section 3", DERIVED, two_layer_flow.lemma_3_3_distance, lambda e: (e.path,)),
    ("Lemma 3.4", "section 3", TEXT, two_layer_flow.lemma_3_4, lambda e: (e.path,)),
    ("Lemma 3.4 (width)", "section 3", TEXT, two_layer_flow.width_of_lemma_3_4, lambda e: _width(e)),
    ("E[u_i(0)²]", "section 3", DERIVED, two_layer_flow.initial_predictions, lambda e: (e.X, PREDICTIONS_WIDTH)),
    ("Initial residual", "section 3", DERIVED, two_layer_flow.initial_residual, lambda e: e.everything),
    ("Theorem 3.3", "section 3", HIGH, two_layer_joint.theorem_3_3, lambda e: (e.joint,)),
    ("H and G", "Theorem 3.3", TEXT, two_layer_joint.gram_matrices, lambda e: (e.both[0], e.joint.params[-1], e.X)),
    ("Dynamics of both layers", "Theorem 3.3", TEXT, two_layer_joint.both_layers, lambda e: (e.joint,)),
    ("G ⪰ 0", "Theorem 3.3", TEXT, two_layer_joint.order, lambda e: (*e.both, e.X)),
    ("Lemma A.2", "Appendix A", LOW, two_layer_joint.lemma_a_2, lambda e: (*e.both, e.X)),
    ("Lemma A.3", "Appendix A", LOW, two_layer_joint.lemma_a_3, lambda e: (e.joint, RADIUS)),
    ("Lemma A.4", "Appendix A", LOW, two_layer_joint.lemma_a_4, lambda e: (e.joint, RADIUS)),
    ("Lemma A.5", "Appendix A", LOW, two_layer_joint.lemma_a_5, lambda e: (e.joint,)),
    ("Lemma A.6", "Appendix A", LOW, two_layer_joint.lemma_a_6, lambda e: (*e.both, e.X)),
    ("Theorem 4.1", "section 4", TEXT, two_layer_descent.theorem_4_1, lambda e: (e.pattern_run,)),
    ("Condition 4.1", "section 4", TEXT, two_layer_descent.condition_4_1, lambda e: (e.pattern_run,)),
    ("Corollary 4.1", "section 4", TEXT, two_layer_descent.corollary_4_1, lambda e: (e.pattern_run,)),
    ("Corollary 4.1 (sum)", "section 4", DERIVED, two_layer_descent.geometric_sum, _sum),
    ("S_i", "section 4", DERIVED, two_layer_patterns.changed_patterns, lambda e: (*e.moved, RADIUS)),
    ("Lemma 4.1", "section 4", TEXT, two_layer_patterns.lemma_4_1, lambda e: (*e.at_start, e.allowed)),
    ("I_1 + I_2", "section 4", TEXT, two_layer_split.split, lambda e: (e.pattern_step,)),
    ("I_1", "section 4", TEXT, two_layer_split.first_part, lambda e: (e.pattern_step,)),
    ("I_2", "section 4", TEXT, two_layer_split.second_part, lambda e: (e.pattern_step,)),
    ("H^⊥", "section 4", TEXT, two_layer_split.h_perp, lambda e: (e.pattern_step,)),
    ("Second-order term", "section 4", TEXT, two_layer_split.second_order, lambda e: (e.pattern_step,)),
    ("Total factor", "section 4", TEXT, two_layer_split.total_factor, lambda e: (e.short_step,)),
    ("Rate from the total factor", "section 4", DERIVED, two_layer_split.rate_from_factor, lambda e: _factor(e)),
    ("Section 5 (a)", "section 5", TEXT, two_layer_experiments.section_5_a, lambda e: (e.experiment,)),
    ("Section 5 (b)", "section 5", TEXT, two_layer_experiments.section_5_b, lambda e: (e.experiment,)),
    ("Section 5 (c)", "section 5", TEXT, two_layer_experiments.section_5_c, lambda e: (e.experiment,)),
)
COMPANION = tuple(
    Statement(f"Companion {label}", where, wording, function, taken_from(lambda e: e.two_layer, arguments))
    for label, where, wording, function, arguments in _ROWS
)
