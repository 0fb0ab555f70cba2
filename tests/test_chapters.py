"""The course's form: chapters that read, paste and render as they should. Their code runs as tests of its own."""

import ast
import codeop
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import minimal_gd as mgd

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "chapters"))

import course  # noqa: E402
import make_index  # noqa: E402

CHAPTERS = course.chapters()
PAGES = [*course.pages(), course.FOLDER / "README.md"]
AT_HOME = {*sys.stdlib_module_names, "minimal_gd", "matplotlib", "numpy", "scipy"}

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def number(chapter):
    return int(chapter.name[:2])


# ------------------------------------------------------------------ the frame


@each_chapter
def test_a_chapter_has_the_parts_that_it_should(chapter):
    text = chapter.read_text(encoding="utf-8")
    assert text.startswith(f"# {number(chapter)}. ")
    sections = re.findall(r"^## (.+)$", course.prose(text), re.MULTILINE)
    assert sections[:2] == ["What you will be able to do", "The question"]
    assert sections[-2:] == ["Exercises", "Further reading"]


@each_chapter
def test_every_exercise_has_a_solution_that_asserts(chapter):
    text = chapter.read_text(encoding="utf-8")
    exercises = text.split("\n## Exercises\n")[1].split("\n## Further reading\n")[0].split("\n**Exercise ")[1:]
    assert 3 <= len(exercises) <= 5
    for position, exercise in enumerate(exercises, 1):
        assert exercise.startswith(f"{number(chapter)}.{position}")
        solution = re.search(
            r"\n\n<details>\s*<summary>Solution</summary>\n\n(.*?)\n\n</details>\n", exercise, re.DOTALL
        )
        assert solution, exercise[:60]
        assert any("assert" in code for code in course.fences(solution[1])), exercise[:60]
    assert "(warm-up)" in exercises[0].split("\n\n")[0]
    assert "(open-ended)" in exercises[-1].split("\n\n")[0]


@each_chapter
def test_every_statement_is_followed_by_code_that_asserts(chapter):
    text = chapter.read_text(encoding="utf-8")
    outside = re.sub(r"<details>.*?</details>", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)
    lines = outside.splitlines()
    starts = [place.line for place in course.statements(outside)]
    for start, end in pairwise([*starts, len(lines)]):
        fences = course.fences("\n".join(lines[start:end]) + "\n")
        assert any("assert" in code for code in fences), lines[start - 1]


@each_chapter
def test_bold_names_in_quotations_are_statements(chapter):
    quoted = [line for line in course.prose(chapter.read_text(encoding="utf-8")).splitlines() if line.startswith(">")]
    names = [name for line in quoted for name in re.findall(r"\*\*(.+?)\*\*", line)]
    assert [name for name in names if name not in course.LABELS] == []


# ------------------------------------------------------------------ the code


@each_chapter
def test_the_code_can_be_pasted_into_a_session(chapter):
    """Line by line, as the plainest interpreter reads: a block ends at an empty line, and nowhere else."""
    for code in course.fences(chapter.read_text(encoding="utf-8")):
        pending = []
        for line in [*code.splitlines(), ""]:
            pending.append(line)
            if codeop.compile_command("\n".join(pending), symbol="single") is not None:
                pending = []
        assert not pending, code


