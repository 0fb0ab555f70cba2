"""Print the oldest versions that setup.cfg allows, of what the package and its tests need, as constraints for pip."""

import configparser
from pathlib import Path


def main() -> None:
    """Turn every `name>=version` into `name==version`."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parent.parent / "setup.cfg", encoding="utf-8")
    for needed in (setup["options"]["install_requires"], setup["options.extras_require"]["test"]):
        for line in needed.split():
            name, version = line.split(">=")
            print(f"{name}=={version}")


if __name__ == "__main__":
    main()
