"""The rows of Appendices E, F and G in the map of statements, in their order."""

from minimal_gd.statement import Statement
from minimal_gd.theory import concentration, full_rank, technical

_CONCENTRATION = "test_theory_concentration.py::test_"
_FULL_RANK = "test_theory_full_rank.py::test_"
_TECHNICAL = "test_theory_technical.py::test_"

APPENDIX_E = (
    Statement("Theorem E.1", "Appendix E", "recalled, low", concentration.layer_errors, _CONCENTRATION + "theorem_e_1"),
    Statement(
        "How an error is passed on",
        "Appendix E",
        "recalled, medium",
        concentration.passed_on,
        _CONCENTRATION + "how_an_error_is_passed_on",
    ),
    Statement(
        "From K^(H-1) to K^(H)",
        "Appendix E",
        "recalled, medium",
        concentration.last_step,
        _CONCENTRATION + "from_k_h_1_to_k_h",
    ),
    Statement(
        "Perturbation of the initial Gram matrix",
        "section 4",
        "text",
        concentration.perturbed_start,
        _CONCENTRATION + "perturbation_of_the_initial_gram_matrix",
    ),
    Statement("Gap of 1/H", "Appendix C", "derived", concentration.layer_sizes, _CONCENTRATION + "gap_of_1_h"),
)

APPENDIX_F = (
    Statement("Lemma F.1", "Appendix F", "recalled, high", full_rank.values_full_rank, _FULL_RANK + "lemma_f_1"),
    Statement("Lemma F.2", "Appendix F", "recalled, high", full_rank.slopes_full_rank, _FULL_RANK + "lemma_f_2"),
    Statement(
        "Proposition F.1", "Appendix F", "recalled, high", full_rank.limit_full_rank, _FULL_RANK + "proposition_f_1"
    ),
    Statement(
        "Proposition F.2", "Appendix F", "recalled, high", full_rank.residual_bound, _FULL_RANK + "proposition_f_2"
    ),
    Statement(
        "Full rank, convolution",
        "Appendix F",
        "derived",
        full_rank.residual_bound,
        _FULL_RANK + "full_rank_convolution",
    ),
    Statement("Decay with depth", "Appendix F", "derived", full_rank.decay_with_depth, _FULL_RANK + "decay_with_depth"),
    Statement("Angle law", "Appendix F", "derived", full_rank.angle_law, _FULL_RANK + "angle_law"),
)

APPENDIX_G = (
    Statement("Lemma G.1", "Appendix G", "recalled, high", technical.product_perturbation, _TECHNICAL + "lemma_g_1"),
    Statement("Lemma G.2", "Appendix G", "recalled, high", technical.spectral_norms, _TECHNICAL + "lemma_g_2"),
    Statement("Lemma G.3", "Appendix G", "recalled, medium", technical.mean_is_lipschitz, _TECHNICAL + "lemma_g_3"),
    Statement("Lemma G.4", "Appendix G", "recalled, medium", technical.product_is_lipschitz, _TECHNICAL + "lemma_g_4"),
    Statement("Price identity", "Appendix G", "derived", technical.price, _TECHNICAL + "price_identity"),
    Statement("PSD order", "section 4", "text", technical.psd_order, _TECHNICAL + "psd_order"),
    Statement("Schur product", "Appendix F", "derived", technical.schur_order, _TECHNICAL + "schur_product"),
)
