"""Appendices A to D of the paper: the induction, and Lemmas 1 to 7 of each architecture."""
