"""Ours against torch, JAX, neural-tangents and the bare matrix products: one table, and pictures.

    python benchmarks/bench.py                                       # everything, into build/benchmarks
    python benchmarks/bench.py --only "step-*" gram-ConvResNet       # some rows
    python benchmarks/bench.py --only gram-ResNet --repeats 3 --add  # three rounds more of one row

Rows that the results already have are replaced, all others are kept; --list names them. A peer that cannot be started
is skipped, with a line that says why.
"""

import argparse
import json
import os
import platform
import sys
from fnmatch import fnmatch
from pathlib import Path

import cases
import memory
import report
from contest import Conditions, Contender, time_in_turn

ROOT = Path(__file__).parent.parent
MEMORY = "memory"


def machine(threads: int) -> str:
    """Name the processor, what runs on it, and the threads."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, {threads} threads"


def row(case: cases.Case, conditions: Conditions) -> dict:
    """Time one case."""
    return {"title": case.title, **time_in_turn(case.contenders, conditions)}


def growing(works_by_size: dict[int, dict], conditions: Conditions) -> dict:
    """Time ours at every size, in turn."""
    contenders = {str(size): Contender("ours", {}, work) for size, work in works_by_size.items()}
    return time_in_turn(contenders, conditions)


def added(old: dict, new: dict) -> dict:
    """Put the rounds of `new` behind those of `old`; both have the same contenders."""
    if old["seconds"].keys() != new["seconds"].keys() or old["versions"] != new["versions"]:
        raise SystemExit(f"--add needs the contenders and versions of before, {old['versions']}, got {new['versions']}")
    return new | {"seconds": {who: old["seconds"][who] + times for who, times in new["seconds"].items()}}


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=["*"], metavar="NAME", help="rows, by name or pattern")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--repeats", type=int, default=9, help="rounds (default: 9)")
    parser.add_argument("--add", action="store_true", help="add the rounds to those of before")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shrink", type=int, default=1, help="divide every n, d and m by this, to try things out")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks", metavar="DIR")
    parser.add_argument("--readme", action="store_true", help="renew the table of the README too")
    parser.add_argument("--python", type=Path, default=sys.executable, help="the Python that has torch and JAX")
    neural_tangents = ROOT / "build" / "peers" / "bin" / "python"
    parser.add_argument("--neural-tangents", type=Path, default=neural_tangents, help="the Python that has it")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Time the rows that were asked for, and write the table and the pictures."""
    options = parsed(arguments)
    rows, growths = cases.cases(options.shrink), cases.growth(options.shrink)
    names = [name for name in (*rows, *growths, MEMORY) if any(fnmatch(name, some) for some in options.only)]
    if options.list or not names:
        print(*rows, *growths, MEMORY, sep="\n")
        return
    if hasattr(os, "sched_setaffinity"):  # nobody gets more cores than threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    pythons = {"torch": options.python, "jax": options.python, "neural_tangents": options.neural_tangents}
    pythons |= dict.fromkeys(("ours", "floor"), Path(sys.executable))
    conditions = Conditions(options.threads, options.repeats, pythons)

    options.out.mkdir(parents=True, exist_ok=True)
    stored = options.out / "results.json"
    results = {"shrink": options.shrink, "cases": {}, "growth": {}, "memory": []}
    if stored.exists() and json.loads(stored.read_text(encoding="utf-8"))["shrink"] == options.shrink:
        results = json.loads(stored.read_text(encoding="utf-8"))
    results["machine"] = machine(options.threads)
    for name in names:
        print(name, flush=True)
        if name == MEMORY:
            results["memory"] = memory.rows(options.shrink)
        else:
            part = results["cases" if name in rows else "growth"]
            found = row(rows[name], conditions) if name in rows else growing(growths[name], conditions)
            part[name] = added(part[name], found) if options.add and name in part else found
        stored.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    report.write(options.out)
    if options.readme:
        report.renew_readme(options.out, ROOT / "README.md")


if __name__ == "__main__":
    main()
