"""The paper's conclusion with every constant a number: a certified run, step by step against its certified rate."""

import numpy as np
from numpy.typing import NDArray

from minimal_gd.certificate import certify
from minimal_gd.descent import gradient_descent
from minimal_gd.networks.base import Network
from minimal_gd.parameters import Parameters
from minimal_gd.theory.comparison import Comparison, compare

# `certify` speaks of exact descent. Descent in float64 follows it until only the rounding of N weights is left, of the
# order √N ε: about this share of the first residual, up to some millions of weights.
_FLOOR = 1e-12


def certificate_rate(
    net: Network, params: Parameters, X: NDArray, y: NDArray, step_size: float, steps: int
) -> Comparison:
    """‖y - u(k)‖ ≤ rate^k ‖y - u(0)‖ at every step k, with the rate that is certified at θ(0).

    The premise is that the certificate holds. It asks for no width and no probability: it is about these weights.

    Parameters
    ----------
    net, params, X, y, step_size
        As for `certify`.
    steps : int ≥ 0
        How many steps of descent are looked at.

    Raises
    ------
    TypeError, ValueError, DivergenceError
        As `certify` and `gradient_descent`.

    Paper: the conclusion of Theorem 5.1 (6.1, 7.1), derived for any weights at which a certificate holds.
    """
    certificate = certify(net, params, X, y, step_size)
    run = gradient_descent(net, params, X, y, step_size, steps)
    bound = certificate.rate ** np.arange(run.steps + 1) * certificate.residual
    holds = compare("margin of the certificate > 1", certificate.margin, ">", 1)
    claim = "‖y - u(k)‖ ≤ rate^k ‖y - u(0)‖"
    return compare(claim, np.sqrt(2 * run.loss), "≤", bound, tolerance=_FLOOR, premises=(holds,))
