r"""What the book adds to its chapters, so that they stay plain Markdown.

- An equation that ends in `\tag{3.4}` can be pointed at: "(3.4)" in a text becomes a link to it.
- Code in a text that names something public, `mgd.gram.empirical` or `net.loss`, becomes a link to its reference.
- A link to a module, `../minimal_gd/gram.py`, leads to its source in the book.
- The words for a picture may go over several lines.
- A still from a film becomes the film, in a player of its own.
- The docstrings, written to be read as they are, become reStructuredText.
"""

import os
import pkgutil
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import players
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

import minimal_gd
from minimal_gd import theory

_TAG = re.compile(r"\\tag\{(\d+\.\d+)\}")
_REFERENCE = re.compile(r"\((\d+\.\d+)\)")
_PICTURE = re.compile(r"!\[[^\]]+\]\([^)]+\)")
_SOURCES = ("Paper:", "Companion:", "Poster:", "Source:")


def setup(app: Sphinx) -> dict[str, Any]:
    """Join Sphinx."""
    app.add_directive("modules", Modules)
    app.connect("builder-inited", quieten_kernels)
    app.connect("source-read", join_words)
    app.connect("doctree-read", label_equations)
    app.connect("doctree-resolved", link_equations)
    app.connect("doctree-resolved", link_code)
    app.connect("doctree-resolved", link_modules, priority=400)
    app.connect("doctree-resolved", show_films)
    app.connect("autodoc-process-docstring", restructure, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("env-purge-doc", forget_equations)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def quieten_kernels(app: Sphinx) -> None:
    """The kernels see no settings but these, whatever the reader's own are, and say nothing of themselves."""
    profile = Path(app.doctreedir) / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    settings = ("c.IPKernelApp.log_level = 'CRITICAL'", "c.HistoryManager.enabled = False")
    text = "c = get_config()\n" + "\n".join(settings) + "\n"
    (profile / "ipython_kernel_config.py").write_text(text, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(profile.parent)


# ------------------------------------------------------------------ equations


def _places(app: Sphinx) -> dict[str, str]:
    """Give the document of every numbered equation."""
    if not hasattr(app.env, "tagged_equations"):
        app.env.tagged_equations = {}
    return app.env.tagged_equations


def _anchor(number: str) -> str:
    return "equation-" + number.replace(".", "-")


def forget_equations(app: Sphinx, _env: object, name: str) -> None:
    """A document that is read again is read from nothing."""
    app.env.tagged_equations = {number: place for number, place in _places(app).items() if place != name}


def label_equations(app: Sphinx, doctree: nodes.document) -> None:
    """Give every equation with a tag a place to link to, and hand MathJax what it understands."""
    for equation in list(doctree.findall(nodes.math_block)):
        text = equation.astext()
        for number in _TAG.findall(text):
            _places(app)[number] = app.env.docname
            equation.parent.insert(equation.parent.index(equation), nodes.target(ids=[_anchor(number)]))
        # Sphinx would put several lines into `split`, where a tag may not stand.
        equation["no-wrap"] = True
        equation.children = [nodes.Text(rf"\[{text}\]")]


def link_equations(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Turn "(3.4)" into a link where there is such an equation."""
    for text in list(doctree.findall(nodes.Text)):
        if isinstance(
            text.parent, nodes.math | nodes.math_block | nodes.literal | nodes.literal_block | nodes.reference
        ):
            continue
        parts = _REFERENCE.split(text.astext())
        if len(parts) > 1:
            text.parent.replace(text, list(_linked(app, name, parts)))


def _linked(app: Sphinx, name: str, parts: list[str]) -> Iterator[nodes.Node]:
    for position, part in enumerate(parts):
        if position % 2 == 0:
            yield nodes.Text(part)
        elif part not in _places(app):
            yield nodes.Text(f"({part})")
        else:
            page = app.builder.get_relative_uri(name, _places(app)[part])
            uri = f"{page}#{_anchor(part)}"
            yield nodes.reference("", f"({part})", internal=True, refuri=uri)


# ------------------------------------------------------------------ code


def link_code(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Link `mgd.gram.empirical(…)`, `net.loss`, `setting.loss` in a text to the reference."""
    for literal in list(doctree.findall(nodes.literal)):
        if isinstance(literal.parent, nodes.reference | addnodes.download_reference | nodes.title):
            continue
        link = _reference(app, name, literal.astext(), literal.deepcopy())
        if link is not None:
            literal.replace_self(link)


def link_modules(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Lead a link to a module of the package to the reference of what it names, or to the module's page of source."""
    shown = getattr(app.env, "_viewcode_modules", {})
    for link in list(doctree.findall(addnodes.download_reference)):
        module = link["reftarget"].removeprefix("../").removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        if not module.startswith("minimal_gd"):
            continue
        label = nodes.literal(link.astext(), link.astext())
        named = _reference(app, name, link.astext(), label)
        if named is not None:
            link.replace_self(named)
        elif shown.get(module):
            uri = app.builder.get_relative_uri(name, "_modules/" + module.replace(".", "/"))
            link.replace_self(nodes.reference("", "", *link.children, internal=True, refuri=uri))


def _reference(app: Sphinx, name: str, called: str, label: nodes.Node) -> nodes.reference | None:
    """Give a link to the reference of what is called by that name, if there is any."""
    objects = app.env.domains["py"].objects
    for candidate in _full_names(called.split("(")[0]):
        if candidate in objects:
            found = objects[candidate]
            return make_refnode(app.builder, name, found.docname, found.node_id, label, candidate)
    return None


def _full_names(called: str) -> Iterator[str]:
    if "." in called:
        yield "minimal_gd." + called.removeprefix("mgd.").removeprefix("minimal_gd.")
        yield "minimal_gd.Network." + called.removeprefix("net.")
        module, _, name = called.removeprefix("theory.").partition(".")
        if module in theory.__all__:
            yield f"{getattr(theory, module).__name__}.{name}".rstrip(".")


class Modules(SphinxDirective):
    """The reference of all modules whose name matches, `.. modules:: minimal_gd.theory.companion.*`, in their order."""

    has_content = False
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Give a section a module; a pattern that begins with "-" takes modules out again."""
        patterns = self.arguments[0].split()
        wanted = [pattern for pattern in patterns if not pattern.startswith("-")]
        unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("-")]
        names = [module.name for module in pkgutil.walk_packages(minimal_gd.__path__, "minimal_gd.")]
        lines = []
        for name in names:
            if any(fnmatch(name, p) for p in wanted) and not any(fnmatch(name, p) for p in unwanted):
                title = f"``{name}``"
                lines += [title, "-" * len(title), "", f".. automodule:: {name}", "   :members:", ""]
        if not lines:
            raise self.error(f"no module matches {self.arguments[0]}")
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


# ------------------------------------------------------------------ pictures and films


def join_words(_app: Sphinx, _name: str, source: list[str]) -> None:
    """Put the words for a picture on one line, where MyST would glue lines together; the rest stays in place."""
    source[0] = _PICTURE.sub(lambda found: found[0].replace("\n", " ") + "\n" * found[0].count("\n"), source[0])


def show_films(app: Sphinx, doctree: nodes.document, _name: str) -> None:
    """Put a player in the place of every still that has one; without scripts the still stays."""
    if app.builder.format != "html":
        return
    for image in list(doctree.findall(nodes.image)):
        still = Path(image["uri"]).name
        if still in players.FILMS:
            player = players.player(still, image["alt"])
            parts = [nodes.raw("", text, format="html") for text in ("<noscript>", "</noscript>", player)]
            place = image.parent if isinstance(image.parent, nodes.paragraph) else image
            place.replace_self([parts[0], image, *parts[1:]])


# ------------------------------------------------------------------ docstrings


def restructure(_app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Turn a docstring that is meant to be read as it is into reStructuredText for napoleon, in place."""
    headings = [at for at, line in enumerate(lines[1:]) if re.fullmatch(r"-{3,}", line.strip())]
    changed, is_formula = [], False
    for at, line in enumerate(lines):
        starts = at > 0 and not lines[at - 1].strip() and line.strip() != ""
        is_in_sections = bool(headings) and at >= headings[0]
        if not is_in_sections and line.startswith("    ") and (is_formula or starts):
            changed += [line] if is_formula else ["::", "", line]
            is_formula = True
            continue
        is_formula = is_formula and not line.strip()
        if starts and line.startswith(_SOURCES):
            changed += ["Source", "------"]
        elif starts and is_in_sections and at not in headings and not line.startswith(" "):
            changed += ["Notes", "-----"]  # a text after the last section
        changed.append(_escaped(line))
    lines[:] = changed


def skip_fields(_app: Sphinx, _what: str, _name: str, obj: object, _skip: bool, _options: object) -> bool | None:
    """The fields of a NamedTuple are explained where it is."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _escaped(line: str) -> str:
    """Keep `code`, and let no other character mean anything."""
    parts = re.split(r"`+([^`]+)`+", line)
    for position, part in enumerate(parts):
        if position % 2:
            is_glued = re.match(r"\w", parts[position + 1])
            parts[position] = f"``{part}``" + ("\\ " if is_glued else "")
        else:
            parts[position] = re.sub(r"(\\|\*|\||_(?!\w))", r"\\\1", part)
    return "".join(parts)
