"""What the figures share: the command line, the style, and where numbers and pictures go.

A figure is a script with `OPTIONS` (every number that its picture depends on, with its default), `QUICK` (what
`--quick` makes smaller), `compute(options)`, which returns a dictionary of arrays, and `draw(numbers)`, which turns
that dictionary alone into a matplotlib figure. Where it takes many networks, `compute` hands them to `sweep`: a figure
that is stopped goes on from there.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator
from numpy.typing import NDArray
from scipy.stats import linregress

import minimal_gd as mgd

Numbers = dict[str, NDArray]

BUILD = Path(__file__).parent.parent / "build" / "figures"

ARCHITECTURES = ("fully connected", "ResNet", "convolutional ResNet")

# Dark, medium, light: told apart in greyscale too, and by their dashes.
COLOURS = ("#1b3a6b", "#c8553d", "#e0a526")
DASHES = ("-", "--", ":")

STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


def run(
    script: str,
    description: str,
    options: dict[str, int | float | str],
    quick: dict[str, int | float | str],
    compute: Callable[[SimpleNamespace], Numbers],
    draw: Callable[[Numbers], Figure],
    arguments: Sequence[str] | None = None,
) -> Path:
    """Run a figure's command line: compute (or read) the numbers, draw, and write both. Return the picture's path."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in options.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), help=f"default: {default}")
    parser.add_argument("--quick", action="store_true", help="a small version, in seconds")
    parser.add_argument("--out", type=Path, default=BUILD, metavar="DIR", help="default: build/figures")
    parser.add_argument("--redraw", action="store_true", help="draw the numbers in DIR again, computing nothing")
    given = parser.parse_args(arguments)

    name = Path(script).stem
    given.out.mkdir(parents=True, exist_ok=True)
    stored = given.out / f"{name}.npz"
    if given.redraw:
        if not stored.exists():
            parser.error(f"--redraw: there are no numbers at {stored}")
        with np.load(stored, allow_pickle=False) as file:
            numbers = dict(file)
    else:
        chosen = options | (quick if given.quick else {})
        chosen |= {key: getattr(given, key) for key in options if getattr(given, key) is not None}
        unfinished = given.out / f"{name}.unfinished"
        options_and_place = SimpleNamespace(**chosen, unfinished=unfinished, quick=given.quick)
        try:
            numbers = compute(options_and_place) | {"options": np.array(json.dumps(chosen))}
        except (ValueError, mgd.sweeps.BusyFolderError) as error:  # the message names an option, or the folder
            parser.error(str(error))
        np.savez(stored, **numbers)
        shutil.rmtree(unfinished, ignore_errors=True)

    picture = given.out / f"{name}.png"
    with mpl.rc_context(STYLE):
        draw(numbers).savefig(picture, metadata={"Software": None})
    print(f"{picture}\n{stored}")
    return picture


def sweep(measure: Callable[..., Numbers], cases: Sequence[dict], options: SimpleNamespace) -> list[Numbers]:
    """Compute `measure(options, **case)` for every case, in one process a core, and keep the results until all is done.

    Results that other code made are computed again. What is quick is not worth the start of processes.
    """
    chosen = {name: value for name, value in vars(options).items() if name not in ("unfinished", "quick")}
    return mgd.sweeps.sweep(
        measure,
        [{"options": chosen, **case} for case in cases],
        options.unfinished,
        executor=ThreadPoolExecutor(1) if options.quick else None,
        progress=True,
        outdated="recompute",
    )


