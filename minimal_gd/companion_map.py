"""The companion paper's rows of the map of statements, in its order."""

from minimal_gd.statement import Statement
from minimal_gd.theory import two_layer, two_layer_hyperplanes, two_layer_limit

_NETWORK = "test_two_layer.py::test_companion_"
_LIMIT = "test_two_layer_limit.py::test_companion_"

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

COMPANION = (*SECTION_1, *LIMIT)
