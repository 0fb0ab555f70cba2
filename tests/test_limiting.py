"""The limits of infinite width: against wide nets, against a slow recursion of all positions, and on awkward inputs."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

import minimal_gd as mgd
from minimal_gd import gram

# Differences are taken in 40 digits: float64 would add its own rounding to what is measured.
mp.dps = 40

# ---------------------------------------------------------------- a slow recursion, and the ways to get it wrong

VARIANTS = (
    "covariance one layer too low",
    "cross terms with their own index",
    "no b",
    "skip adds the patch covariance",
)


def pair_expectations(f, P, step):
    """E[f(u_il) f(u_jr)] for the covariances P (n, n, p, p): the trapezoid rule in two independent variables."""
    n, p = P.shape[0], P.shape[2]
    z = np.arange(-9, 9 + step / 2, step)
    weights = step * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    variance = np.einsum("iill->il", P)
    a = np.broadcast_to(variance[:, None, :, None], P.shape).reshape(-1)
    b = np.broadcast_to(variance[None, :, None, :], P.shape).reshape(-1)
    root = np.sqrt(a * b)
    rho = np.clip(np.divide(P.reshape(-1), root, out=np.zeros_like(a), where=root > 0), -1, 1)
    first = f(np.sqrt(a)[:, None] * z) * weights
    second = np.zeros_like(first)
    for w, weight in zip(z, weights, strict=True):
        second += weight * f(np.sqrt(b)[:, None] * (rho[:, None] * z + np.sqrt(1 - rho**2)[:, None] * w))
    return (first * second).sum(axis=1).reshape(n, n, p, p)


def means(f, P, step=0.1):
    z = np.arange(-9, 9 + step / 2, step)
    weights = step * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return f(np.sqrt(np.einsum("iill->il", P))[..., None] * z) @ weights


def patch_matrix(net):
    """Give R with R_κ[l, l'] = 1 if l' is what offset κ of the patch around l looks at."""
    if not hasattr(net, "filter_shape"):
        return np.ones((1, 1, 1))
    grid, window = (1, *net.input_shape[1:])[-2:], (1, *net.filter_shape)[-2:]
    places = [(row, column) for row in range(grid[0]) for column in range(grid[1])]
    R = np.zeros((window[0] * window[1], len(places), len(places)))
    for here, (row, column) in enumerate(places):
        for k in range(len(R)):
            place = (row + k // window[1] - window[0] // 2, column + k % window[1] - window[1] // 2)
            if place in places:
                R[k, here, places.index(place)] = 1
    return R


def slow_limits(net, X, variant="", step=0.2):
    """Θ^(1), …, Θ^(H+1) as section by section of the paper, with every pair of positions; or a wrong variant of it.

    Returns
    -------
    theta : (H + 1, n, n) array
    P : list of H arrays, (n, n, p, p)
    """
    sigma, dsigma, H = net.activation.sigma, net.activation.dsigma, net.depth
    R = patch_matrix(net)
    pixels = X.reshape(len(X), -1, net.positions)
    S = np.einsum("icl,jcr->ijlr", pixels, pixels)
    is_fully_connected = isinstance(net, mgd.FullyConnected)
    b, P, D, betas, skips = 0, [], [], [], []
    for h in range(1, H + 1):
        P.append(np.einsum("klm,ijmq,krq->ijlr", R, S, R))
        skip = h > 1 and not is_fully_connected
        beta = net.c_res / H if skip else math.sqrt(net.activation.c_sigma)
        is_low = variant == VARIANTS[0] and h == H > 1
        D.append(pair_expectations(dsigma, P[-2] if is_low else P[-1], step))
        e = means(sigma, P[-1])
        if variant == VARIANTS[2]:
            e = 0 * e
        after = beta**2 * pair_expectations(sigma, P[-1], step)
        if skip:
            after = after + (P[-1] if variant == VARIANTS[3] else S)
            if variant == VARIANTS[1]:
                own = b * e
                after = after + beta * (own[:, None, :, None] + own[None, :, None, :])
            else:
                after = after + beta * (b[:, None, :, None] * e[None, :, None, :])
                after = after + beta * (e[:, None, :, None] * b[None, :, None, :])
        b = (b if skip else 0) + beta * e
        S = after
        betas.append(beta)
        skips.append(skip)
    theta = np.empty((H + 1, len(X), len(X)))
    theta[H] = np.einsum("ijll->ij", S)
    B = np.broadcast_to(np.eye(net.positions), S.shape)
    for h in reversed(range(H)):
        DB = D[h] * B
        theta[h] = betas[h] ** 2 * np.einsum("ijlr,ijlr->ij", P[h], DB)
        B = skips[h] * B + betas[h] ** 2 * np.einsum("kml,ijmq,kqr->ijlr", R, DB, R)
    return theta, P


def inputs(net, n, seed, low=0.3, high=2.0):
    """Random directions, with norms from `low` to `high`."""
    X = np.random.default_rng(seed).standard_normal((n, *net.input_shape))
    norms = np.sqrt((X.reshape(n, -1) ** 2).sum(axis=1))
    return X * (np.geomspace(low, high, n) / norms).reshape(-1, *[1] * len(net.input_shape))


NETS = [
    mgd.FullyConnected(4, 300, 3, "softplus"),
    mgd.FullyConnected(4, 300, 3, "tanh"),
    mgd.ResNet(4, 300, 3, "softplus", c_res=0.9),
    mgd.ResNet(4, 300, 3, "tanh", c_res=0.9),
    mgd.ConvResNet((2, 4), 160, 3, (3,), "softplus", c_res=0.9),
    mgd.ConvResNet((1, 3, 2), 160, 3, (3, 3), "sincos", c_res=0.9),
    mgd.ConvResNet((1, 4), 160, 2, (3,), "tanh", c_res=0.9),
]
NAMES = [f"{type(net).__name__}-{net.activation.name}" for net in NETS]


# ---------------------------------------------------------------- against the slow recursion


@pytest.mark.parametrize("net", NETS, ids=NAMES)
def test_every_limit_is_that_of_the_slow_recursion(net):
    X = inputs(net, 3, seed=1)
    K, error, covariances = gram.limiting(net, X, covariances=True, tolerance=1e-11)
    # tanh has poles at ±iπ/2, so the slow rule errs by about e^(-π²/(step·s)), 1e-15 at s = 2.5
    theta, P = slow_limits(net, X, step=0.1)
    np.testing.assert_allclose(K, theta, rtol=0, atol=error + 1e-12)
    expected = np.array(P) if net.positions > 1 else np.array(P)[..., 0, 0]
    np.testing.assert_allclose(covariances, expected, rtol=0, atol=error + 1e-12)


# ---------------------------------------------------------------- against wide nets

# (net, seeds, largest norm of an input; the smallest is 0.2)
WIDE = [
    (mgd.FullyConnected(4, 300, 2, "softplus"), 400, 3),
    (mgd.FullyConnected(4, 300, 3, "tanh"), 400, 2),
    (mgd.ResNet(4, 300, 3, "softplus", c_res=2.0), 300, 4),
    (mgd.ResNet(4, 300, 2, "tanh", c_res=2.0), 300, 2),
    (mgd.ConvResNet((1, 4), 100, 2, (3,), "softplus", c_res=2.0), 100, 4),
    (mgd.ConvResNet((1, 4), 100, 2, (3,), "tanh", c_res=2.0), 60, 2),
    (mgd.ConvResNet((1, 3, 2), 100, 3, (3, 3), "softplus", c_res=2.0), 40, 4),
]
WIDE_NAMES = [f"{net}".replace(" ", "") for net, _, _ in WIDE]
# Of an entry's standard deviation, so many nets leave about 2 %, and the bias is O(1/m), about 1 %. Every wrong
# variant is at least twice as far away.
SIMULATED = 0.04


def distance(measured, limit):
    """The largest |G_ij - Θ_ij| / √(Θ_ii Θ_jj), so that small samples count as much as large ones."""
    norms = np.sqrt(np.einsum("hii->hi", limit))
    return (np.abs(measured - limit) / np.einsum("hi,hj->hij", norms, norms)).max()


def simulated(net, X, seeds):
    """The mean of G^(h) over seeds. With a = ±1 for N(0, 1), which has the same limit, it varies less."""
    total = 0
    for seed in range(seeds):
        params = net.init(seed)
        total = total + gram.empirical(net, params._replace(a=np.sign(params.a)), X)
    return total / seeds


@pytest.fixture(scope="module")
def measured():
    """Give the simulated matrices of a net, computed once."""
    known = {}

    def of(net, seeds, high):
        if id(net) not in known:
            known[id(net)] = simulated(net, inputs(net, 5, seed=2, low=0.2, high=high), seeds)
        return known[id(net)]

    return of


@pytest.mark.parametrize(("net", "seeds", "high"), WIDE, ids=WIDE_NAMES)
def test_wide_nets_have_these_gram_matrices_in_every_layer(net, seeds, high, measured):
    K, _ = gram.limiting(net, inputs(net, 5, seed=2, low=0.2, high=high), tolerance=1e-6)
    assert distance(measured(net, seeds, high), K) <= SIMULATED


def applies(net, variant):
    """Only where the variant is another formula at all."""
    if isinstance(net, mgd.FullyConnected):
        return variant == VARIANTS[0]
    if variant in VARIANTS[1:3]:
        return net.activation.name != "tanh"
    return variant != VARIANTS[3] or net.positions > 1


@pytest.mark.parametrize(("net", "seeds", "high"), WIDE, ids=WIDE_NAMES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_wide_nets_refute_the_variant(net, seeds, high, variant, measured):
    if applies(net, variant):
        wrong, _ = slow_limits(net, inputs(net, 5, seed=2, low=0.2, high=high), variant)
        assert distance(measured(net, seeds, high), wrong) > 1.5 * SIMULATED


def test_wide_two_layer_nets_have_the_companions_limit():
    net = mgd.TwoLayerReLU(4, 2000)
    X = inputs(net, 5, seed=3)
    K, _ = gram.limiting(net, X)
    assert distance(simulated(net, X, seeds=60), K) <= SIMULATED
    cosines = X @ X.T / np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(X, axis=1))
    H_infinity = X @ X.T * (math.pi - np.arccos(np.clip(cosines, -1, 1))) / (2 * math.pi)
    np.testing.assert_allclose(K[0], H_infinity, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(np.diag(K[1]), (X**2).sum(axis=1) / 2, rtol=1e-14)


# ---------------------------------------------------------------- what is known in closed form


@pytest.mark.parametrize("has_closed_form", [True, False])
def test_unit_inputs_and_sincos_have_a_recursion_of_exponentials(has_closed_form):
    known = mgd.activations.get("sincos")
    activation = known if has_closed_form else mgd.Activation(known.sigma, known.dsigma)
    net = mgd.FullyConnected(5, 1, 3, activation)
    X = inputs(net, 12, seed=4, low=1, high=1)
    S = [X @ X.T]
    for _ in range(3):
        S.append(np.exp(S[-1] - 1))
    expected = [S[0] * S[1] * S[2] * S[3], S[1] * S[2] * S[3], S[2] * S[3], S[3]]
    K, error = gram.limiting(net, X)
    assert error <= 1e-12
    np.testing.assert_allclose(K, expected, rtol=0, atol=error)


def test_a_deep_linear_net_has_products_of_inputs():
    net = mgd.FullyConnected(3, 1, 6, "identity")
    X = inputs(net, 8, seed=5)
    K, error = gram.limiting(net, X)
    np.testing.assert_allclose(K, np.broadcast_to(X @ X.T, K.shape), rtol=0, atol=error)


@pytest.mark.parametrize("name", ["erf", "gelu", "sincos", "square", "identity"])
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_closed_forms_and_series_agree_within_their_errors(architecture, name):
    known = mgd.activations.get(name)
    series = mgd.Activation(known.sigma, known.dsigma, lipschitz=known.lipschitz, smoothness=known.smoothness)
    X = inputs(architecture(3, 1, 3), 8, seed=6)
    K, error = gram.limiting(architecture(3, 1, 3, known), X, tolerance=1e-10)
    other, other_error = gram.limiting(architecture(3, 1, 3, series), X, tolerance=1e-10)
    assert np.abs(K - other).max() <= error + other_error


# (E[σ(u)], E[σ(u)σ(v)], E[σ′(u)σ′(v)], c_σ) in 40 digits, from (a), (a, b, c), (a, b, c)
EXACT = {
    "sincos": (
        lambda a: mp.exp(-a / 2),
        lambda a, b, c: mp.exp(c - (a + b) / 2),
        lambda a, b, c: mp.exp(c - (a + b) / 2),
        mpf(1),
    ),
    "erf": (
        lambda a: mpf(0),
        lambda a, b, c: 2 / mp.pi * mp.asin(2 * c / mp.sqrt((1 + 2 * a) * (1 + 2 * b))),
        lambda a, b, c: 4 / mp.pi / mp.sqrt((1 + 2 * a) * (1 + 2 * b) - 4 * c * c),
        1 / (2 / mp.pi * mp.asin(mpf(2) / 3)),
    ),
    "relu": (
        lambda a: mp.sqrt(a / (2 * mp.pi)),
        lambda a, b, c: (mp.sqrt(a * b - c * c) + (mp.pi - mp.acos(c / mp.sqrt(a * b))) * c) / (2 * mp.pi),
        lambda a, b, c: (mp.pi - mp.acos(c / mp.sqrt(a * b))) / (2 * mp.pi),
        mpf(2),
    ),
}


def exact_limits(net, name, X):
    """Θ^(1), …, Θ^(H+1) of two samples of a net without positions, the entry (1, 2), in 40 digits."""
    mean, product, slope_product, c_sigma = EXACT[name]
    x, y = ([mpf(float(entry)) for entry in row] for row in X)
    a, b, c = (mp.fdot(one, other) for one, other in ((x, x), (y, y), (x, y)))
    offsets, inputs_, slopes, betas, skips = (mpf(0), mpf(0)), [], [], [], []
    for h in range(1, net.depth + 1):
        skip = h > 1 and isinstance(net, mgd.ResNet)
        beta = mpf(net.c_res) / net.depth if skip else mp.sqrt(c_sigma)
        e = mean(a), mean(b)
        inputs_.append(c)
        slopes.append(slope_product(a, b, c))
        crossed = [(0, 0), (1, 1), (0, 1)]
        cross = [skip * beta * (offsets[i] * e[j] + offsets[j] * e[i]) for i, j in crossed]
        squares = [product(a, a, a), product(b, b, b), product(a, b, c)]
        a, b, c = (
            skip * S + more + beta**2 * square for S, more, square in zip((a, b, c), cross, squares, strict=True)
        )
        offsets = tuple(skip * offset + beta * mean_ for offset, mean_ in zip(offsets, e, strict=True))
        betas.append(beta)
        skips.append(skip)
    theta, B = [c], mpf(1)
    for h in reversed(range(net.depth)):
        theta.insert(0, betas[h] ** 2 * inputs_[h] * slopes[h] * B)
        B = skips[h] * B + betas[h] ** 2 * slopes[h] * B
    return theta


@pytest.mark.parametrize("name", ["sincos", "erf", "relu"])
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
@pytest.mark.parametrize("is_unit", [True, False])
def test_every_layer_of_deep_nets_is_within_its_error_of_forty_digits(architecture, name, is_unit):
    known = mgd.activations.get(name)
    choices = [known] if name == "relu" else [known, mgd.Activation(known.sigma, known.dsigma)]
    for activation in choices:
        net = architecture(5, 1, 5, activation)
        X = inputs(net, 4, seed=18, low=1 if is_unit else 0.4, high=1 if is_unit else 2.5)
        K, error = gram.limiting(net, X, tolerance=1e-10)
        wrong = mpf(0)
        for i, j in ((0, 1), (1, 2), (3, 0)):
            exact = exact_limits(net, name, X[[i, j]])
            wrong = max(wrong, *(abs(mpf(float(K[h, i, j])) - theta) for h, theta in enumerate(exact)))
        assert wrong <= error
        if is_unit:
            assert error <= max(1e-12, 1e3 * wrong)


# ---------------------------------------------------------------- errors and tolerances


@pytest.mark.parametrize("name", ["softplus", "tanh", "relu", "gelu"])
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_unit_inputs_meet_the_default_tolerance(architecture, name):
    net = architecture(20, 1, 3, name)
    _, error = gram.limiting(net, inputs(net, 30, seed=7, low=1, high=1))
    assert error <= 1e-12


@pytest.mark.parametrize("net", NETS, ids=NAMES)
def test_a_loose_tolerance_is_met_and_its_error_is_true(net):
    X = inputs(net, 6, seed=8)
    exact, exact_error = gram.limiting(net, X)
    before = math.inf
    for tolerance in (1e-2, 1e-5, 1e-8):
        K, error = gram.limiting(net, X, tolerance=tolerance)
        assert np.abs(K - exact).max() <= error + exact_error
        assert error <= tolerance * max(1, K.max())
        assert error <= before
        before = error


def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def leaky_slope(z):
    return np.where(z > 0, 1.0, 0.1)


def test_a_tolerance_out_of_reach_gives_one_warning_and_a_true_error():
    net = mgd.FullyConnected(3, 1, 2, mgd.Activation(leaky, leaky_slope))
    X = np.array([[1.0, 0, 0], [2, 0, 0], [-1, 0, 0], [0, 1, 1]])  # parallel and antipodal: the series does not end
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        K, error = gram.limiting(net, X)
    assert len(caught) == 1
    assert "1.0e-12" in str(caught[0].message)
    assert caught[0].filename == __file__
    # leaky is homogeneous: E[σσ] for parallel ones is s t E[σ(z)²], and E[σ′σ′] for antipodal ones is 0.1
    scale = net.activation.c_sigma
    assert abs(K[2, 0, 1] - 2) <= error
    assert abs(K[1, 0, 1] - 2 * scale * 0.505) <= error
    assert 1e-12 < error < 0.5


def test_relu_on_parallel_inputs_states_an_error_near_the_root_of_rounding():
    net = mgd.TwoLayerReLU(2, 1)
    X = np.array([[1.0, 1], [3, 3], [-1, -1]])
    with pytest.warns(UserWarning, match="known up to"):
        K, error = gram.limiting(net, X)
    assert np.abs(K[0] - [[1, 3, 0], [3, 9, 0], [0, 0, 1]]).max() <= error < 1e-6


# ---------------------------------------------------------------- shapes, symmetries, special cases


@pytest.mark.parametrize("net", NETS, ids=NAMES)
def test_limits_are_symmetric_and_positive_semi_definite(net):
    K, error = gram.limiting(net, inputs(net, 40, seed=9))
    for theta in K:
        assert (theta == theta.T).all()
        assert np.linalg.eigvalsh(theta)[0] >= -40 * error - 1e-13 * np.abs(theta).max()


@pytest.mark.parametrize("net", NETS, ids=NAMES)
def test_a_rectangle_is_a_block_of_the_square(net):
    X = inputs(net, 23, seed=10)
    K, error, covariances = gram.limiting(net, X, covariances=True)
    part, part_error, part_covariances = gram.limiting(net, X[:20], X[20:], covariances=True)
    np.testing.assert_allclose(part, K[:, :20, 20:], rtol=0, atol=error + part_error)
    np.testing.assert_allclose(part_covariances, covariances[:, :20, 20:], rtol=0, atol=error + part_error)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_convolution_over_one_position_is_the_residual_net(depth):
    X = inputs(mgd.ResNet(4, 1, 1), 7, seed=11)
    K, error = gram.limiting(mgd.ResNet(4, 1, depth), X)
    other, other_error = gram.limiting(mgd.ConvResNet((4, 1), 1, depth, (1,)), X[:, :, None])
    np.testing.assert_allclose(K, other, rtol=0, atol=error + other_error)


def test_covariances_hold_what_the_limits_are_made_of():
    net = mgd.ConvResNet((2, 3, 4), 1, 3, (3, 1), c_res=0.7)
    X = inputs(net, 5, seed=12)
    K, error, covariances = gram.limiting(net, X, covariances=True)
    assert covariances.shape == (3, 5, 5, 12, 12)
    assert (covariances == covariances.transpose(0, 2, 1, 4, 3)).all()
    last = mgd.limits.moments.pair_expectations(
        net.activation,
        *np.broadcast_arrays(
            np.einsum("iill->il", covariances[2])[:, None],
            np.einsum("iill->il", covariances[2])[None],
            np.einsum("ijll->ijl", covariances[2]),
        ),
    ).slope_product
    scale = (net.c_res / net.depth) ** 2
    np.testing.assert_allclose(
        K[2], scale * np.einsum("ijll,ijl->ij", covariances[2], last), rtol=0, atol=2 * error + 1e-13
    )


def test_the_result_can_be_written_to_a_file(tmp_path):
    net = mgd.FullyConnected(3, 1, 2)
    X = inputs(net, 300, seed=13)
    out = np.memmap(tmp_path / "limits", dtype=np.float64, mode="w+", shape=(3, 300, 300))
    K, error = gram.limiting(net, X, out=out)
    assert K is out
    np.testing.assert_array_equal(out, gram.limiting(net, X)[0])
    assert error <= 1e-12


def test_progress_is_shown_on_request(capsys):
    net = mgd.FullyConnected(3, 1, 2)
    gram.limiting(net, inputs(net, 300, seed=14), progress=True)
    assert "block" in capsys.readouterr().err
    gram.limiting(net, inputs(net, 300, seed=14))
    assert capsys.readouterr().err == ""


def test_single_precision_inputs_have_limits_in_double_precision():
    net = mgd.ResNet(3, 1, 2)
    X = inputs(net, 6, seed=15).astype(np.float32)
    K, _ = gram.limiting(net, X)
    assert K.dtype == np.float64
    np.testing.assert_array_equal(K, gram.limiting(net, X.astype(np.float64))[0])


def test_the_width_plays_no_part():
    X = inputs(NETS[0], 5, seed=16)
    first, second = (gram.limiting(mgd.FullyConnected(4, width, 3), X)[0] for width in (1, 5000))
    np.testing.assert_array_equal(first, second)


# ---------------------------------------------------------------- awkward inputs

ACTIVATIONS = ["softplus", "tanh", "sigmoid", "erf", "gelu", "silu", "sincos", "relu", "identity", "square"]


def quietly(net, X, **options):
    """A tolerance of relu out of reach may well be reported here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gram.limiting(net, X, **options)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("architecture", [mgd.FullyConnected, mgd.ResNet])
def test_zero_rows_parallel_and_antipodal_ones_give_no_nan(architecture, name):
    x = np.random.default_rng(17).standard_normal(3)
    X = np.array([0 * x, x, 3 * x, -x, x * (1 + 1e-15), -0.0 * x, 1e-120 * x, 1e-200 * x, 1e-5 * x])
    K, error = quietly(architecture(3, 1, 3, name), X)
    assert np.isfinite(K).all()
    assert math.isfinite(error)
    for theta in K:
        assert np.linalg.eigvalsh(theta)[0] >= -9 * error - 1e-12 * np.abs(theta).max()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_blank_patch_gives_no_nan(name):
    X = np.zeros((4, 1, 5, 5))
    X[1, 0, 2, 2], X[2, 0, 2, 2], X[3, 0, 0, 0] = 1, -2, 1e-8
    K, error = quietly(mgd.ConvResNet((1, 5, 5), 1, 3, (3, 3), name), X)
    assert np.isfinite(K).all()
    assert math.isfinite(error)


def test_a_zero_sample_is_exact_where_sigma_vanishes_at_zero():
    net = mgd.FullyConnected(2, 1, 3, "tanh")
    K, _ = gram.limiting(net, np.array([[0.0, 0], [1, 0]]))
    assert (K[:, 0] == 0).all()


@pytest.mark.parametrize("net", [mgd.FullyConnected(2, 1, 1), mgd.ResNet(2, 1, 1), mgd.TwoLayerReLU(2, 1)])
def test_one_sample_and_one_layer_are_enough(net):
    K, error, covariances = gram.limiting(net, [[3, 4]], covariances=True)
    assert K.shape == (2, 1, 1)
    np.testing.assert_array_equal(covariances, [[[25.0]]])
    assert error <= 1e-12 * K.max()


@st.composite
def small_problems(draw):
    name, H = draw(st.sampled_from(ACTIVATIONS)), draw(st.integers(1, 3))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        net = mgd.FullyConnected(2, 1, H, name)
    elif kind == 1:
        net = mgd.ResNet(2, 1, H, name, c_res=draw(st.floats(0.1, 2)))
    elif kind == 2:
        shape = draw(st.sampled_from([(1, 3), (2, 2, 2), (1, 1, 4)]))
        net = mgd.ConvResNet(shape, 1, H, draw(st.sampled_from([(3,), (5,)])) if len(shape) == 2 else (3, 3), name)
    else:
        net = mgd.TwoLayerReLU(2, 1)
    n = draw(st.integers(1, 4))
    entries = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 1e-9]), st.floats(-1.5, 1.5))
    size = n * math.prod(net.input_shape)
    return net, np.array(draw(st.lists(entries, min_size=size, max_size=size))).reshape(n, *net.input_shape)


