"""Write equation_index.md, where each statement is explained, computed and tested, and the contents in README.md.

python chapters/make_index.py              # writes both
python chapters/make_index.py --missing    # says what no chapter explains or calls yet
"""

import argparse
import ast
import re
from functools import cache
from pathlib import Path

from course import FOLDER, anchor, asserted_calls, chapters, pages, public_functions, statements, title

from minimal_gd.paper import STATEMENTS
from minimal_gd.paper.statement import Statement

PAGE = FOLDER / "equation_index.md"
CONTENTS = FOLDER / "README.md"

_HEAD = """\
# Equation index

Every definition, equation, lemma and theorem: the chapter that explains it, the function that computes both of its
sides, and the test that fails when either side is wrong. `make verify` computes them all. The last column says how sure
the wording is: seen in the *text* or on the *poster*, *recalled* with how much confidence, or *derived* here. This page
is made by `chapters/make_index.py`.
"""
_PARTS = (
    ("The paper", lambda label: not label.startswith(("Companion", "Poster"))),
    ("The companion", lambda label: label.startswith("Companion")),
    ("The poster", lambda label: label.startswith("Poster")),
)


def page() -> str:
    """The page as it should be."""
    places = _places()
    parts = [_HEAD]
    for heading, belongs in _PARTS:
        rows = [_row(statement, places) for statement in STATEMENTS if belongs(statement.label)]
        parts.append(f"## {heading}\n\n| statement | where | chapter | function | test | wording |")
        parts[-1] += "\n|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    parts.append(
        "## From the functions\n\n| function | called and asserted in chapter |\n|---|---|\n"
        + "\n".join(_uses())
        + "\n"
    )
    return "\n".join(parts) + "\n"


def contents() -> str:
    """The list of contents as it should be, with the text around it."""
    before, *_, after = re.split(r"(?:^\d+\. .*\n)+", CONTENTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = [f"{_short(chapter)}. [{title(chapter).split('. ', 1)[1]}]({chapter.name})\n" for chapter in chapters()]
    return before + "".join(rows) + after


def missing() -> tuple[list[str], list[str]]:
    """The statements that no chapter sets apart, and the functions that none calls in a fence that asserts."""
    places, called = _places(), set().union(*(asserted_calls(text.read_text(encoding="utf-8")) for text in pages()))
    untold = [statement.label for statement in STATEMENTS if statement.label not in places]
    return untold, [name for name in public_functions().values() if name not in called]


def _places() -> dict[str, str]:
    """Link every statement to the first place that sets it apart."""
    links = {}
    for chapter in chapters():
        for place in statements(chapter.read_text(encoding="utf-8")):
            links.setdefault(place.label, f"[{_short(chapter)}]({chapter.name}#{anchor(place.heading)})")
    return links


def _short(page: Path) -> str:
    """Chapter 3, or the name of another page."""
    return str(int(page.name[:2])) if page.name[:2].isdigit() else page.stem


def _row(statement: Statement, places: dict[str, str]) -> str:
    module, name = statement.function.__module__, statement.function.__name__
    source = f"../{module.replace('.', '/')}.py"
    file, test = statement.test.split("::")
    cells = (
        statement.label,
        statement.where,
        places.get(statement.label, "–"),
        f"[`{statement.name}`]({_at(source, name)})",
        f"[`{test}`]({_at(f'../tests/{file}', test)})",
        statement.wording,
    )
    return f"| {' | '.join(cells)} |"


def _at(source: str, name: str) -> str:
    """The address of the line that a function begins at; the book, which has pages of its own, leaves the line out."""
    return f"{source}#L{_lines(FOLDER / source)[name]}"


@cache
def _lines(source: Path) -> dict[str, int]:
    """The line of every function that a file defines."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}


def _uses() -> list[str]:
    """Give a row to every public function, with the pages that call it."""
    calls = {text: asserted_calls(text.read_text(encoding="utf-8")) for text in pages()}
    rows = []
    for name in sorted(public_functions().values()):
        links = [f"[{_short(text)}]({text.name})" for text in calls if name in calls[text]]
        rows.append(f"| `{name}` | {', '.join(links) or '–'} |")
    return rows


def main() -> None:
    """Write the pages, or say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="say what no chapter explains or calls yet")
    if parser.parse_args().missing:
        untold, uncalled = missing()
        print(f"{len(untold)} statements: {', '.join(untold)}\n{len(uncalled)} functions: {', '.join(uncalled)}")
        return
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    CONTENTS.write_text(contents(), encoding="utf-8", newline="\n")
    print(f"{PAGE}\n{CONTENTS}")


if __name__ == "__main__":
    main()
