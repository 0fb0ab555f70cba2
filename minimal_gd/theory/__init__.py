"""The statements of the papers, each a function that computes both of its sides; `minimal_gd.paper` is the list."""

from minimal_gd.theory import poster, poster_descent
from minimal_gd.theory.appendices_a_to_d import certificates, initial, perturbation, second_order, training
from minimal_gd.theory.appendices_e_to_g import concentration, full_rank, technical
from minimal_gd.theory.companion import descent as two_layer_descent
from minimal_gd.theory.companion import experiments as two_layer_experiments
from minimal_gd.theory.companion import flow as two_layer_flow
from minimal_gd.theory.companion import hyperplanes as two_layer_hyperplanes
from minimal_gd.theory.companion import joint as two_layer_joint
from minimal_gd.theory.companion import limit as two_layer_limit
from minimal_gd.theory.companion import network as two_layer
from minimal_gd.theory.companion import path as two_layer_path
from minimal_gd.theory.companion import patterns as two_layer_patterns
from minimal_gd.theory.companion import split as two_layer_split
from minimal_gd.theory.sections_3_and_4 import dynamics, flow, gradients, setting
from minimal_gd.theory.sections_5_to_7 import certified, definitions, recursions, theorems

__all__ = [
    "certificates",
    "certified",
    "concentration",
    "definitions",
    "dynamics",
    "flow",
    "full_rank",
    "gradients",
    "initial",
    "perturbation",
    "poster",
    "poster_descent",
    "recursions",
    "second_order",
    "setting",
    "technical",
    "theorems",
    "training",
    "two_layer",
    "two_layer_descent",
    "two_layer_experiments",
    "two_layer_flow",
    "two_layer_hyperplanes",
    "two_layer_joint",
    "two_layer_limit",
    "two_layer_path",
    "two_layer_patterns",
    "two_layer_split",
]
