"""The statements of the papers, each a function that computes both of its sides; `minimal_gd.paper` is the list."""
