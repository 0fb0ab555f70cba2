"""Two pictures of what `bench.py` has measured: everyone's time relative to ours, and how ours grows."""

import sys
from pathlib import Path

import cases
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).parent.parent / "figures"))
import common

MARKERS = {"torch": "o", "torch compiled": "s", "JAX": "^", "neural-tangents": "D"}
FARTHEST = 8  # what takes longer stands at the edge, with its number
SHADES = {"torch": 1, "torch compiled": 1, "JAX": 0, "neural-tangents": 2}


def draw(results: dict, folder: Path) -> None:
    """Write ratios.png and growth.png, as far as there are numbers for them."""
    with mpl.rc_context(common.STYLE):
        for name, part, function in (("ratios", "cases", ratios), ("growth", "growth", growth)):
            if results[part]:
                function(results[part]).savefig(folder / f"{name}.png", metadata={"Software": None})


def ratios(rows: dict) -> Figure:
    """One line a row: ours is 1, what is to the right of it takes longer."""
    names = [name for name in cases.cases() if name in rows]
    figure = Figure(figsize=(8.4, 1.2 + 0.32 * len(names)))
    ax = figure.subplots()
    seen = set()
    for place, name in enumerate(names):
        seconds = rows[name]["seconds"]
        ours = np.array(seconds["ours"])
        over_ours = {who: np.median(np.array(times) / ours) for who, times in seconds.items()}
        floors = [over_ours[who] for who in cases.FLOORS if who in over_ours]
        if floors:
            ax.plot(min(floors), place, "|", color="black", ms=12, mew=2, label=_once("bare matrix products", seen))
        beyond = [peer for peer in MARKERS if over_ours.get(peer, 0) > FARTHEST]
        for peer, marker in MARKERS.items():
            if peer in over_ours:
                colour, label = common.COLOURS[SHADES[peer]], _once(peer, seen)
                fill = "none" if peer == "torch" else "full"
                at = FARTHEST / 1.15 ** beyond[::-1].index(peer) if peer in beyond else over_ours[peer]
                ax.plot(at, place, marker, color=colour, fillstyle=fill, label=label)
        if beyond:
            numbers = ", ".join(f"{over_ours[peer]:.0f}" for peer in beyond)
            ax.text(0.93 * FARTHEST / 1.15 ** (len(beyond) - 1), place, f"{numbers} →", ha="right", va="center")
    ax.axvline(1, color="black", linewidth=1, label="ours")
    ax.set(xscale="log", xlabel="time, relative to ours", xlim=(None, 1.1 * FARTHEST), ylim=(len(names) - 0.4, -0.6))
    ax.set_yticks(range(len(names)), [rows[name]["title"] for name in names])
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside upper center", ncols=6)
    return figure


def growth(rows: dict) -> Figure:
    """A panel each: the medians, on logarithmic axes, and the line that fits them."""
    names = [name for name in cases.POWERS if name in rows]
    figure = Figure(figsize=(2.4 * len(names), 3))
    for ax, name in zip(np.ravel(figure.subplots(1, len(names))), names, strict=True):
        (letter, power), (sizes, times) = cases.POWERS[name], sizes_and_medians(rows[name])
        slope, height = np.polyfit(np.log(sizes), np.log(times), 1)
        ax.loglog(sizes, np.exp(height) * sizes**slope, "--", color=common.COLOURS[1])
        ax.loglog(sizes, times, "o", color=common.COLOURS[0])
        ax.set_title(f"{name.split(',')[0]}: ${letter}^{{{slope:.2f}}}$, goal ${letter}^{power}$", size=8)
        ax.set_xlabel(f"${letter}$")
        ax.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
        ax.xaxis.set_minor_locator(NullLocator())
    figure.axes[0].set_ylabel("seconds")
    return figure


def sizes_and_medians(row: dict) -> tuple[NDArray, NDArray]:
    """Return the sizes of one panel and the median time at each."""
    return np.array([float(size) for size in row["seconds"]]), np.median(list(row["seconds"].values()), axis=1)


def _once(label: str, seen: set[str]) -> str | None:
    """Return the label the first time it is asked for, so that it stands in the legend once."""
    if label in seen:
        return None
    seen.add(label)
    return label
