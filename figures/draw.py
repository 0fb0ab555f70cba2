"""Draw the figures, the quickest first.

python figures/draw.py                     # all of them, into build/figures
python figures/draw.py gradient_check      # just that one
"""

import argparse
import importlib
import shutil
from pathlib import Path

import common
from tqdm.auto import tqdm

# The quickest first.
FIGURES = (
    "proof_map",
    "architectures",
    "gradient_check",
    "layers",
    "positive_definiteness",
    "hermite_series",
    "linear_rate",
    "travel",
    "true_and_random_labels",
    "theorem_widths",
    "gram_concentration",
    "lazy_weights",
    "gram_stability",
    "residuals_follow_the_gram_matrix",
    "gram_limit",
    "certificate_slack",
    "depth",
    "decomposition",
    "certified_from",
    "two_layer_relu",
    "randomisation_test",
)


def main() -> None:
    """Draw the figures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(FIGURES)}")
    parser.add_argument("--quick", action="store_true", help="small versions, in seconds")
    parser.add_argument("--out", type=Path, default=common.BUILD, metavar="DIR", help="default: build/figures")
    parser.add_argument("--redraw", action="store_true", help="draw the numbers in DIR again, computing nothing")
    parser.add_argument("--copy-to", type=Path, metavar="DIR", help="copy the pictures there")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(FIGURES))
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}")

    switches = [f"--{name}" for name in ("quick", "redraw") if getattr(options, name)]
    arguments = ["--out", str(options.out), *switches]
    for name in tqdm([name for name in FIGURES if name in (options.names or FIGURES)], desc="figures", unit="figure"):
        figure = importlib.import_module(name)
        picture = common.run(
            figure.__file__, figure.__doc__, figure.OPTIONS, figure.QUICK, figure.compute, figure.draw, arguments
        )
        if options.copy_to is not None:
            options.copy_to.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, options.copy_to)


if __name__ == "__main__":
    main()
