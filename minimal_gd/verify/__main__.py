"""`python -m minimal_gd.verify`: compute both sides of every statement and print them as one table."""

import argparse
import sys
import warnings

from tqdm import tqdm

from minimal_gd._runtime import validate
from minimal_gd.paper import STATEMENTS
from minimal_gd.paper.examples import examples
from minimal_gd.verify.table import Line, text, unmet, violated


@validate.quietly
def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 1 if a statement whose premises hold does not hold, else 0."""
    parser = argparse.ArgumentParser(prog="python -m minimal_gd.verify", description=__doc__)
    parser.add_argument("labels", nargs="*", metavar="STATEMENT", help='such as "Lemma B.3"; all without one')
    parser.add_argument("--width", type=int, default=512, help="m of the fully-connected network and the ResNet")
    options = parser.parse_args(arguments)
    known = [statement.label for statement in STATEMENTS]
    unknown = [label for label in options.labels if label not in known]
    if unknown:
        parser.error(f"no statement {', '.join(unknown)}; there are {', '.join(known)}")

    shared = examples(width=options.width)
    wanted = [statement for statement in STATEMENTS if statement.label in (options.labels or known)]
    lines = []
    for statement in tqdm(wanted, unit="statement"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the table says it better
            lines.append(Line(statement.label, statement.compare(shared)))
    print(text(lines))
    missing = unmet(lines)
    if missing:
        print(f"\nPremises that are not met here, so that nothing is promised:\n\n{missing}")
    failed = violated(lines)
    names = f" ({', '.join(failed)})" if failed else ""
    print(
        f"\n{len(lines)} statements: {len(failed)} fail although their premises hold{names}; "
        f"{sum(not line.comparison.is_promised for line in lines)} have premises that are not met."
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a pipe on Windows would refuse λ and ≤
    sys.exit(main())
