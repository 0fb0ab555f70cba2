"""The limits of infinite width: Gaussian expectations, the recursion, and the error of it all."""
