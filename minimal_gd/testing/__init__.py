"""Every property of the test suite, on an architecture or an activation of your own.

    from minimal_gd.testing import check_activation, check_network

    check_network(MyNetwork)
    check_activation(mgd.Activation(sigma, dsigma, "mine", analytic=True))

A property that does not hold raises `PropertyError`, with the smallest case that Hypothesis finds, the first layer that
is wrong, and the sizes of both sides. `minimal_gd.testing.strategies` draws networks and data for tests of your own.

The extra `[testing]` installs Hypothesis, which this package needs and `import minimal_gd` does not.
"""

try:
    import hypothesis  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        "minimal_gd.testing needs Hypothesis: python -m pip install hypothesis, "
        "or install minimal_gd with its extra [testing]"
    ) from error

from minimal_gd.testing.checks import PROPERTIES, check_activation, check_network
from minimal_gd.testing.comparing import PropertyError

__all__ = ["PROPERTIES", "PropertyError", "check_activation", "check_network"]
