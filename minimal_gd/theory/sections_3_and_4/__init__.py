"""Sections 3 and 4 of the paper: the setting, gradients and Gram matrices, one step of descent, the flow."""
