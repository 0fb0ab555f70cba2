"""What the chapters hold: their statements, their code, and what that code calls and asserts."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import minimal_gd as mgd
from minimal_gd.paper import STATEMENTS

FOLDER = Path(__file__).parent
LABELS = tuple(statement.label for statement in STATEMENTS)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def chapters() -> list[Path]:
    """The chapters in their order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.md"))


def pages() -> list[Path]:
    """Every page with code: the chapters, then the page on how to add to the package."""
    return [*chapters(), FOLDER / "adding.md"]


def title(page: Path) -> str:
    """The page's first heading."""
    return page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def fences(text: str) -> list[str]:
    """The page's Python, fence by fence."""
    return [code for language, code in _FENCE.findall(text) if language == "python"]


def prose(text: str) -> str:
    """The page without any of its fences; lines stay where they are."""
    return _FENCE.sub(lambda fence: "\n" * fence.group().count("\n"), text)


# ------------------------------------------------------------------ statements


class Place(NamedTuple):
    """Where a chapter sets a statement apart: its line, and the heading above."""

    label: str
    line: int
    heading: str


def statements(text: str) -> list[Place]:
    """Every statement that is set apart: a quotation in which its label stands in bold."""
    places, heading = [], ""
    for number, line in enumerate(prose(text).splitlines(), 1):
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        elif line.startswith(">"):
            places += [Place(label, number, heading) for label in re.findall(r"\*\*(.+?)\*\*", line) if label in LABELS]
    return places


def anchor(heading: str) -> str:
    """What GitHub and the book call a heading in an address."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.strip().replace(" ", "-")


# ------------------------------------------------------------------ what the code calls


def public_functions() -> dict[str, str]:
    """Every public function and class by its full name, with the name that it is called by.

    Those that `import minimal_gd` shows, a network's own methods, and one for every statement of the papers.
    """
    names = {}
    for name in mgd.__all__:
        thing = getattr(mgd, name)
        if isinstance(thing, ModuleType):
            names |= {_full(f): f"mgd.{name}.{f.__name__}" for f in _functions(thing)}
    names |= {_full(getattr(mgd, n)): f"mgd.{n}" for n in mgd.__all__ if callable(getattr(mgd, n))}
    for method in ("init", "predict", "loss", "gradient"):
        names[f"minimal_gd.networks.base.Network.{method}"] = f"net.{method}"
    for statement in STATEMENTS:
        names[_full(statement.function)] = statement.name
    return names


def _functions(module: ModuleType) -> Iterator[type]:
    """The public functions and classes of a module, but for exceptions: those of `__all__`, or those written there."""
    for name in getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")]):
        thing = getattr(module, name)
        is_own = hasattr(module, "__all__") or getattr(thing, "__module__", "") == module.__name__
        is_class = inspect.isclass(thing) and hasattr(module, "__all__") and not issubclass(thing, BaseException)
        if is_own and (inspect.isfunction(thing) or is_class):
            yield thing


def _full(thing: type) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def asserted_calls(text: str) -> set[str]:
    """The public names that a page calls, `mgd.gram.empirical`, in fences that assert something."""
    calls, modules = set(), {}
    for code in fences(text):
        tree = ast.parse(code)
        modules |= _imported(tree)
        if any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
            calls |= {_called(node, modules) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    return calls & set(public_functions().values())


def _imported(tree: ast.AST) -> dict[str, str]:
    """What `from minimal_gd.theory import setting` and its kind bring in, with the public name of each."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minimal_gd"):
            package = node.module.replace("minimal_gd", "mgd", 1).removeprefix("mgd.theory").lstrip(".")
            for alias in node.names:
                names[alias.asname or alias.name] = f"{package}.{alias.name}".lstrip(".")
    return names


def _called(node: ast.AST, modules: dict[str, str]) -> str:
    parts = ast.unparse(node).split(".")
    if parts[-1] in ("init", "predict", "loss", "gradient") and len(parts) == 2 and parts[0] not in modules:
        return f"net.{parts[-1]}"
    return ".".join([modules.get(parts[0], parts[0]), *parts[1:]])
