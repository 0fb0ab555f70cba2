"""The Python blocks of the README and of the chapters run as tests, those of one file in one namespace."""

from functools import partial

from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["README.md", "chapters/*.md"]).pytest()


def pytest_addoption(parser):
    """Let a long run be asked for."""
    parser.addoption("--long", action="store_true", help="ten thousand examples a property, every kill, the cluster")


def pytest_itemcollected(item):
    """Show where a block failed without the whole page above it."""
    if isinstance(item, SybilItem):
        item.repr_failure = partial(item.repr_failure, style="short")
