"""The companion paper: two layers of ReLU."""
