"""Nothing unsafe: no code and no objects from files, no shell; and text is UTF-8 everywhere."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("minimal_gd", "figures", "chapters", "benchmarks")
SCRIPTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").glob("*.py"))

# What reads code or objects out of data.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNPACKERS = {"pickle.load", "pickle.loads", "pickle.Unpickler"}  # where the import is allowed
BUILTINS = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
LOADERS = {"np.load", "numpy.load"}
# Allowed, each for its reason.
ALLOWED = {
    # whether a measure finds its way to another process is seen by packing it; nothing is unpacked
    ("minimal_gd/sweeps/__init__.py", "import pickle"),
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def unsafe(tree: ast.Module) -> Iterator[str]:
    """Give what is unsafe in a file, in words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported = [getattr(node, "module", None) or ""] + [alias.name for alias in node.names]
            yield from (f"import {name}" for name in imported if name.split(".")[0] in MODULES)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in UNPACKERS:
            yield ast.unparse(node)
        if not isinstance(node, ast.Call):
            continue
        called, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if called in BUILTINS | SHELLS:
            yield called
        if called in LOADERS and given.get("allow_pickle") != "False":
            yield f"{called} without allow_pickle=False"
        if given.get("shell", "False") != "False":
            yield f"{called} with shell={given['shell']}"


def without_encoding(tree: ast.Module) -> Iterator[int]:
    """Give the lines where text is read or written in an encoding that depends on the machine."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        given = {word.arg for word in node.keywords}
        if called in ("read_text", "write_text") and "encoding" not in given:
            yield node.lineno
        if called == "open" and "encoding" not in given and ast.unparse(node.func) not in ("os.open", "Image.open"):
            modes = [word.value for word in node.keywords if word.arg == "mode"] + node.args
            if not any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes):
                yield node.lineno
        if given & {"text", "universal_newlines"}:
            yield node.lineno


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_no_code_and_no_pickle_comes_from_data_and_no_shell_is_called(path):
    found = {(name_of(path), what) for what in unsafe(ast.parse(path.read_text(encoding="utf-8")))}
    assert found <= ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "pickle.loads(text)",
        "import numpy, marshal",
        "eval(text)",
        "exec(text, {})",
        "import os\nos.system(text)",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "np.load(file, allow_pickle=given)",
        "subprocess.run(command, shell=True)",
    ],
)
def test_what_is_unsafe_is_found(code):
    assert list(unsafe(ast.parse(code)))


def test_nothing_is_allowed_that_is_no_longer_there():
    there = {(name_of(path), what) for path in SCRIPTS for what in unsafe(ast.parse(path.read_text(encoding="utf-8")))}
    assert there >= ALLOWED


@pytest.mark.parametrize("path", [ROOT / "conftest.py", *SCRIPTS, *TESTS], ids=name_of)
def test_text_is_read_and_written_as_utf_8(path):
    """Without a word Windows takes another encoding."""
    assert not list(without_encoding(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    "code",
    ["path.read_text()", "path.write_text(text)", "open(name)", "path.open('w')", "subprocess.run(x, text=True)"],
)
def test_text_without_an_encoding_is_found(code):
    assert list(without_encoding(ast.parse(code)))