@each_page
def test_the_code_needs_nothing_but_the_package_and_its_public_names(page):
    for code in course.fences(page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= AT_HOME
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in AT_HOME
                assert not any(alias.name.startswith("_") for alias in node.names)
            elif isinstance(node, ast.Attribute):
                assert not re.match("_(?!_)", node.attr), ast.unparse(node)


@each_page
def test_no_other_language_would_run(page):
    languages = set(re.findall(r"^```(\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert languages <= {"python", "console", "text"}


def test_a_failure_points_into_the_chapter(tmp_path):
    (tmp_path / "chapters").mkdir()
    shutil.copy(ROOT / "conftest.py", tmp_path)
    page = "# 9. A page\n\nA text above.\n\n```python\nx = 1\nassert x == 2, 'wrong here'\n```\n"
    (tmp_path / "chapters" / "09_page.md").write_text(page, encoding="utf-8")
    command = [sys.executable, "-X", "utf8", "-m", "pytest", "-p", "no:cacheprovider", "-q", "chapters"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 1
    assert str(Path("chapters/09_page.md:7: in <module>")) in run.stdout
    assert "wrong here" in run.stdout
    assert "A text above" not in run.stdout


# ------------------------------------------------------------------ the mathematics


def formulas(page):
    """Give every formula with its line number, and "display" or "inline", as GitHub finds them."""
    text = re.sub(r"`[^`\n]+`", lambda code: " " * len(code[0]), course.prose(page.read_text(encoding="utf-8")))
    display, ended = None, -1
    for place, full_line in enumerate(text.splitlines(), 1):
        line = re.sub(r"^> ?", "", full_line).strip()
        where = f"{page.name}:{place}"
        if display is None and line.startswith("$$"):
            assert place > ended + 1, f"{where}: an empty line between two displayed formulas"
            display, line = [], line[2:]
        if display is None:
            assert "$$" not in line, f"{where}: $$ begins its line"
            assert line.count("$") % 2 == 0, f"{where}: a formula in a text stays on its line"
            yield from inline_formulas(line, place, where)
            continue
        display.append(line.removesuffix("$$"))
        if line.endswith("$$") and (len(display) > 1 or line != ""):
            assert "$" not in "".join(display), f"{where}: $$ ends its line"
            yield place, "display", "\n".join(display)
            display, ended = None, place
    assert display is None


def inline_formulas(line, place, where):
    for found in re.finditer(r"\$([^$]+)\$", line):
        before, after = line[: found.start()][-1:], line[found.end() :][:1]
        assert not re.search(r"[\w-]", before), f"{where}: no letter and no hyphen before a $, {found[0]}"
        assert not re.search(r"\w", after), f"{where}: no letter after a $, {found[0]}"
        assert not (line.startswith("|") and "|" in found[1]), f"{where}: a bar ends the cell, {found[0]}"
        yield place, "inline", found[1]


FORBIDDEN = {
    "GitHub takes such a line for a list or a heading": r"(?m)^(?:> ?)?[-+=] ",
    "a backslash before punctuation, which GitHub eats": r"\\[!-/:-@\[-`{-~]",
    "an underscore that GitHub takes for emphasis": r"(?:[^\w\s]|\s)_",
    "a star": r"\*",
    "a link": r"\]\(",
    "a < or > without room": r"\S[<>]|[<>]\S",
    "a macro that needs more than plain MathJax": r"\\(?:color|cancel|require|newcommand|label|ref|eqref)\b",
}


@each_page
def test_mathematics_survives_github(page):
    for place, kind, formula in formulas(page):
        for reason, pattern in FORBIDDEN.items():
            assert not re.search(pattern, formula), f"{page.name}:{place}: {reason}: {formula}"
        assert kind == "display" or formula == formula.strip(), f"{page.name}:{place}: spaces inside of $, {formula}"


@each_chapter
def test_equations_are_numbered_in_their_order(chapter):
    tags = re.findall(r"\\tag\{(.+?)\}", "".join(formula for _, _, formula in formulas(chapter)))
    assert tags == [f"{number(chapter)}.{k}" for k in range(1, len(tags) + 1)]


@each_page
def test_equations_that_are_pointed_at_exist(page):
    there = {tag for chapter in CHAPTERS for tag in re.findall(r"\\tag\{(.+?)\}", chapter.read_text(encoding="utf-8"))}
    text = re.sub(r"`[^`\n]+`|\$[^$]+\$", "", course.prose(page.read_text(encoding="utf-8")))
    assert set(re.findall(r"\((\d+\.\d+)\)", text)) <= there


# ------------------------------------------------------------------ links and pictures


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", course.prose(page.read_text(encoding="utf-8"))):
        if target.startswith("https://"):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", course.prose(file.read_text(encoding="utf-8")), re.MULTILINE)
            assert heading in map(course.anchor, headings), target


@each_chapter
def test_pictures_exist_and_say_what_one_sees(chapter):
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", chapter.read_text(encoding="utf-8"))
    assert pictures
    for words, path in pictures:
        assert (chapter.parent / path).exists()
        assert len(words) >= 60


# ------------------------------------------------------------------ the index, the book, the notebooks


def test_the_equation_index_and_the_contents_are_current():
    for file, text in ((make_index.PAGE, make_index.page()), (make_index.CONTENTS, make_index.contents())):
        assert file.read_text(encoding="utf-8") == text, "run: python chapters/make_index.py"


def test_the_equation_index_leads_to_the_line_of_every_function_and_test():
    links = re.findall(r"\[`(?:\w+\.)*(\w+)`\]\(([^)#]+)#L(\d+)\)", make_index.page())
    assert len(links) == 2 * len(course.LABELS)
    for name, path, line in links:
        lines = (course.FOLDER / path).read_text(encoding="utf-8").splitlines()
        assert lines[int(line) - 1].startswith(f"def {name}("), (path, line)


@pytest.mark.skipif(
    not set(range(14)) <= {number(chapter) for chapter in CHAPTERS}, reason="the course is not whole yet"
)
def test_the_whole_course_places_every_statement_and_calls_every_public_function():
    untold, uncalled = make_index.missing()
    assert untold == []
    assert uncalled == []


def test_a_call_counts_only_beside_an_assertion():
    called = "```python\nimport minimal_gd as mgd\nmgd.data.sphere(2, 3, 0)\n```\n"
    assert course.asserted_calls(called) == set()
    asserted = called + "```python\nassert mgd.data.digits(2, 0)[0].shape == (2, 64)\n```\n"
    assert course.asserted_calls(asserted) == {"mgd.data.digits"}
    imported = "```python\nfrom minimal_gd.theory import setting\nassert setting.loss(net, params, X, y).holds\n```\n"
    assert course.asserted_calls(imported) == {"setting.loss"}


def test_everything_that_importing_shows_is_public():
    names = set(course.public_functions().values())
    assert {f"mgd.{name}" for name in mgd.__all__ if callable(getattr(mgd, name))} <= names | {"mgd.Network"}
    assert {"mgd.gram.limiting", "mgd.data.sphere", "mgd.gradcheck.complex_step", "net.gradient"} <= names


def test_mathjax_is_the_one_that_its_readme_names():
    folder = course.FOLDER / "static" / "mathjax"
    assert "3.2.2" in (folder / "README.md").read_text(encoding="utf-8")
    assert '"3.2.2"' in (folder / "tex-svg.js").read_text(encoding="utf-8")
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_notebooks_fold_their_solutions_and_keep_their_links(tmp_path):
    pytest.importorskip("jupytext")
    import make_notebooks

    book = make_notebooks.notebook(course.FOLDER / "03_gradient_by_hand.md", tmp_path)
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    assert "details>" not in text
    assert "](00_how_to_read.ipynb" in text
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert all((tmp_path / picture).resolve().exists() for picture in pictures)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code] == [
        fence.strip() for fence in course.fences((course.FOLDER / "03_gradient_by_hand.md").read_text(encoding="utf-8"))
    ]
    folded = [cell for cell in code if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert len(folded) == (course.FOLDER / "03_gradient_by_hand.md").read_text(encoding="utf-8").count("<details>")
