"""Appendices E to G of the paper: concentration, full rank, and the technical lemmas."""
