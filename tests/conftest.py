"""Settings for every test."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("long", settings.get_profile("default"), max_examples=10_000)
settings.register_profile(
    "mutants",
    settings.get_profile("default"),
    max_examples=8,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # that it fails is enough, and need not be made small
)
settings.load_profile("default")


def pytest_configure(config):
    """`--long` runs every property on ten thousand examples."""
    if config.getoption("--long"):
        settings.load_profile("long")
