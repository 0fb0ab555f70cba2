"""How many examples a slow property is tried on."""

from hypothesis import settings


def at_most(examples: int) -> settings:
    """Settings of a test whose examples are slow: so many of them, but with `--long` as many as any other test."""
    of_others = settings().max_examples
    return settings(max_examples=of_others if of_others >= 10_000 else examples)
