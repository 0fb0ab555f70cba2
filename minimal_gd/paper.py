"""The map: every statement of both papers and the poster, the function that computes it, and the test that checks it.

`wording` says how sure the printed words are: seen in the text; recalled, with how much confidence; or derived here.
"""

from minimal_gd.appendix_map import APPENDIX_E, APPENDIX_F, APPENDIX_G
from minimal_gd.companion_map import COMPANION
from minimal_gd.poster_map import POSTER
from minimal_gd.statement import Statement
from minimal_gd.theory import (
    certificates,
    definitions,
    dynamics,
    flow,
    gradients,
    initial,
    perturbation,
    recursions,
    second_order,
    setting,
    theorems,
    training,
)

_SETTING = "test_theory_setting.py::test_"
_GRAD = "test_theory_gradients.py::test_"
_RECURSIONS = "test_theory_recursions.py::test_"
_DEFINITIONS = "test_theory_definitions.py::test_"

SECTION_3 = (
    Statement("Equation (1)", "section 3", "text", setting.loss, _SETTING + "equation_1"),
    Statement("Condition 3.1", "section 3.2", "text", setting.lipschitz_and_smooth, _SETTING + "condition_3_1"),
    Statement("Condition 3.2", "section 3.2", "text", setting.analytic_not_polynomial, _SETTING + "condition_3_2"),
    Statement("c_σ", "section 3.2", "text", setting.normalisation, _SETTING + "c_σ"),
    Statement("Equation (2)", "section 3.3", "text", setting.predictions, _SETTING + "equation_2"),
    Statement("Equation (3)", "section 3.3", "text", setting.predictions, _SETTING + "equation_3"),
    Statement("Initialisation", "section 3.3", "text", setting.initialisation, _SETTING + "initialisation"),
    Statement("Gradient descent", "section 3.3", "text", setting.descent, _SETTING + "gradient_descent"),
    Statement("Convolutional network", "section 7", "text", setting.predictions, _SETTING + "convolutional_network"),
    Statement("Patch norms", "section 7", "text", setting.patch_norms, _SETTING + "patch_norms"),
)

GRADIENTS = (
    Statement("Equation (12)", "Appendix B", "recalled, high", gradients.layer_gradients, _GRAD + "equation_12"),
    Statement("ResNet gradient", "Appendix C", "recalled, high", gradients.layer_gradients, _GRAD + "resnet_gradient"),
    Statement(
        "Convolutional gradient", "Appendix D", "derived", gradients.layer_gradients, _GRAD + "convolutional_gradient"
    ),
    Statement(
        "G^(H), fully connected", "Appendix B", "recalled, high", gradients.last_gram, _GRAD + "g_h_fully_connected"
    ),
    Statement("G^(H), ResNet", "Appendix C", "recalled, high", gradients.last_gram, _GRAD + "g_h_resnet"),
    Statement("G^(H), convolution", "Appendix D", "derived", gradients.last_gram, _GRAD + "g_h_convolution"),
    Statement("G^(h)", "section 4", "text", gradients.layer_grams, _GRAD + "g_h"),
    Statement("G^(H+1)", "section 4", "text", gradients.output_gram, _GRAD + "the_output_layer"),
    Statement("G(k)", "section 4", "text", gradients.whole_gram, _GRAD + "the_whole"),
    Statement("Two-layer recap", "section 4", "text", gradients.two_layer_recap, _GRAD + "two_layer_recap"),
)

SECTION_4 = (
    Statement(
        "Loss step", "Appendix A", "recalled, high", dynamics.loss_step, "test_theory_dynamics.py::test_loss_step"
    ),
    Statement("I_1", "Appendix A", "recalled, high", dynamics.first_order_change, "test_theory_dynamics.py::test_i_1"),
    Statement("I_2", "Appendix A", "recalled, high", dynamics.second_order_change, "test_theory_dynamics.py::test_i_2"),
    Statement("Gram order", "section 4", "text", dynamics.gram_order, "test_theory_dynamics.py::test_gram_order"),
    Statement(
        "Descent inequality",
        "Appendix A",
        "recalled, high",
        dynamics.descent_inequality,
        "test_theory_dynamics.py::test_descent_inequality",
    ),
    Statement("Budget", "Appendix A", "derived", dynamics.one_step_rate, "test_theory_dynamics.py::test_budget"),
)

TRAJECTORIES = (
    Statement("Equation (4)", "section 4", "text", flow.deep_dynamics, "test_theory_flow.py::test_equation_4"),
    Statement(
        "Linearised descent",
        "section 4",
        "text",
        flow.linearised_descent,
        "test_theory_flow.py::test_linearised_descent_of_section_4",
    ),
    Statement("Linear flow", "section 4", "derived", flow.linear_ode, "test_theory_flow.py::test_linear_flow"),
    Statement(
        "Linearised flow", "section 4", "derived", flow.linearised_flow, "test_theory_flow.py::test_linearised_flow"
    ),
)

