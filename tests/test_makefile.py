"""A virtual environment is made whole or not at all, by a Python that pretends to be Debian's."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Python, but for `-m venv`: that leaves half an environment, as without python3-venv, or one whose pip answers or not.
PYTHON = """#!/bin/sh
if [ "$2" != venv ]; then exec {python} "$@"; fi
mkdir -p "$3/bin"
printf '#!/bin/sh\\nexit {pip}\\n' > "$3/bin/python"
chmod +x "$3/bin/python"
exit {venv}
"""
# the target, and the variable that names its Python
ENVIRONMENTS = {".venv/bin/python": "PYTHON", ".venv-oldest/installed": "OLDEST_PYTHON"}

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("make") is None,
    reason="no make here, and nobody who could use the Makefile",
)


def make(folder, target, venv, pip):
    """Run make where a Python's `-m venv` ends with the code `venv`, and its environment's pip with `pip`."""
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / ".ci", folder / ".ci", dirs_exist_ok=True)
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    fake = folder / "python"
    fake.write_text(PYTHON.format(python=sys.executable, venv=venv, pip=pip), encoding="utf-8")
    fake.chmod(0o755)
    command = ["make", target, f"{ENVIRONMENTS[target]}={fake}"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=folder)


@pytest.mark.parametrize("target", ENVIRONMENTS)
@pytest.mark.parametrize(("venv", "pip"), [(1, 1), (0, 1)])
def test_without_the_package_nothing_is_left_and_its_name_is_said(tmp_path, target, venv, pip):
    for _ in range(2):
        done = make(tmp_path, target, venv, pip)
        assert done.returncode != 0
        assert f"apt install python{sys.version_info.major}.{sys.version_info.minor}-venv" in done.stdout
        assert not (tmp_path / target.partition("/")[0]).exists()


@pytest.mark.parametrize("target", ENVIRONMENTS)
def test_with_it_the_environment_is_made_also_after_a_failure(tmp_path, target):
    make(tmp_path, target, venv=1, pip=1)
    done = make(tmp_path, target, venv=0, pip=0)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / target).exists()
