"""Run a script and note every file and folder that it makes, changes, moves or removes:

python tests/watched.py LOG SCRIPT [ARGUMENT ...]
"""

import json
import os
import runpy
import sys
from pathlib import Path

LOG, *SCRIPT = sys.argv[1:]
written = set()


def watch(event: str, arguments: tuple) -> None:
    """Python calls this before everything that it does outside of itself."""
    if event == "open":
        path, mode, flags = arguments
        is_reading = mode in ("r", "rb") if mode is not None else flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) == 0
        paths = () if is_reading else (path,)
    elif event in ("os.rename", "os.link", "os.symlink"):
        paths = arguments[:2]
    else:
        paths = arguments[:1] if event in ("os.mkdir", "os.truncate", "os.remove", "os.rmdir", "shutil.rmtree") else ()
    if event in ("os.remove", "os.rmdir") and arguments[1] != -1:
        return  # by a name inside a folder that rmtree is at
    written.update(os.path.abspath(os.fsdecode(path)) for path in paths if not isinstance(path, int))


sys.addaudithook(watch)
sys.argv = SCRIPT
sys.path[0] = str(Path(SCRIPT[0]).parent)
try:
    runpy.run_path(SCRIPT[0], run_name="__main__")
finally:
    text = json.dumps(sorted(written))
    Path(LOG).write_text(text, encoding="utf-8")
