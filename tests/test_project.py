"""The package as a whole: what importing does, what is shipped, what the project says of itself."""

import ast
import configparser
import graphlib
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import minimal_gd as mgd

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "minimal_gd").rglob("*.py"))
# The package from the bottom to the top: everything imports only from its own folder and from what stands before it.
LAYERS = [
    *(
        "minimal",
        "_runtime",
        "gaussian",
        "activations",
        "parameters",
        "networks",
        "limits",
        "gram",
        "gradcheck",
        "data",
    ),
    *("spectra", "regression", "descent", "sweeps", "theory", "paper", "verify", "testing", ""),
]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT / "minimal_gd").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in MODULES}


def imported(path: Path) -> set[str]:
    """The modules of the package that a module imports, for its types too."""
    nodes = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minimal_gd")
    ]
    names = {
        f"{node.module}.{alias.name}".removeprefix("minimal_gd").lstrip(".") for node in nodes for alias in node.names
    }
    return {name if name in NAMES else name.rpartition(".")[0] for name in names}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_one_way(path):
    own = module_name(path).split(".")[0]
    allowed = LAYERS[: LAYERS.index(own) + 1]
    assert [name for name in imported(path) if name.split(".")[0] not in allowed] == []


def test_the_package_shows_what_is_public_and_nothing_else():
    assert dir(mgd) == sorted(mgd.__all__)
    assert all(getattr(mgd, name) is not None for name in mgd.__all__)


def test_no_modules_import_each_other_in_a_circle():
    graphlib.TopologicalSorter({module_name(path): imported(path) for path in MODULES}).prepare()


def test_the_package_ships_its_types_and_its_digits():
    for name in ("py.typed", "data/digits.npz", "data/README.md"):
        assert resources.files("minimal_gd").joinpath(name).is_file()


def test_the_version_is_the_same_everywhere():
    assert f"\nversion: {mgd.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {mgd.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["metadata"]["version"] == "attr: minimal_gd.__version__"


def test_the_extra_of_the_tests_contains_that_of_testing():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = {name: set(lines.split()) for name, lines in setup["options.extras_require"].items()}
    assert extras["testing"]
    assert extras["testing"] <= extras["test"]


def test_no_merge_is_left_half_done():
    folders = (".", ".ci", "benchmarks", "chapters", "figures", "tests", "minimal_gd/**")
    endings = {".py", ".md", ".txt", ".toml", ".json", ".cfg", ""}
    paths = [
        path for folder in folders for path in ROOT.glob(f"{folder}/*") if path.suffix in endings and path.is_file()
    ]
    assert ROOT / "benchmarks" / "peers.txt" in paths
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if line.startswith(("<<<<<<< ", ">>>>>>> "))], path


def test_the_oldest_versions_are_those_of_setup_cfg():
    command = [sys.executable, ROOT / ".ci" / "oldest.py"]
    printed = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.split()
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    needed = setup["options"]["install_requires"] + setup["options.extras_require"]["test"]
    assert [line.replace("==", ">=") for line in printed] == needed.split()
    assert all(">=" in line for line in needed.split())


def test_the_workflow_runs_what_is_run_before_a_change_lands():
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    commands = [line.split("run: ", 1)[1] for line in workflow.splitlines() if "run: " in line]
    test = ['python -m pip install --editable ".[test]"', "python -m pytest"]
    assert commands == [".ci/run", "make test-oldest", *test]
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    oldest = setup["options"]["python_requires"].removeprefix(">=")
    assert all(
        f'"{oldest}"' in line
        for line in workflow.splitlines()
        if line.strip().startswith(("python:", 'python-version: "'))
    )


def test_types_are_checked_strictly_before_a_change_lands_and_found_where_the_package_is_edited():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["mypy"].getboolean("strict")
    waived = [name for name in setup.sections() if name.startswith("mypy-minimal_gd")]
    assert waived == ["mypy-minimal_gd.minimal"]  # it is written to be read, without a declaration
    # With this, and the package beside setup.cfg, setuptools installs a path; otherwise a hook, which only Python runs.
    assert setup["options"]["package_dir"].split() == ["=", "."]
    make_lint = (ROOT / "Makefile").read_text(encoding="utf-8").split("\nlint:")[1].split("\n\n")[0]
    for tool, command in (("ruff", "ruff check"), ("mypy", "mypy minimal_gd"), ("pyright", ".ci/readme_types.py")):
        assert f"{tool}>=" in setup["options.extras_require"]["lint"]
        assert command in make_lint
    assert "make lint\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_whatever_mypy_is_told_to_overlook_has_its_reason():
    lines = [line for path in MODULES for line in path.read_text(encoding="utf-8").splitlines()]
    overlooked = [line for line in lines if "type: ignore" in line]
    assert [line for line in overlooked if not re.search(r"# type: ignore\[[a-z-]+\]  # \w+", line)] == []


def test_the_first_target_of_the_makefile_is_help():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if line and line[0].islower() and ":" in line).startswith("help:")


@pytest.mark.parametrize("name", ["FullyConnected", "ResNet", "ConvResNet", "TwoLayerReLU"])
def test_an_architecture_says_how_its_derivation_goes(name):
    assert "The gradient" in getattr(mgd, name).__doc__


def test_importing_the_package_leaves_slow_modules_alone():
    """Each of them takes as long to load as the package; they come when they are used."""
    code = "import sys, minimal_gd; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    ).stdout.split()
    slow = {"matplotlib", "scipy.stats", "scipy.integrate", "scipy.optimize", "minimal_gd.paper", "minimal_gd.theory"}
    assert not slow & {*loaded}
    assert not {"hypothesis", "minimal_gd.testing"} & {*loaded}  # the extra [testing], which not everyone installs
    assert "minimal_gd.gram" in loaded


def test_what_is_compiled_says_so_once_and_stays_on_disk(tmp_path):
    code = "import minimal_gd as mgd; net = mgd.FullyConnected(2, 3, 2); net.predict(net.init(0), [[0.6, 0.8]])"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    environment.pop("MINIMAL_GD_QUIET", None)
    said = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, env=environment
        ).stderr
        for _ in range(2)
    ]
    assert said[0].count("compiles its kernels") == 1
    assert "compiles" not in said[1]