def digits(n: int, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Choose n digits: as vectors, as images, and their labels."""
    images, y = mgd.data.digits(n, seed, images=True)
    return images.reshape(n, -1), images, y


def sphere(n: int, side: int, seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """Draw n points of the unit sphere in R^(side²): as vectors, as images of side × side, and their labels ±1."""
    rng = np.random.default_rng([seed, 1])
    vectors = mgd.data.sphere(n, side**2, rng)
    return vectors, vectors.reshape(n, 1, side, side), rng.choice([-1.0, 1.0], size=n)


def architectures(
    vectors: NDArray, images: NDArray, options: SimpleNamespace, activation: str | None = None
) -> dict[str, tuple[mgd.Network, NDArray]]:
    """The paper's three architectures, each with its inputs, for the sizes in `options`."""
    activation = activation or options.activation
    dim, filter_shape = vectors.shape[1], (options.filter_size, options.filter_size)
    c_res = options.c_res
    networks = (
        (mgd.FullyConnected(dim, options.width, options.depth, activation), vectors),
        (mgd.ResNet(dim, options.width, options.depth, activation, c_res), vectors),
        (mgd.ConvResNet(images.shape[1:], options.conv_width, options.depth, filter_shape, activation, c_res), images),
    )
    return dict(zip(ARCHITECTURES, networks, strict=True))


def widths(title: str, options: SimpleNamespace) -> list[int]:
    """The widths to try, ascending: `halvings` times half of `width`, or of `conv_width`."""
    largest = options.conv_width if title.startswith("conv") else options.width
    if options.halvings < 1 or largest < 2**options.halvings:
        raise ValueError(
            f"halvings must be ≥ 1 and leave a width ≥ 1 of width = {options.width} and conv_width = "
            f"{options.conv_width}, got {options.halvings}"
        )
    return [largest // 2**halving for halving in range(options.halvings, -1, -1)]


def cases_by_width(options: SimpleNamespace, seeds: int | None = None) -> list[dict]:
    """Every architecture at every width, and, where asked for, with every seed."""
    cases = [{"title": title, "width": width} for title in ARCHITECTURES for width in widths(title, options)]
    return cases if seeds is None else [{**case, "sample": sample} for case in cases for sample in range(seeds)]


def generator(options: SimpleNamespace, title: str, width: int, sample: int) -> np.random.Generator:
    """The source of one random network's parameters."""
    return np.random.default_rng([options.seed, ARCHITECTURES.index(title), width, sample])


def stacked(results: Sequence[Numbers], cases: Sequence[dict], **chosen: str) -> Numbers:
    """The results of the cases that have these values, one array a name, a row a case."""
    own = [result for result, case in zip(results, cases, strict=True) if chosen.items() <= case.items()]
    return {name: np.array([result[name] for result in own]) for name in own[0]}


def network(title: str, vectors: NDArray, images: NDArray, width: int, options: SimpleNamespace) -> tuple:
    """One architecture at one width, with its inputs."""
    sizes = vars(options) | {"width": width, "conv_width": width}
    return architectures(vectors, images, SimpleNamespace(**sizes))[title]


def shades(count: int) -> NDArray:
    """Colours from light to dark, in greyscale too: the last is the widest network's."""
    return colormaps["cividis_r"](np.linspace(0.08, 1, count))


def width_axis(ax: Axes, widths: NDArray) -> None:
    """A logarithmic axis with a tick at every width."""
    ax.set_xscale("log")
    ax.set_xticks(widths, [str(m) for m in widths])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("width $m$")


def ticks_1_2_5(ax: Axes) -> None:
    """Ticks at 1, 2 and 5 times the powers of 10 on a logarithmic y axis of two decades or less."""
    low, high = ax.get_ylim()
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    places = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    ax.set_yticks(places, [f"{place:g}" for place in places])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylim(low, high)


def key(title: str) -> str:
    """The name under which an architecture's numbers are stored."""
    return title.replace(" ", "_")


def fitted_slope(x: NDArray, y: NDArray) -> tuple[float, float]:
    """d log y / d log x by least squares, and its standard error; x and y hold a point each at every place."""
    fit = linregress(np.log(x).reshape(-1), np.log(y).reshape(-1))
    return float(fit.slope), float(fit.stderr)


def said_slope(slope: float, error: float) -> str:
    """A fitted slope for a label: slope −0.51 ± 0.02."""
    return f"slope {slope:.2f} ± {error:.2f}".replace("-", "−")


def said(number: float) -> str:
    """A number for a label, two digits of it: 0.78, 1300, 9.3×10⁴."""
    rounded = float(f"{number:.2g}")
    if 1e-2 <= abs(rounded) < 1e4:
        return f"{rounded:g}"
    exponent = int(np.floor(np.log10(abs(rounded))))
    return f"{rounded / 10.0**exponent:.1f}×$10^{{{exponent}}}$"