@given(small_problems())
@settings(max_examples=60)
def test_any_input_gives_finite_symmetric_limits_whose_diagonal_dominates(problem):
    net, X = problem
    K, error = quietly(net, X)
    assert np.isfinite(K).all()
    assert math.isfinite(error)
    diagonals = np.sqrt(np.maximum(np.einsum("hii->hi", K), 0))
    # Cauchy and Schwarz
    assert (np.abs(K) <= np.einsum("hi,hj->hij", diagonals, diagonals) * (1 + 1e-12) + 2 * error).all()
    assert (K.transpose(0, 2, 1) == K).all()


# ---------------------------------------------------------------- what is refused


def test_an_activation_that_overflows_at_large_inputs_is_named():
    overflowing = mgd.Activation(lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z)))
    with pytest.raises(ValueError, match="must be finite wherever it is integrated, got inf at"):
        gram.limiting(mgd.FullyConnected(1, 1, 1, overflowing), [[100.0]])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"net": "relu"}, TypeError, "net must be a Network"),
        ({"X": [[1.0]]}, ValueError, r"X must have shape \(n, 2\)"),
        ({"X": [[math.nan, 1.0]]}, ValueError, "X must be finite"),
        ({"X": [[1e80, 1.0]]}, ValueError, "X must hold samples of squared norms below"),
        ({"X2": [[1.0, 2, 3]]}, ValueError, r"X2 must have shape \(n, 2\)"),
        ({"tolerance": 0}, ValueError, "tolerance must be a finite number > 0"),
        ({"tolerance": "small"}, TypeError, "tolerance must be"),
        ({"covariances": 1}, TypeError, "covariances must be True or False"),
        ({"progress": None}, TypeError, "progress must be True or False"),
        ({"out": [0]}, TypeError, "out must be a float64 array"),
        ({"out": np.empty((3, 1, 2))}, ValueError, r"out must be .* shape \(3, 1, 1\)"),
        ({"out": np.empty((3, 1, 1), np.float32)}, ValueError, "out must be a writeable float64 array"),
    ],
)
def test_a_wrong_argument_is_named(change, error, words):
    arguments = {"net": mgd.FullyConnected(2, 1, 2), "X": [[1.0, 2.0]], **change}
    with pytest.raises(error, match=words):
        gram.limiting(arguments.pop("net"), arguments.pop("X"), **arguments)
