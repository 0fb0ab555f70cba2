"""The package as a whole: what importing does, what is shipped, what the project says of itself."""

import ast
import configparser
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import minimal_gd as mgd

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "minimal_gd").rglob("*.py"))
# Imports run one way: a module imports only what stands before it.
ORDER = [
    "minimal",
    "validate",
    "content",
    "compiling",
    "kernels",
    "quadrature",
    "hermite",
    "gaussian",
    "angles",
    "closed_forms",
    "derivative_check",
    "sigmas",
    "fused",
    "activations",
    "parameters",
    "networks.workspace",
    "networks.blocks",
    "networks.base",
    "networks.conv_resnet",
    "networks.fully_connected",
    "networks.resnet",
    "networks.two_layer",
    "networks",
    "threads",
    "limits",
    "limits.moments",
    "limits.series",
    "limits.expectations",
    "limits.profile",
    "limits.blocks",
    "limits.pairs",
    "limits.rows",
    "limits.limiting",
    "gram",
    "gradcheck",
    "data",
    "spectra",
    "regression",
    "step",
    "interrupts",
    "atomic",
    "trajectory",
    "recorder",
    "descent",
    "code_digest",
    "results",
    "workers",
    "sweeps",
    "theory",
    "theory.comparison",
    "theory.premises",
    "theory.dynamics",
    "theory.flow",
    "theory.layers",
    "theory.setting",
    "theory.gradients",
    "theory.recursions",
    "theory.definitions",
    "theory.constants",
    "theory.asked",
    "theory.certificates",
    "theory.theorems",
    "theory.initial",
    "theory.perturbation",
    "theory.training",
    "theory.second_order",
    "theory.technical",
    "theory.concentration",
    "theory.full_rank",
    "theory.two_layer",
    "theory.two_layer_limit",
    "theory.two_layer_hyperplanes",
    "theory.two_layer_patterns",
    "theory.two_layer_split",
    "theory.two_layer_path",
    "theory.two_layer_flow",
    "theory.two_layer_joint",
    "theory.two_layer_descent",
    "theory.two_layer_experiments",
    "theory.poster",
    "theory.poster_descent",
    "paper.example",
    "paper.companion_example",
    "paper.examples",
    "paper.statement",
    "paper.sections",
    "paper.appendices",
    "paper.poster",
    "paper.companion",
    "paper",
    "verify",
    "verify.table",
    "verify.__main__",
    "digits",
    "",
]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT / "minimal_gd").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_one_way(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = ORDER[: ORDER.index(module_name(path))]
    type_checking = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("minimal_gd")
            and node not in type_checking
        ):
            module = node.module.removeprefix("minimal_gd").lstrip(".")
            imported = [module] if module else [alias.name for alias in node.names]
            for name in imported:
                assert name in allowed, f"{module_name(path)} imports {name}"


def test_the_package_ships_its_types_and_its_digits():
    for name in ("py.typed", "digits/digits.npz", "digits/README.md"):
        assert resources.files("minimal_gd").joinpath(name).is_file()


def test_the_version_is_the_same_everywhere():
    assert f"\nversion: {mgd.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {mgd.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["metadata"]["version"] == "attr: minimal_gd.__version__"


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
