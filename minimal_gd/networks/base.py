"""What every architecture offers, written once: predictions, loss, gradient, and the pairs behind the Gram matrices.

A sample's gradient with respect to a hidden layer is an outer product of its sensitivity and its feature,

    ∂u_i/∂W^(h) = δ_i^(h) ⊗ φ_h(x_i^(h-1)),    δ_i^(h) = ∂u_i/∂z_i^(h),    z^(h) = W^(h) φ_h(x^(h-1)),

summed over the positions for the convolution. An architecture says how to go forward (which leaves the features) and
how to go back (which leaves the sensitivities); everything here follows from that pair.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from minimal_gd import activations
from minimal_gd._runtime import slicing, validate
from minimal_gd.activations import Activation
from minimal_gd.networks.workspace import Workspace
from minimal_gd.parameters import Parameters

# One pass over samples takes about this much memory at most; more samples go through block by block.
BLOCK_BYTES = 2**28


class Network(ABC):
    """An architecture: θ = (W^(1), …, W^(H), a) to predictions u_i = f(θ, x_i) and back.

    The last bits of what `predict`, `loss` and `gradient` return may depend on the number of threads that BLAS uses;
    `gradient_descent` and `init` give the same bits on any number.

    A subclass sets the attributes below and writes `forward`, `backward` and `limit_layer`, and `fill_features`,
    `pixels`, `patch_sums` and `add_patches` if its layers see something else than the rows of X.

    Attributes
    ----------
    input_shape : tuple of int
        The shape of one sample: (d,), or (channels, *spatial).
    width, depth : int
        m and H.
    activation : Activation
        σ.
    fan_in : tuple of H ints
        The number of columns of each W^(h).
    positions : int
        p, 1 but for the convolution.
    train_output : bool
        Whether descent changes `a`.
    """

    input_shape: tuple[int, ...]
    fan_in: tuple[int, ...]
    positions: int = 1
    train_output: bool = True

    def __init__(self, width: int, depth: int, activation: str | Activation) -> None:
        self.width = validate.integer("width", width)
        self.depth = validate.integer("depth", depth)
        self.activation = activations.get(activation)

    # ------------------------------------------------------------------ what an architecture writes

    @abstractmethod
    def forward(self, params: Parameters, work: Workspace) -> NDArray:
        """Go from `work.phi[0]` to the predictions u (n,) and return them, in `work.u` or in an array of their own.

        Leave features and slopes in `work`: `work.phi[h] = x` writes x into the array that is read later.
        The features are every φ_h(x^(h-1)) and x^(H). The slopes, in `work.delta`, are every σ′(z^(h)), times whatever
        `backward` leaves to this: the factor in front of σ, in the networks here.
        """

    @abstractmethod
    def backward(self, params: Parameters, work: Workspace, upstream: NDArray) -> None:
        """After `forward`, turn what it left in `work.delta` into `upstream`_i · ∂u_i/∂z_i^(h).

        `upstream` (n,) is 1 for the sensitivities of u, and u - y for those of the loss.
        """

    @abstractmethod
    def limit_layer(self, h: int) -> tuple[float, float]:
        """Return (κ_h, β_h) of layer h = 1, …, H, x^(h) = κ_h x^(h-1) + β_h/√m σ(W^(h) φ_h(x^(h-1))), κ_h 0 or 1.

        With φ, they are all that the limits at m → ∞ need; see `minimal_gd.limits`.
        """

    def pixels(self, X: NDArray) -> NDArray:
        """x^(0) position by position, (n, p, channels)."""
        return X[:, None, :]

    def patch_sums(self, products: NDArray, axes: int = 1) -> NDArray:
        """Turn products of pixels into products of patches, ⟨φ(x)_l, φ(x′)_r⟩ = Σ_κ ⟨x_{l+κ}, x′_{r+κ}⟩.

        Parameters
        ----------
        products : (p, …) array for the pairs l = r, or (p, p, …) for all pairs
        axes : 1 or 2
            How many axes of `products` are positions.
        """
        return products

    def fill_features(self, X: NDArray, work: Workspace) -> None:
        """Write φ_1(x) of every sample into `work.phi[0]`."""
        work.phi[0][...] = X

    def add_patches(self, product: NDArray, x: NDArray) -> None:
        """Add φᵀ(product) to x, rows for positions: every entry of a patch goes to the pixel it was copied from."""
        x += product

    # ------------------------------------------------------------------ what follows, for all of them

    @property
    def first_scale(self) -> float:
        """√(c_σ/m), the factor in front of σ in the first layer."""
        return math.sqrt(self.activation.c_sigma / self.width)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of `a`: (m,), for the convolution (m, p)."""
        return (self.width,)

    @validate.quietly
    def init(self, seed: int | np.random.Generator, dtype: DTypeLike = np.float64) -> Parameters:
        """Draw every entry of every W^(h) and of a from N(0, 1).

        Parameters
        ----------
        seed : int ≥ 0 or numpy.random.Generator
            The same seed gives the same bits, as long as NumPy does not change its stream of normal numbers, which it
            may do between releases. float32 parameters are the rounded float64 ones.
        dtype : float32 or float64

        Raises
        ------
        TypeError, ValueError
            If `seed` or `dtype` is something else.

        Paper: section 3.3.
        """
        dtype = validate.floating_dtype("dtype", dtype)
        rng = validate.generator(seed)
        W = tuple(np.asarray(rng.standard_normal((self.width, k)), dtype) for k in self.fan_in)
        return Parameters(W, np.asarray(self.init_output(rng), dtype))

    def init_output(self, rng: np.random.Generator) -> NDArray:
        """Draw the output layer `a`."""
        return rng.standard_normal(self.output_shape)

    @validate.quietly
    def predict(self, params: Parameters, X: NDArray) -> NDArray:
        """u_i = f(θ, x_i).

        Parameters
        ----------
        params : Parameters
        X : (n, *input_shape) array

        Returns
        -------
        (n,) array of the dtype of `params`

        Raises
        ------
        TypeError, ValueError
            If `params` are those of another network, or X has another shape, no samples, or entries that are not
            finite real numbers; ValueError also if the predictions, or something on the way to them, overflow.
        """
        params, X = arguments(self, params, X)
        u = np.empty(len(X), params.dtype)
        for block, work in self.workspaces(X, params.dtype):
            u[block] = self.forward(params, work)
        validate.finite_result(u, "predictions", "params and X")
        return u

    @validate.quietly
    def loss(self, params: Parameters, X: NDArray, y: NDArray) -> float:
        """L(θ) = ½ Σ_i (u_i - y_i)², a sum and not a mean.

        Parameters
        ----------
        params, X
            As for `predict`.
        y : (n,) array

        Raises
        ------
        TypeError, ValueError
            As `predict`, and if y is not a finite real (n,) array; ValueError also if the sum of squares overflows.

        Paper: equation (1).
        """
        params, X, y = arguments(self, params, X, y)
        loss = half_square(self.predict(params, X) - y)
        validate.finite_result(loss, "losses", "params, X and y")
        return loss

    @validate.quietly
    def gradient(self, params: Parameters, X: NDArray, y: NDArray) -> Parameters:
        """∂L/∂θ: ∂L/∂W^(h) = Σ_i (u_i - y_i) δ_i^(h) ⊗ φ_h(x_i^(h-1)), ∂L/∂a = Σ_i (u_i - y_i) x_i^(H).

        Parameters
        ----------
        params, X, y
            As for `loss`.

        Returns
        -------
        Parameters
            Shaped as `params`. `a` is zeros where the architecture holds the output layer fixed.

        Raises
        ------
        TypeError, ValueError
            As `predict`, and if y is not a finite real (n,) array; ValueError also if the gradient, or something on
            the way to it, overflows.
        """
        params, X, y = arguments(self, params, X, y)
        total = params.map(np.zeros_like)
        for block, work in self.workspaces(X, params.dtype):
            residual = self.forward(params, work) - y[block]
            self.backward(params, work, residual)
            for h, W in enumerate(total.W):
                W += work.delta[h].T @ work.phi[h]
            if self.train_output:
                total.a[...] += self.output_gradient(work, residual, out=np.empty(total.a.size, total.a.dtype))
        for array in (*total.W, total.a):
            validate.finite_result(array, "gradients", "params, X and y")
        return total

    def output_gradient(self, work: Workspace, residual: NDArray, out: NDArray) -> NDArray:
        """∂L/∂a = Σ_i (u_i - y_i) x_i^(H), after `forward`; computed in `out` (m·p,), returned in the shape of `a`."""
        return np.matmul(residual, work.phi[-1], out=out)

    def pairs(self, params: Parameters, work: Workspace) -> Iterator[tuple[NDArray, NDArray]]:
        """Yield the pair (δ^(h), φ_h(x^(h-1))) of every layer h = 1, …, H, and (1, x^(H)) for the output layer.

        Yields
        ------
        delta : (n, p, m) array, and (n, 1, 1) for the output layer
        phi : (n, p, k_h) array, and (n, 1, m·p) for the output layer
            ∂u_i/∂W^(h) is Σ_l delta[i, l] ⊗ phi[i, l]. All are views into `work`.
        """
        self.forward(params, work)
        self.backward(params, work, np.ones_like(work.u))
        return work.pairs()

    def workspaces(
        self, X: NDArray, dtype: DTypeLike, cut: Callable[[int], list[slice]] | None = None
    ) -> Iterator[tuple[slice, Workspace]]:
        """Yield a workspace for every block of samples, with φ_1(x) filled in; `cut` returns what a pass goes over."""
        for block in self.sample_blocks(len(X), dtype):
            n = len(X[block])
            work = Workspace.allocate(self, n, dtype, None if cut is None else slicing.longest(cut(n)))
            self.fill_features(X[block], work)
            yield block, work

    def sample_blocks(self, n: int, dtype: DTypeLike) -> list[slice]:
        """Cut n samples into blocks whose workspaces take at most about BLOCK_BYTES."""
        size = max(1, BLOCK_BYTES // Workspace.bytes_per_sample(self, dtype))
        return slicing.of_size(n, size)

    # ------------------------------------------------------------------ what comes from outside

    def check_params(self, params: Any, name: str = "params") -> Parameters:
        """Return `params` with arrays of one dtype, float32 if all of them are, after checking every shape."""
        if not isinstance(params, tuple) or len(params) != 2 or not isinstance(params[0], tuple | list):
            raise TypeError(f"{name} must be Parameters(W, a), as init gives them, got {validate.describe(params)}")
        if len(params[0]) != self.depth:
            raise ValueError(f"{name}.W must hold {self.depth} arrays (the depth of {self}), got {len(params[0])}")
        W = tuple(
            validate.shaped_array(f"{name}.W[{h}]", params[0][h], (self.width, k), f"for {self}")
            for h, k in enumerate(self.fan_in)
        )
        a = validate.shaped_array(f"{name}.a", params[1], self.output_shape, f"for {self}")
        dtype = np.result_type(*W, a)
        return Parameters(W, a).map(lambda array: np.asarray(array, dtype))

    def check_inputs(self, name: str, X: Any, dtype: DTypeLike | None = None) -> NDArray:
        """Return X as a finite (n, *input_shape) array with n ≥ 1."""
        X = validate.real_array(name, X, dtype)
        if X.ndim != 1 + len(self.input_shape) or X.shape[1:] != self.input_shape:
            wanted = ", ".join(["n", *map(str, self.input_shape)])
            raise ValueError(f"{name} must have shape ({wanted}) for {self}, got shape {X.shape}")
        if len(X) == 0:
            raise ValueError(f"{name} must hold at least one sample, got shape {X.shape}")
        return X

    def check_targets(self, y: Any, n: int, dtype: DTypeLike | None = None) -> NDArray:
        """Return y as a finite (n,) array."""
        return validate.shaped_array("y", y, (n,), "one target a sample of X", dtype)


def require_network(net: Any) -> Network:
    """Return `net`, a Network.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {validate.describe(net)}")
    return net


def arguments(net: Network, params: Parameters, X: NDArray, *targets: NDArray, dtype: DTypeLike | None = None) -> tuple:
    """Return params, X, and y where it is given, as finite arrays of one dtype: that of `params` unless one is given.

    Raises
    ------
    TypeError, ValueError
        As `Network.loss`, and if `net` is no Network.
    """
    params = require_network(net).check_params(params)
    if dtype is not None:
        params = params.map(lambda array: array.astype(dtype))
    X = net.check_inputs("X", X, params.dtype)
    return params, X, *(net.check_targets(y, len(X), params.dtype) for y in targets)


def half_square(residual: NDArray) -> float:
    """½ Σ_i (u_i - y_i)²; in float32 too the sum is taken in float64."""
    residual = np.asarray(residual, np.float64)
    return 0.5 * float(np.vdot(residual, residual))  # unlike dot, it overflows without a warning
