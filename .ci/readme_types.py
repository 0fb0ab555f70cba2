"""Let pyright check the README's Python as a user's own program, which finds the package where pip installed it."""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent


def readme_program() -> str:
    """The README's Python blocks in one, but for those that show lines of minimal.py."""
    blocks = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    shown = (ROOT / "minimal_gd" / "minimal.py").read_text(encoding="utf-8")
    return "\n\n".join(block for block in blocks if any(part not in shown for part in block.split("\n\n\n")))


def main() -> int:
    """Return pyright's exit status: 0 where it has nothing to complain of."""
    with TemporaryDirectory() as folder:  # outside this one, where the package would be found without an installation
        program = Path(folder) / "readme.py"
        program.write_text(readme_program(), encoding="utf-8")
        command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, program]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
