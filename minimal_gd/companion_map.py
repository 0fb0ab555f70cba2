"""The companion paper's rows of the map of statements, in its order."""

from minimal_gd.statement import Statement
from minimal_gd.theory import two_layer

_NETWORK = "test_two_layer.py::test_companion_"

SECTION_1 = (
    Statement("Companion Equation (1)", "section 1", "text", two_layer.equation_1, _NETWORK + "equation_1"),
    Statement("Companion Equation (2)", "section 1", "text", two_layer.equation_2, _NETWORK + "equation_2"),
    Statement("Companion Equation (3)", "section 1", "text", two_layer.equation_3, _NETWORK + "equation_3"),
    Statement("Companion Equation (4)", "section 1", "text", two_layer.equation_4, _NETWORK + "equation_4"),
)

COMPANION = (*SECTION_1,)
