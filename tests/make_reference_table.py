"""Make `reference_table.json`: what every row of `python -m minimal_gd.verify` comes to on small networks.

    python tests/make_reference_table.py

The numbers are what this package computed when the file was made: a change of them says that a row is computed on
something else, or that results have changed, not which ones are right, which the other tests say.
"""

import json
import warnings

import reference_table

from minimal_gd.verify import paper_rows
from minimal_gd.verify.rows import ROWS


def main() -> None:
    """Write the file next to this script."""
    paper_rows.SEEDS = reference_table.SEEDS
    warnings.simplefilter("ignore", UserWarning)
    cases = reference_table.small_cases()
    rows = {label: reference_table.kept(row(cases)) for label, row in ROWS.items()}
    lines = [f"{_json(label)}: {_json(row)}" for label, row in rows.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    reference_table.FILE.write_text(text, encoding="utf-8", newline="\n")


def _json(content: str | dict) -> str:
    return json.dumps(content, ensure_ascii=False)


if __name__ == "__main__":
    main()
