"""The table and the pictures of what `bench.py` has measured.

    python benchmarks/report.py                                # of build/benchmarks
    python benchmarks/report.py benchmarks/results --readme    # of the committed results, and into the README

They come from results.json alone; nothing is timed.
"""

import argparse
import json
from pathlib import Path

import cases
import numpy as np
import pictures

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
PEERS = (*cases.TORCH, *cases.JAX, *cases.NEURAL_TANGENTS)


def median(times: list[float]) -> float:
    """Return the median of the rounds."""
    return float(np.median(times))


def ratio(times: list[float], others: list[float]) -> float:
    """Return the median of the ratios of the rounds."""
    return float(np.median(np.array(times) / np.array(others)))


def fastest(seconds: dict[str, list[float]], names: tuple[str, ...]) -> str | None:
    """Name the one of `names` with the smallest median; None if none of them was timed."""
    return min((name for name in names if name in seconds), key=lambda name: median(seconds[name]), default=None)


def said_time(time: float) -> str:
    """Return a time with three digits: 0.123 ms, 12.3 ms, 1.23 s."""
    return f"{time:.3g} s" if time >= 1 else f"{1e3 * time:.3g} ms"


def said_goal(goal: cases.Goal, seconds: dict[str, list[float]]) -> str:
    """Return the goal and whether it is met."""
    other = fastest(seconds, goal.others or tuple(cases.FLOORS))
    if other is None:
        return f"{goal}: not measured"
    value = ratio(seconds[other], seconds["ours"]) if goal.others else ratio(seconds["ours"], seconds[other])
    is_met = value >= goal.factor if goal.others else value <= goal.factor
    return f"{goal}: {'met' if is_met else 'missed'}, {value:.3g}"


def table_of_ratios(results: dict) -> str:
    """Every row: ours, ours over the floor, every peer over ours, and the goals."""
    lines = [
        f"| (n, d, m, H) | ours | ours / floor | {' | '.join(f'{peer} / ours' for peer in PEERS)} | goal |",
        "|---" + "|--:" * (2 + len(PEERS)) + "|---|",
    ]
    for name, case in cases.cases().items():
        if name not in results["cases"]:
            continue
        title, seconds = (results["cases"][name][key] for key in ("title", "seconds"))
        goals = "<br>".join(said_goal(goal, seconds) for goal in case.goals if results["shrink"] == 1)
        floor = fastest(seconds, tuple(cases.FLOORS))
        over_floor = f"{ratio(seconds['ours'], seconds[floor]):.2f}" if floor else ""
        lines.append(_row(title, said_time(median(seconds["ours"])), over_floor, *_over_ours(seconds, PEERS), goals))
        convolutions = tuple(f"{peer}, convolution" for peer in PEERS)
        if fastest(seconds, convolutions):
            lines.append(_row("the same, by their own convolutions", "", "", *_over_ours(seconds, convolutions), ""))
    return "\n".join(lines)


def table_of_growth(results: dict) -> str:
    """The power of n or m that fits the medians, against the one to expect."""
    lines = ["| time of ours | sizes | grows as | goal |", "|---|---|--:|---|"]
    for name, (letter, power) in cases.POWERS.items():
        if name in results["growth"]:
            sizes, times = pictures.sizes_and_medians(results["growth"][name])
            fitted = np.polyfit(np.log(sizes), np.log(times), 1)[0]
            verdict = _verdict(f"{letter}^{power}", fitted <= power + 0.1, results)
            lines.append(_row(name, ", ".join(f"{size:.0f}" for size in sizes), f"{letter}^{fitted:.2f}", verdict))
    return "\n".join(lines)


def table_of_memory(results: dict) -> str:
    """What is allocated, relative to what it should be near."""
    lines = ["| memory of ours | allocated | relative to | ratio | goal |", "|---|--:|---|--:|---|"]
    for row in results["memory"]:
        value, most = row["bytes"] / row["unit"], row["most"]
        verdict = "" if most is None else _verdict(f"≤ {most:.3g}", value <= most, results)
        lines.append(_row(row["title"], f"{row['bytes'] / 1e6:.3g} MB", row["of"], f"{value:.3g}", verdict))
    return "\n".join(lines)


def table_of_times(results: dict) -> str:
    """Everyone's time, from the shortest to the longest round, and how far the results are from ours."""
    lines = ["| | median | rounds | from … to | / ours | / floor | differs by |", "|---|--:|--:|--:|--:|--:|--:|"]
    for name in cases.cases():
        if name not in results["cases"]:
            continue
        case = results["cases"][name]
        seconds = case["seconds"]
        floor = fastest(seconds, tuple(cases.FLOORS))
        lines.append(_row(f"**{case['title']}**", *[""] * 6))
        for who, times in seconds.items():
            difference = f"{case['differences'][who]:.0e}" if who in case["differences"] else ""
            over_floor = f"{ratio(times, seconds[floor]):.2f}" if floor else ""
            spread = f"{said_time(min(times))} … {said_time(max(times))}"
            over_ours = f"{ratio(times, seconds['ours']):.3g}"
            lines.append(
                _row(who, said_time(median(times)), str(len(times)), spread, over_ours, over_floor, difference)
            )
        lines += [_row(who, f"skipped: {why}", *[""] * 5) for who, why in case["skipped"].items()]
    return "\n".join(lines)


def conditions(results: dict) -> str:
    """The machine and the versions, and what was left out."""
    versions = {
        f"{name} {version}"
        for row in (*results["cases"].values(), *results["growth"].values())
        for name, version in row["versions"].items()
    }
    missing = [case.title for name, case in cases.cases().items() if name not in results["cases"]]
    left_out = f" Not measured here: {'; '.join(missing)}." if missing else ""
    return f"{results['machine']}; {', '.join(sorted(versions, key=str.lower))}.{left_out}"


def write(folder: Path) -> None:
    """Write table.md and the pictures next to results.json."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (folder / "table.md").write_text(full_report(results), encoding="utf-8", newline="\n")
    pictures.draw(results, folder)
    print(table_of_ratios(results), table_of_growth(results), table_of_memory(results), sep="\n\n")
    print(f"\n{folder / 'table.md'}")


def full_report(results: dict) -> str:
    """Everything, as table.md."""
    tables = (table_of_ratios(results), table_of_growth(results), table_of_memory(results), table_of_times(results))
    return "\n\n".join(("# What was measured", conditions(results), *tables)) + "\n"


def for_readme(results: dict) -> str:
    """What stands between the two marks of the README."""
    tables = (table_of_ratios(results), table_of_growth(results), table_of_memory(results))
    return "\n\n".join((BEGIN, *tables, conditions(results), END))


def renew_readme(folder: Path, readme: Path) -> None:
    """Put the tables between the two marks of the README."""
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    readme.write_text(before + for_readme(results) + rest.split(END)[1], encoding="utf-8", newline="\n")


def _verdict(goal: str, is_met: bool, results: dict) -> str:
    """Return the goal and whether it is met; nothing for sizes that were shrunk."""
    return f"{goal}: {'met' if is_met else 'missed'}" if results["shrink"] == 1 else ""


def _over_ours(seconds: dict[str, list[float]], names: tuple[str, ...]) -> list[str]:
    return [f"{ratio(seconds[name], seconds['ours']):.3g}" if name in seconds else "" for name in names]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "benchmarks")
    parser.add_argument("--readme", action="store_true", help="renew the table of the README too")
    options = parser.parse_args()
    write(options.folder)
    if options.readme:
        renew_readme(options.folder, ROOT / "README.md")
