"""Sections 5 to 7 of the paper: Definitions 5.1, 6.1 and 7.1, their recursions, and the three theorems."""
