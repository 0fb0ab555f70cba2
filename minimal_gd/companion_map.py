"""The companion paper's rows of the map of statements, in its order."""

from minimal_gd.statement import Statement
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

_NETWORK = "test_two_layer.py::test_companion_"
_LIMIT = "test_two_layer_limit.py::test_companion_"
_PATTERNS = "test_two_layer_patterns.py::test_companion_"
_SPLIT = "test_two_layer_split.py::test_companion_"
_FLOW = "test_two_layer_flow.py::test_companion_"
_JOINT = "test_two_layer_joint.py::test_companion_"
_DESCENT = "test_two_layer_descent.py::test_companion_"
_EXPERIMENTS = "test_two_layer_experiments.py::test_companion_"

SECTION_1 = (
    Statement("Companion Equation (1)", "section 1", "text", two_layer.equation_1, _NETWORK + "equation_1"),
    Statement("Companion Equation (2)", "section 1", "text", two_layer.equation_2, _NETWORK + "equation_2"),
    Statement("Companion Equation (3)", "section 1", "text", two_layer.equation_3, _NETWORK + "equation_3"),
    Statement("Companion Equation (4)", "section 1", "text", two_layer.equation_4, _NETWORK + "equation_4"),
)

LIMIT = (
    Statement("Companion H^∞", "section 3", "recalled, high", two_layer_limit.limit_of_h, _LIMIT + "limit_of_h"),
    Statement(
        "Companion Assumption 3.1", "section 3", "text", two_layer_limit.assumption_3_1, _LIMIT + "assumption_3_1"
    ),
    Statement("Companion Theorem 3.1", "section 3", "text", two_layer_hyperplanes.theorem_3_1, _LIMIT + "theorem_3_1"),
    Statement("Companion Lemma A.1", "Appendix A", "text", two_layer_hyperplanes.lemma_a_1, _LIMIT + "lemma_a_1"),
    Statement(
        "Companion Theorem 3.1 (isolation)",
        "Appendix A",
        "text",
        two_layer_hyperplanes.isolation,
        _LIMIT + "theorem_3_1_isolation",
    ),
    Statement("Companion Lemma 3.1", "section 3", "recalled, high", two_layer_limit.lemma_3_1, _LIMIT + "lemma_3_1"),
    Statement(
        "Companion Lemma 3.1 (entries)",
        "section 3",
        "derived",
        two_layer_limit.lemma_3_1_entries,
        _LIMIT + "lemma_3_1_entries",
    ),
    Statement("Companion G^∞", "section 3", "derived", two_layer_limit.limit_of_g, _LIMIT + "limit_of_g"),
)

PATTERNS = (
    Statement("Companion Event A_ir", "section 3", "text", two_layer_patterns.event_a, _PATTERNS + "event_a_ir"),
    Statement("Companion P(A_ir)", "section 3", "text", two_layer_patterns.share_of_events, _PATTERNS + "p_a_ir"),
    Statement(
        "Companion P(A_ir) bound",
        "section 3",
        "text",
        two_layer_patterns.bound_of_probability,
        _PATTERNS + "p_a_ir_bound",
    ),
    Statement("Companion Lemma 3.2", "section 3", "text", two_layer_patterns.lemma_3_2, _PATTERNS + "lemma_3_2"),
    Statement(
        "Companion Lemma 3.2 (entries)",
        "section 3",
        "derived",
        two_layer_patterns.change_of_entries,
        _PATTERNS + "lemma_3_2_entries",
    ),
    Statement(
        "Companion Lemma 3.2 (expectation)",
        "section 3",
        "text",
        two_layer_patterns.expected_change,
        _PATTERNS + "lemma_3_2_expectation",
    ),
    Statement(
        "Companion Lemma 3.2 (Markov)", "section 3", "text", two_layer_patterns.markov, _PATTERNS + "lemma_3_2_markov"
    ),
)

FLOW = (
    Statement("Companion Equation (5)", "section 3", "text", two_layer_path.equation_5, _FLOW + "equation_5"),
    Statement("Companion Equation (6)", "section 3", "text", two_layer_path.equation_6, _FLOW + "equation_6"),
    Statement("Companion Equation (7)", "section 3", "text", two_layer_path.equation_7, _FLOW + "equation_7"),
    Statement("Companion Theorem 3.2", "section 3", "text", two_layer_flow.theorem_3_2, _FLOW + "theorem_3_2"),
    Statement(
        "Companion Remark 3.1 (initial)",
        "section 3",
        "text",
        two_layer_flow.remark_3_1_initial,
        _FLOW + "remark_3_1_initial",
    ),
    Statement(
        "Companion Remark 3.1 (training)",
        "section 3",
        "text",
        two_layer_flow.remark_3_1_training,
        _FLOW + "remark_3_1_training",
    ),
    Statement("Companion Lemma 3.3", "section 3", "text", two_layer_flow.lemma_3_3, _FLOW + "lemma_3_3"),
    Statement(
        "Companion Lemma 3.3 (distance)",
        "section 3",
        "derived",
        two_layer_flow.lemma_3_3_distance,
        _FLOW + "lemma_3_3_distance",
    ),
    Statement("Companion Lemma 3.4", "section 3", "text", two_layer_flow.lemma_3_4, _FLOW + "lemma_3_4"),
    Statement(
        "Companion Lemma 3.4 (width)", "section 3", "text", two_layer_flow.width_of_lemma_3_4, _FLOW + "lemma_3_4_width"
    ),
    Statement("Companion E[u_i(0)²]", "section 3", "derived", two_layer_flow.initial_predictions, _FLOW + "e_u_i_0_2"),
    Statement(
        "Companion Initial residual",
        "section 3",
        "derived",
        two_layer_flow.initial_residual,
        _FLOW + "initial_residual",
    ),
)

