"""The limits of infinite width: against neural-tangents, against an eigenvalue routine, their growth and their memory.

    python benchmarks/limits.py
    python benchmarks/limits.py --parts peer growth --activations relu erf --repeats 31

The parts, each with every layer's limit of a fully connected net, H = 3, for inputs of unit norm in 20 dimensions:

    peer         n = 500, next to neural-tangents, after both have been shown to agree
    eigenvalues  n = 2000, next to numpy.linalg.eigvalsh of one of the matrices
    growth       n = 500, 1000, 2000, 4000, and the power of n that fits
    memory       the peak of what NumPy allocates, relative to the result; also for unequal norms, and for a
                 convolutional ResNet on digits

What is compared runs in turn in one run, and tables give medians. neural-tangents does not import on a current jax, so
it lives in an environment of its own, an extra step:

    python3.11 -m venv build/peers && build/peers/bin/python -m pip install -r benchmarks/peers.txt

Without it, the first part times ours alone.
"""

import argparse
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import serving
import works
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from workers import Worker

import minimal_gd as mgd

INPUT_DIM, DEPTH = 20, 3
ACTIVATIONS = ("softplus", "relu", "erf")
TOLERANCE = 1e-12

# Near |ρ| = 1 an arccos loses half the digits, here or there, in each of the H + 1 layers that a total adds up.
SAME = 4 * (DEPTH + 1) * np.sqrt(np.finfo(float).eps)


def network(activation: str) -> mgd.FullyConnected:
    """Return the net of most parts; its width plays no part."""
    return mgd.FullyConnected(INPUT_DIM, 1, DEPTH, activation=activation)


def limits(activation: str, n: int) -> Callable[[], tuple[NDArray, float]]:
    """Return a function that computes every layer's limit for n points on the sphere, and its error."""
    net, X = network(activation), mgd.data.sphere(n, INPUT_DIM, seed=0)
    return lambda: mgd.gram.limiting(net, X, tolerance=TOLERANCE)


def in_turn(functions: list[Callable[[], float]], repeats: int) -> NDArray:
    """Return the seconds that each reports, (repeats, functions), a round of all of them at a time."""
    return np.array([[function() for function in functions] for _ in range(repeats)])


def timed(function: Callable[[], object]) -> Callable[[], float]:
    """Call it once, so that everything is compiled; return a function that times it as the workers do."""
    function()
    return lambda: serving.seconds(serving.timed(function))


class Peer:
    """neural-tangents in a process of its own.

    Parameters
    ----------
    python : Path
        The interpreter of its environment.
    folder : Path
        Where arrays and its messages go.
    threads : int
    """

    def __init__(self, python: Path, folder: Path, threads: int) -> None:
        self._folder = folder
        self._worker = Worker("neural_tangents", python, folder / "messages", threads)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._worker.close()

    def prepare(self, activation: str, X: NDArray, nodes: int, totals: bool = False) -> dict[str, NDArray]:
        """Compile for `X`; return theta (H + 1, n, n), every layer's limit, and its own totals nngp and ntk.

        What will be timed is every layer's limit, or its totals alone.
        """
        inputs, outputs = self._folder / "inputs.npz", self._folder / "outputs.npz"
        np.savez(inputs, X=X)
        work = works.limits(activation, len(X), INPUT_DIM, DEPTH, SAME) | {"totals": totals}
        self._ask(do="prepare", work=work, nodes=nodes, inputs=str(inputs), outputs=str(outputs))
        with np.load(outputs, allow_pickle=False) as file:
            return dict(file)

    def seconds(self) -> float:
        """Time what was prepared, once."""
        return self._ask(do="run")["seconds"]

    def _ask(self, **request: object) -> dict:
        answer = self._worker.ask(**request)
        if "error" in answer:
            raise SystemExit(f"neural-tangents gave up: {answer['error']}")
        return answer


def enough_nodes(peer: Peer, activation: str) -> int:
    """Return the fewest Gauss-Hermite nodes, in fives, with which the peer errs by at most the tolerance too."""
    X = mgd.data.sphere(100, INPUT_DIM, seed=0)
    K, _ = mgd.gram.limiting(network(activation), X, tolerance=TOLERANCE)
    for nodes in range(10, 100, 5):
        difference = np.abs(peer.prepare(activation, X, nodes)["theta"] - K).max()
        print(f"    {nodes} Gauss-Hermite nodes: {difference:.1e} from ours, n = {len(X)}")
        if difference <= TOLERANCE:
            return nodes
    raise SystemExit(f"neural-tangents and ours differ by {difference:.1e} for {activation}, with {nodes} nodes")


def differences(K: NDArray, theirs: dict[str, NDArray]) -> tuple[float, float]:
    """Print how far the peer is from K, layer by layer; return the largest difference, and that off the diagonal."""
    difference = np.abs(theirs["theta"] - K)
    largest, pairs = difference.max(axis=(1, 2)), np.triu(difference, 1).max(axis=(1, 2))
    for h, (everywhere, off_diagonal) in enumerate(zip(largest, pairs, strict=True), start=1):
        print(f"    Θ^({h}): differ by {everywhere:.1e}, off the diagonal by {off_diagonal:.1e}")
    total, last = np.abs(theirs["ntk"] - K.sum(axis=0)).max(), np.abs(theirs["nngp"] - K[-1]).max()
    print(f"    ΣΘ^(h) from its ntk: {total:.1e}; Θ^({len(K)}) from its nngp: {last:.1e}")
    if not max(*largest, total, last) <= SAME:
        raise SystemExit("they do not compute the same, so that no time would mean anything")
    return largest.max(), pairs.max()


