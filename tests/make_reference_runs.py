"""Make `reference_runs.json`: the numbers that every machine must come to, within the roundings that a test states.

    python tests/make_reference_runs.py

They are what this package computed when the file was made: a change of them says that results have changed, not which
ones are right, which the other tests say.
"""

import json
import platform

import numba
import numpy as np
import reference_runs
import scipy


def of(name: str) -> dict:
    """What is kept of one problem."""
    case = reference_runs.case_of(name)
    K, error, spectrum = reference_runs.limits(case)
    return {
        "losses": reference_runs.losses(case)[0].tolist(),
        "grams": reference_runs.sums(reference_runs.grams_of(case)).tolist(),
        "limits": reference_runs.sums(K).tolist(),
        "limits' error": error,
        "smallest eigenvalue": spectrum.smallest,
        "its error": spectrum.error,
    }


def main() -> None:
    """Write the file next to this script."""
    drawn = reference_runs.draws()
    normal = drawn.pop("normal")
    is_body = np.abs(normal) < reference_runs.TAIL
    made_by = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    content = {
        "made by": made_by | {"numba": numba.__version__, "machine": platform.machine()},
        "runs": {name: of(name) for name in reference_runs.NETS},
        "draws": {name: array.tolist() for name, array in drawn.items()},
        "normal": {
            "first": normal[:5].tolist(),
            "body": reference_runs.digest(normal[is_body]),
            "tail": normal[~is_body].tolist(),
        },
        "digits": reference_runs.digits_digests(),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    reference_runs.FILE.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