BOTH_LAYERS = (
    Statement(
        "Companion Theorem 3.3", "section 3", "recalled, high", two_layer_joint.theorem_3_3, _JOINT + "theorem_3_3"
    ),
    Statement("Companion H and G", "Theorem 3.3", "text", two_layer_joint.gram_matrices, _JOINT + "h_and_g"),
    Statement(
        "Companion Dynamics of both layers",
        "Theorem 3.3",
        "text",
        two_layer_joint.both_layers,
        _JOINT + "dynamics_of_both_layers",
    ),
    Statement("Companion G ⪰ 0", "Theorem 3.3", "text", two_layer_joint.order, _JOINT + "g_is_positive_semi_definite"),
    Statement("Companion Lemma A.2", "Appendix A", "recalled, low", two_layer_joint.lemma_a_2, _JOINT + "lemma_a_2"),
    Statement("Companion Lemma A.3", "Appendix A", "recalled, low", two_layer_joint.lemma_a_3, _JOINT + "lemma_a_3"),
    Statement("Companion Lemma A.4", "Appendix A", "recalled, low", two_layer_joint.lemma_a_4, _JOINT + "lemma_a_4"),
    Statement("Companion Lemma A.5", "Appendix A", "recalled, low", two_layer_joint.lemma_a_5, _JOINT + "lemma_a_5"),
    Statement("Companion Lemma A.6", "Appendix A", "recalled, low", two_layer_joint.lemma_a_6, _JOINT + "lemma_a_6"),
)

DESCENT = (
    Statement("Companion Theorem 4.1", "section 4", "text", two_layer_descent.theorem_4_1, _DESCENT + "theorem_4_1"),
    Statement(
        "Companion Condition 4.1", "section 4", "text", two_layer_descent.condition_4_1, _DESCENT + "condition_4_1"
    ),
    Statement(
        "Companion Corollary 4.1", "section 4", "text", two_layer_descent.corollary_4_1, _DESCENT + "corollary_4_1"
    ),
    Statement(
        "Companion Corollary 4.1 (sum)",
        "section 4",
        "derived",
        two_layer_descent.geometric_sum,
        _DESCENT + "corollary_4_1_sum",
    ),
)

SPLIT = (
    Statement("Companion S_i", "section 4", "derived", two_layer_patterns.changed_patterns, _PATTERNS + "s_i"),
    Statement("Companion Lemma 4.1", "section 4", "text", two_layer_patterns.lemma_4_1, _PATTERNS + "lemma_4_1"),
    Statement("Companion I_1 + I_2", "section 4", "text", two_layer_split.split, _SPLIT + "split"),
    Statement("Companion I_1", "section 4", "text", two_layer_split.first_part, _SPLIT + "i_1"),
    Statement("Companion I_2", "section 4", "text", two_layer_split.second_part, _SPLIT + "i_2"),
    Statement("Companion H^⊥", "section 4", "text", two_layer_split.h_perp, _SPLIT + "h_perp"),
    Statement(
        "Companion Second-order term", "section 4", "text", two_layer_split.second_order, _SPLIT + "second_order_term"
    ),
    Statement("Companion Total factor", "section 4", "text", two_layer_split.total_factor, _SPLIT + "total_factor"),
    Statement(
        "Companion Rate from the total factor",
        "section 4",
        "derived",
        two_layer_split.rate_from_factor,
        _SPLIT + "rate_from_the_total_factor",
    ),
)

SECTION_5 = (
    Statement(
        "Companion Section 5 (a)", "section 5", "text", two_layer_experiments.section_5_a, _EXPERIMENTS + "section_5_a"
    ),
    Statement(
        "Companion Section 5 (b)", "section 5", "text", two_layer_experiments.section_5_b, _EXPERIMENTS + "section_5_b"
    ),
    Statement(
        "Companion Section 5 (c)", "section 5", "text", two_layer_experiments.section_5_c, _EXPERIMENTS + "section_5_c"
    ),
)

COMPANION = (*SECTION_1, *LIMIT, *PATTERNS, *FLOW, *BOTH_LAYERS, *DESCENT, *SPLIT, *SECTION_5)
