"""The statements of Appendices B to G, in their order."""

from collections.abc import Callable, Iterator

import numpy as np

from minimal_gd import gram
from minimal_gd.networks import FullyConnected
from minimal_gd.paper.example import Example
from minimal_gd.paper.examples import ACTIVATION, INPUT_DIM, Examples
from minimal_gd.paper.statement import DERIVED, HIGH, LOW, MEDIUM, TEXT, Statement, taken_from
from minimal_gd.parameters import Parameters
from minimal_gd.theory.appendices_a_to_d import initial, perturbation, second_order, training
from minimal_gd.theory.appendices_e_to_g import concentration, full_rank, technical
from minimal_gd.theory.comparison import Comparison

DEEP_FC = FullyConnected(INPUT_DIM, 1, 5)
# Two covariance matrices.
A, B = np.array([[1.0, 0.3], [0.3, 1.0]]), np.array([[1.2, 0.5], [0.5, 0.9]])


def _run(e: Example) -> tuple:
    return e.net, e.run, e.smallest


def _trained(e: Example) -> tuple:
    return e.net, e.params, e.run.params, e.X


def _with_constant(e: Example) -> tuple:
    """With δ = 0.01 and an open constant of 2: 1 would be too small for this network."""
    return *e.at_start, 0.01, 2.0


def _first_error(examples: Examples) -> tuple:
    """The ResNet, and x^(1) x^(1)ᵀ - S^(1), what the first layer's width leaves."""
    e = examples.resnet
    one = FullyConnected(INPUT_DIM, e.net.width, 1, ACTIVATION)
    first = Parameters(e.params.W[:1], e.params.a)
    return e.net, e.X, gram.empirical(one, first, e.X)[1] - gram.limiting(one, e.X)[0][1]


def _inputs_and_limit(e: Example) -> tuple:
    return e.X @ e.X.T, e.K_H


def _layer_products(e: Example) -> tuple:
    """The hidden layers' weight matrices, over √m, at the end and at the start of training, the last first."""
    root = np.sqrt(e.net.width)
    return tuple([W / root for W in params.W[:0:-1]] for params in (e.run.params, e.params))


def _parts_of_gram(e: Example) -> tuple:
    last = e.step.G[e.net.depth - 1]
    return last, e.step.trained_gram - last


# (function, how sure the wording of B, C and D is, what it takes), lemmas 1 to 7
_LEMMAS: tuple[tuple[Callable[..., Comparison], tuple[str, str, str], Callable[[Example], tuple]], ...] = (
    (initial.norms, (HIGH, HIGH, LOW), lambda e: e.at_start),
    (initial.initial_gram, (MEDIUM, MEDIUM, LOW), lambda e: (*e.at_start, e.K_H)),
    (perturbation.forward, (HIGH, MEDIUM, LOW), _trained),
    (perturbation.gram_matrix, (HIGH, HIGH, LOW), lambda e: (*_trained(e), e.smallest)),
    (training.weight_drift, (HIGH, MEDIUM, LOW), lambda e: (e.net, e.run, e.X, e.smallest)),
    (second_order.change, (HIGH, HIGH, LOW), lambda e: (e.step, e.smallest)),
    (second_order.term, (HIGH, HIGH, LOW), lambda e: (e.step, e.smallest)),
)


def _lemmas(letter: str, column: int, example_of: Callable[[Examples], Example]) -> Iterator[Statement]:
    """The seven lemmas that an appendix has for its architecture."""
    for number, (function, wordings, arguments) in enumerate(_LEMMAS, start=1):
        yield Statement(
            f"Lemma {letter}.{number}",
            f"Appendix {letter}",
            wordings[column],
            function,
            taken_from(example_of, arguments),
        )


_ROWS = (
    ("Averaged Frobenius norm", "section 4", TEXT, training.averaged_drift, lambda e: _run(e.resnet)),
    ("Step of Lemma B.5", "Appendix B", HIGH, training.weight_step, lambda e: (e.fc.step,)),
    ("Theorem E.1", "Appendix E", LOW, concentration.layer_errors, lambda e: _with_constant(e.fc)),
    ("How an error is passed on", "Appendix E", MEDIUM, concentration.passed_on, _first_error),
    ("From K^(H-1) to K^(H)", "Appendix E", MEDIUM, concentration.last_step, lambda e: _with_constant(e.fc)),
    ("Perturbation of the initial Gram matrix", "section 4", TEXT, concentration.perturbed_start, _first_error),
    ("Gap of 1/H", "Appendix C", DERIVED, concentration.layer_sizes, lambda e: e.resnet.limit),
    ("Lemma F.1", "Appendix F", HIGH, full_rank.values_full_rank, lambda e: (ACTIVATION, e.resnet.X)),
    ("Lemma F.2", "Appendix F", HIGH, full_rank.slopes_full_rank, lambda e: (ACTIVATION, e.resnet.X)),
    ("Proposition F.1", "Appendix F", HIGH, full_rank.limit_full_rank, lambda e: e.fc.limit),
    ("Proposition F.2", "Appendix F", HIGH, full_rank.residual_bound, lambda e: e.resnet.limit),
    ("Full rank, convolution", "Appendix F", DERIVED, full_rank.residual_bound, lambda e: e.conv.limit),
    ("Decay with depth", "Appendix F", DERIVED, full_rank.decay_with_depth, lambda e: (DEEP_FC, e.resnet.X)),
    ("Angle law", "Appendix F", DERIVED, full_rank.angle_law, lambda e: (e.fc.net, 0.1)),
    ("Lemma G.1", "Appendix G", HIGH, technical.product_perturbation, lambda e: _layer_products(e.resnet)),
    ("Lemma G.2", "Appendix G", HIGH, technical.spectral_norms, lambda e: (e.fc.net, e.fc.params)),
    ("Lemma G.3", "Appendix G", MEDIUM, technical.mean_is_lipschitz, lambda e: ("softplus", 1.0, 1.5)),
    ("Lemma G.4", "Appendix G", MEDIUM, technical.product_is_lipschitz, lambda e: ("softplus", A, B)),
    ("Price identity", "Appendix G", DERIVED, technical.price, lambda e: ("softplus", 1.0, 2.0, 0.5)),
    ("PSD order", "section 4", TEXT, technical.psd_order, lambda e: _parts_of_gram(e.resnet)),
    ("Schur product", "Appendix F", DERIVED, technical.schur_order, lambda e: _inputs_and_limit(e.resnet)),
)
APPENDICES = (
    *_lemmas("B", 0, lambda e: e.fc),
    *_lemmas("C", 1, lambda e: e.resnet),
    *_lemmas("D", 2, lambda e: e.conv),
    *(Statement(*row) for row in _ROWS),
)