CERTIFICATES = (
    Statement(
        "Closeness at the start",
        "Appendix A",
        "recalled, high",
        certificates.initial_gram,
        "test_theory_certificates.py::test_closeness_at_the_start",
    ),
    Statement(
        "Closeness in training",
        "Appendix A",
        "recalled, high",
        certificates.stable_gram,
        "test_theory_certificates.py::test_closeness_in_training",
    ),
    Statement(
        "Positive Gram matrix",
        "Appendix A",
        "recalled, high",
        certificates.positive_gram,
        "test_theory_certificates.py::test_positive_gram_matrix_in_training",
    ),
)

THEOREMS = (
    Statement(
        "Condition A.1",
        "Appendix A",
        "recalled, high",
        theorems.induction_hypothesis,
        "test_theory_theorems.py::test_condition_a_1",
    ),
    Statement("Theorem 5.1", "section 5", "text", theorems.convergence, "test_theory_theorems.py::test_theorem_5_1"),
    Statement("Theorem 6.1", "section 6", "text", theorems.convergence, "test_theory_theorems.py::test_theorem_6_1"),
    Statement("Theorem 7.1", "section 7", "text", theorems.convergence, "test_theory_theorems.py::test_theorem_7_1"),
    Statement(
        "Sufficient width",
        "Theorem 5.1",
        "derived",
        theorems.width_against_sufficient,
        "test_theory_theorems.py::test_sufficient_width",
    ),
)

# (number, function, file of the test, how sure the wording of B, C and D is)
_LEMMAS = (
    (1, initial.norms, "initial", ("high", "high", "low")),
    (2, initial.initial_gram, "initial", ("medium", "medium", "low")),
    (3, perturbation.forward, "perturbation", ("high", "medium", "low")),
    (4, perturbation.gram_matrix, "perturbation", ("high", "high", "low")),
    (5, training.weight_drift, "training", ("high", "medium", "low")),
    (6, second_order.change, "second_order", ("high", "high", "low")),
    (7, second_order.term, "second_order", ("high", "high", "low")),
)

APPENDICES_B_C_D = tuple(
    Statement(
        f"Lemma {letter}.{number}",
        f"Appendix {letter}",
        f"recalled, {wordings['BCD'.index(letter)]}",
        function,
        f"test_theory_{file}.py::test_lemma_{letter.lower()}_{number}",
    )
    for letter in "BCD"
    for number, function, file, wordings in _LEMMAS
)

RECURSIONS = (
    Statement("Definition 5.1", "section 5", "recalled, high", definitions.definition, _DEFINITIONS + "definition_5_1"),
    Statement(
        "Definition 6.1", "section 6", "recalled, medium", definitions.definition, _DEFINITIONS + "definition_6_1"
    ),
    Statement(
        "Definition 7.1", "section 7", "recalled, medium", definitions.definition, _DEFINITIONS + "definition_7_1"
    ),
    Statement("Means b^(h)", "Definition 6.1", "text", definitions.means, _DEFINITIONS + "means_b_h"),
    Statement(
        "Why the cross term factorises",
        "Definition 6.1",
        "derived",
        definitions.cross_terms,
        _DEFINITIONS + "why_the_cross_term_factorises",
    ),
    Statement(
        "Limits of every layer",
        "sections 5 to 7",
        "derived",
        recursions.every_layer,
        _RECURSIONS + "limits_of_every_layer",
    ),
    Statement(
        "Closed form of sincos",
        "Definition 5.1",
        "derived",
        recursions.sincos_recursion,
        _RECURSIONS + "closed_form_of_sincos",
    ),
    Statement(
        "Closed form of erf",
        "Definition 5.1",
        "derived",
        recursions.erf_expectations,
        _RECURSIONS + "closed_form_of_erf",
    ),
)

DRIFT = (
    Statement(
        "Averaged Frobenius norm",
        "section 4",
        "text",
        training.averaged_drift,
        "test_theory_training.py::test_averaged_frobenius_norm_of_section_4",
    ),
    Statement(
        "Step of Lemma B.5",
        "Appendix B",
        "recalled, high",
        training.weight_step,
        "test_theory_training.py::test_one_step_of_lemma_b_5",
    ),
)

STATEMENTS = (
    *SECTION_3,
    *GRADIENTS,
    *RECURSIONS,
    *SECTION_4,
    *TRAJECTORIES,
    *CERTIFICATES,
    *THEOREMS,
    *APPENDICES_B_C_D,
    *DRIFT,
    *POSTER,
    *COMPANION,
    *APPENDIX_E,
    *APPENDIX_F,
    *APPENDIX_G,
)
