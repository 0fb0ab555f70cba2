"""Every statement's row of the table, by its label."""

from minimal_gd.verify.companion_rows import COMPANION
from minimal_gd.verify.paper_rows import PAPER

ROWS = PAPER | COMPANION
