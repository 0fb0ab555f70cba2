"""Every statement of both papers and the poster: what computes it, on which example, and its test."""

from minimal_gd.paper.appendices import APPENDICES
from minimal_gd.paper.companion import COMPANION
from minimal_gd.paper.poster import POSTER
from minimal_gd.paper.sections import SECTIONS

__all__ = ["STATEMENTS"]

STATEMENTS = (*SECTIONS, *APPENDICES, *POSTER, *COMPANION)
