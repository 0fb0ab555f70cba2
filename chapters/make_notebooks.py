"""Write every chapter as a Jupyter notebook into build/notebooks.

python chapters/make_notebooks.py [DIR]
"""

import argparse
import os
import re
from pathlib import Path

import jupytext
from course import FOLDER, pages
from nbformat import NotebookNode, v4, write

BUILD = FOLDER.parent / "build" / "notebooks"


def notebook(page: Path, out: Path) -> NotebookNode:
    """One page: its links lead where they led, and its solutions are folded the way of notebooks."""
    text = re.sub(r"\]\(([0-9]{2}_\w+|adding)\.md", r"](\1.ipynb", page.read_text(encoding="utf-8"))
    text = re.sub(r"\]\(((?:\.\./|\w+\.md)[^)]*)\)", lambda link: f"]({_moved(link[1], out)})", text)
    text = re.sub(r"<summary>(.*?)</summary>", r"<summary>**\1**</summary>", text)
    book = jupytext.reads(text, fmt="md")
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    is_folded = False
    for position, cell in enumerate(book.cells):
        cell["id"] = f"cell-{position}"  # the same page gives the same file
        if cell.cell_type == "markdown":
            is_folded = cell.source.rfind("<details>") > cell.source.rfind("</details>") or (
                is_folded and "</details>" not in cell.source
            )
            cell.source = re.sub(r"</?(details|summary)>", "", cell.source).strip()
        elif is_folded:
            cell.metadata["jupyter"] = {"source_hidden": True}
    book.cells = [cell for cell in book.cells if cell.source]
    return book


def _moved(link: str, out: Path) -> str:
    """Where a page links to, seen from the notebooks."""
    return Path(os.path.relpath(FOLDER / link, out)).as_posix()


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, default=BUILD, metavar="DIR", help="default: build/notebooks")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for page in pages():
        path = out / f"{page.stem}.ipynb"
        write(notebook(page, out), path, version=v4.nbformat)
        print(path)


if __name__ == "__main__":
    main()
