"""The statements of the poster, in their order."""

import numpy as np
from numpy.typing import NDArray

from minimal_gd.paper.example import Example
from minimal_gd.paper.statement import DERIVED, POSTER_TEXT, Statement
from minimal_gd.theory import poster, poster_descent
from minimal_gd.theory.appendices_a_to_d import certificates


def _limit(e: Example) -> NDArray:
    return poster.limit(e.net, e.X)[0]


def _start(e: Example) -> tuple:
    return *e.at_start, _limit(e)


def _stable(e: Example) -> tuple:
    return e.net, certificates.summed_grams(e.net, e.mean_run), np.linalg.eigvalsh(_limit(e))[0]


def _flow(e: Example) -> tuple:
    return poster.gradient_flow(*e.everything, [0.0, 1.0, 4.0, 16.0], tolerance=1e-7), e.u, e.y, _limit(e)


def _frozen(e: Example) -> tuple:
    return _limit(e), e.residual, np.array([0.5, 2.0, 8.0])


def _theorem(e: Example) -> tuple:
    return e.net, e.mean_run, e.y, _limit(e)


def _projected(e: Example) -> tuple:
    return e.mean_run, e.y, len(e.y) * _limit(e), 0.1


_ROWS = (
    ("Poster normalisation", "poster", DERIVED, poster.same_path, lambda e: (e.resnet.run, e.resnet.mean_run)),
    ("Poster flow", "poster", POSTER_TEXT, poster.flow_dynamics, lambda e: e.resnet.everything),
    ("Poster limit at the start", "poster", POSTER_TEXT, poster.initial_limit, lambda e: _start(e.resnet)),
    ("Poster limit in training", "poster", POSTER_TEXT, poster.stable_limit, lambda e: _stable(e.resnet)),
    ("Poster rate of the flow", "poster", POSTER_TEXT, poster.flow_rate, lambda e: _flow(e.one_layer)),
    ("Poster rate of the frozen flow", "poster", DERIVED, poster.frozen_rate, lambda e: _frozen(e.resnet)),
    ("Poster Theorem 1", "poster", POSTER_TEXT, poster_descent.convergence, lambda e: _theorem(e.fc)),
    ("Poster Theorem 2", "poster", POSTER_TEXT, poster_descent.convergence, lambda e: _theorem(e.resnet)),
    ("Poster empirical risk", "poster", POSTER_TEXT, poster_descent.risk_vanishes, lambda e: (e.resnet.mean_run,)),
    ("Poster random labels", "poster", DERIVED, poster_descent.projected_risk, lambda e: _projected(e.fc)),
)
POSTER = tuple(Statement(*row) for row in _ROWS)
