"""The companion paper's rows of the map of statements, in its order."""

from minimal_gd.statement import Statement
from minimal_gd.theory import (
    two_layer,
    two_layer_hyperplanes,
    two_layer_limit,
    two_layer_patterns,
    two_layer_split,
)

_NETWORK = "test_two_layer.py::test_companion_"
_LIMIT = "test_two_layer_limit.py::test_companion_"
_PATTERNS = "test_two_layer_patterns.py::test_companion_"
_SPLIT = "test_two_layer_split.py::test_companion_"

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
        "Companion Lemma 3.2 (Markov)", "section 3", "text", two_layer_patterns.markov, _PATTERNS + "lemma_3_2_markov"
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

COMPANION = (*SECTION_1, *LIMIT, *PATTERNS, *SPLIT)