def against_peer(options: argparse.Namespace) -> None:
    """Time every layer's limit here and there; a difference first, then the time."""
    if not options.peers.exists():
        print(f"no neural-tangents: {options.peers} is not there (--help says how to install it), so ours alone")
        rows = [peer_row(activation, None, options) for activation in options.activations]
    else:
        with tempfile.TemporaryDirectory() as folder:
            peer = Peer(options.peers, Path(folder), options.threads)
            try:
                rows = [peer_row(activation, peer, options) for activation in options.activations]
            finally:
                peer.close()
    columns = ("ours [ms]", "peer [ms]", "ratio", "error bound", "difference", "off diagonal")
    print(f"every layer, n = {options.samples}".ljust(24) + "".join(f"{column:>14}" for column in columns))
    print(*rows, sep="\n")


def peer_row(activation: str, peer: Peer | None, options: argparse.Namespace) -> str:
    """One row of the table."""
    ours = limits(activation, options.samples)
    K, error = ours()
    if peer is None:
        times = in_turn([timed(ours)], options.repeats)
        return f"{activation:24}{1e3 * np.median(times):14.1f}{'-':>14}{'-':>14}{error:14.1e}{'-':>14}{'-':>14}"
    print(f"{activation}:")
    nodes = 0 if mgd.activations.get(activation).closed_form else options.nodes or enough_nodes(peer, activation)
    X = mgd.data.sphere(options.samples, INPUT_DIM, seed=0)
    largest, off_diagonal = differences(K, peer.prepare(activation, X, nodes, options.totals))
    times = in_turn([timed(ours), peer.seconds], options.repeats)
    mine, theirs = 1e3 * np.median(times, axis=0)
    ratio = np.median(times[:, 1] / times[:, 0])
    name = f"{activation}, {nodes}² nodes" if nodes else f"{activation}, closed form"
    return f"{name:24}{mine:14.1f}{theirs:14.1f}{ratio:14.1f}{error:14.1e}{largest:14.1e}{off_diagonal:14.1e}"


def against_eigenvalues(options: argparse.Namespace) -> None:
    """Time every layer next to the eigenvalues of one of them, K^(H)."""
    n = 4 * options.samples
    functions = [limits(activation, n) for activation in options.activations]
    K, _ = functions[0]()
    functions.append(lambda: np.linalg.eigvalsh(K[DEPTH - 1]))
    times = in_turn([timed(function) for function in functions], options.repeats)
    print(f"{f'every layer, n = {n}':24}{'ours [ms]':>14}{'eigvalsh [ms]':>16}{'ratio':>8}")
    eigenvalues = times[:, -1]
    for activation, ours in zip(options.activations, times.T, strict=False):
        print(
            f"{activation:24}{1e3 * np.median(ours):14.1f}{1e3 * np.median(eigenvalues):16.1f}"
            f"{np.median(ours / eigenvalues):8.2f}"
        )


def growth(options: argparse.Namespace) -> None:
    """Time n, 2n, 4n and 8n samples; fit the power of n by least squares to the logarithms."""
    sizes = [options.samples * 2**k for k in range(4)]
    print("every layer [ms]".ljust(24) + "".join(f"{f'n = {n}':>14}" for n in sizes) + f"{'grows as':>14}")
    for activation in options.activations:
        times = np.median(in_turn([timed(limits(activation, n)) for n in sizes], options.repeats), axis=0)
        power = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        print(f"{activation:24}" + "".join(f"{1e3 * t:14.1f}" for t in times) + f"{f'n^{power:.2f}':>14}")


def memory(options: argparse.Namespace) -> None:
    """Compare the peak of NumPy's allocations, the result among them, with the result."""
    norms = np.random.default_rng(0).uniform(0.5, 2, 4 * options.samples)
    cases = []
    for n in (options.samples, 4 * options.samples):
        X = mgd.data.sphere(n, INPUT_DIM, seed=0)
        cases += [
            (f"unit norms, n = {n}", network("softplus"), X),
            (f"unequal norms, n = {n}", network("softplus"), norms[:n, None] * X),
        ]
    images, _ = mgd.data.digits(200, seed=0, images=True)
    net = mgd.ConvResNet(images.shape[1:], 1, DEPTH, (3, 3), activation="softplus")
    cases.append((f"digits 8 × 8, n = {len(images)}", net, images))
    print(f"{'softplus, every layer':24}{'result [MB]':>14}{'peak [MB]':>14}{'ratio':>8}")
    for name, net, X in cases:
        mgd.gram.limiting(net, X[:10], tolerance=TOLERANCE)
        tracemalloc.start()
        K, _ = mgd.gram.limiting(net, X, tolerance=TOLERANCE)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(f"{name:24}{K.nbytes / 1e6:14.1f}{peak / 1e6:14.1f}{peak / K.nbytes:8.2f}")


PARTS = {"peer": against_peer, "eigenvalues": against_eigenvalues, "growth": growth, "memory": memory}


def main() -> None:
    """Do the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--activations", nargs="+", choices=ACTIVATIONS, default=ACTIVATIONS)
    parser.add_argument("--samples", type=int, default=500, help="n of the first part; the others take multiples")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--totals", action="store_true", help="time the peer's own ΣΘ^(h) and Θ^(H+1), not every layer")
    parser.add_argument("--nodes", type=int, help="Gauss-Hermite nodes of the peer; as many as it needs if not given")
    peers = Path(__file__).parent.parent / "build" / "peers" / "bin" / "python"
    parser.add_argument("--peers", type=Path, default=peers, help="the Python that has neural-tangents")
    options = parser.parse_args()
    with threadpool_limits(options.threads):
        for part in options.parts:
            PARTS[part](options)
            print()


if __name__ == "__main__":
    main()
