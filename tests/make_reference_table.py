"""Make `reference_table.json`: what every row of `python -m minimal_gd.verify` comes to on small networks.

    python tests/make_reference_table.py

The numbers are what this package computed when the file was made: a change of them says that a row is computed on
something else, or that results have changed, not which ones are right, which the other tests say.
"""

import json
import warnings

import reference_table

from minimal_gd.paper import STATEMENTS


def main() -> None:
    """Write the file next to this script."""
    warnings.simplefilter("ignore", UserWarning)
    examples = reference_table.small_examples()
    rows = {statement.label: reference_table.kept(statement.compare(examples)) for statement in STATEMENTS}
    lines = [f"{_json(label)}: {_json(row)}" for label, row in rows.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    reference_table.FILE.write_text(text, encoding="utf-8", newline="\n")


def _json(content: str | dict) -> str:
    return json.dumps(content, ensure_ascii=False)


if __name__ == "__main__":
    main()
