"""The poster's rows of the map of statements in `minimal_gd.paper`."""

from minimal_gd.statement import Statement
from minimal_gd.theory import poster, poster_descent

_FLOW = "test_theory_poster.py::test_poster_"
_DESCENT = "test_theory_poster_descent.py::test_poster_"

POSTER = (
    Statement("Poster normalisation", "poster", "derived", poster.same_path, _FLOW + "normalisation"),
    Statement("Poster flow", "poster", "poster", poster.flow_dynamics, _FLOW + "flow"),
    Statement("Poster limit at the start", "poster", "poster", poster.initial_limit, _FLOW + "limit_at_the_start"),
    Statement("Poster limit in training", "poster", "poster", poster.stable_limit, _FLOW + "limit_in_training"),
    Statement("Poster rate of the flow", "poster", "poster", poster.flow_rate, _FLOW + "rate_of_the_flow"),
    Statement(
        "Poster rate of the frozen flow", "poster", "derived", poster.frozen_rate, _FLOW + "rate_of_the_frozen_flow"
    ),
    Statement("Poster Theorem 1", "poster", "poster", poster_descent.convergence, _DESCENT + "theorem_1"),
    Statement("Poster Theorem 2", "poster", "poster", poster_descent.convergence, _DESCENT + "theorem_2"),
    Statement("Poster empirical risk", "poster", "poster", poster_descent.risk_vanishes, _DESCENT + "empirical_risk"),
    Statement("Poster random labels", "poster", "derived", poster_descent.projected_risk, _DESCENT + "random_labels"),
)
