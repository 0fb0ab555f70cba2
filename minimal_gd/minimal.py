"""Gradient descent finds global minima of deep neural networks: the paper in one file of plain NumPy, by hand.

"The paper" is Du, Lee, Li, Wang, Zhai, ICML 2019, arXiv:1811.03804, "the companion" Du, Zhai, Poczos, Singh, ICLR 2019,
arXiv:1810.02054. A network f(θ, x) has parameters θ = (W, a): W[0], …, W[H-1] are the paper's W^(1), …, W^(H), m rows
each, and a is the output layer. Samples are rows: X is (n, d), and the paper's W x is x @ W.T.
"""

import numpy as np

ACTIVATIONS = {  # section 3.2: σ, σ′, c_σ = 1/E[σ(z)²] for z ~ N(0, 1); softplus is log(1 + e^z), logaddexp(0, z)
    "sincos": (lambda z: np.sin(z) + np.cos(z), lambda z: np.cos(z) - np.sin(z), 1.0),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2, 2.5361754332174535),
    "softplus": (lambda z: np.logaddexp(0, z), lambda z: np.exp(-np.logaddexp(0, -z)), 1.0854865029883434),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z >= 0, 1.0, 0.0), 2.0),
}

# Every network goes forward, and directly below backward. It returns the predictions u (n,), the features that layers
# see, φ_h(x^(h-1)) for h = 1, …, H and then x^(H), and the sensitivities δ^(h) = ∂u/∂z^(h), z^(h) = W^(h) φ_h(x^(h-1)).


def fully_connected(W, a, X, activation="sincos"):
    """Equation (2): x^(h) = √(c_σ/m) σ(W^(h) x^(h-1)) for h = 1, …, H, and u = aᵀ x^(H)."""
    sigma, dsigma, c_sigma = ACTIVATIONS[activation]
    s, x, z = np.sqrt(c_sigma / len(a)), [X], []
    for W_h in W:
        z.append(x[-1] @ W_h.T)  # z^(h) = W^(h) x^(h-1)
        x.append(s * sigma(z[-1]))  # x^(h) = s σ(z^(h))
    g, delta = a, []  # ∂u/∂x^(H) = a
    for h in reversed(range(len(W))):
        delta.insert(0, s * g * dsigma(z[h]))  # δ^(h) = s g ∘ σ′(z^(h))
        g = delta[0] @ W[h]  # ∂u/∂x^(h-1) = W^(h)ᵀ δ^(h)
    return x[-1] @ a, x, delta


def resnet(W, a, X, activation="sincos", c_res=0.5):
    """Equation (3): x^(1) as in (2), x^(h) = x^(h-1) + c_res/(H√m) σ(W^(h) x^(h-1)) for h ≥ 2, and u = aᵀ x^(H)."""
    (sigma, dsigma, c_sigma), H, m = ACTIVATIONS[activation], len(W), len(a)
    s = [np.sqrt(c_sigma / m)] + [c_res / (H * np.sqrt(m))] * (H - 1)
    x, z = [X], []
    for h in range(H):
        z.append(x[h] @ W[h].T)
        x.append((x[h] if h > 0 else 0) + s[h] * sigma(z[h]))  # the first layer has no skip connection
    g, delta = a, []
    for h in reversed(range(H)):
        delta.insert(0, s[h] * g * dsigma(z[h]))
        g = (g if h > 0 else 0) + delta[0] @ W[h]  # x^(h-1) enters x^(h) as it is, and through z^(h)
    return x[H] @ a, x, delta


def conv_resnet(W, a, X, filter_shape=(3, 3), activation="sincos", c_res=0.5):
    """Section 7: a ResNet whose layers see patches φ(x^(h-1)), and u = ⟨a, x^(H)⟩. As in the paper, x^(h) is (m, p)."""
    (sigma, dsigma, c_sigma), H, n, (m, p) = ACTIVATIONS[activation], len(W), len(X), a.shape
    s = [np.sqrt(c_sigma / m)] + [c_res / (H * np.sqrt(m))] * (H - 1)
    T = patch_matrix(X.shape[2:], filter_shape)
    x, phi, z = X.reshape(n, -1, p), [], []
    for h in range(H):
        phi.append((x @ T).reshape(n, -1, p))  # φ(x^(h-1)), (n, channels·q, p)
        z.append(W[h] @ phi[h])
        x = (x if h > 0 else 0) + s[h] * sigma(z[h])
    g, delta = a, []
    for h in reversed(range(H)):
        delta.insert(0, s[h] * g * dsigma(z[h]))
        g = (g if h > 0 else 0) + (W[h].T @ delta[0]).reshape(n, -1, T.shape[1]) @ T.T  # φᵀ(W^(h)ᵀ δ^(h))
    phi, delta = ([np.hstack(layer).T for layer in layers] for layers in (phi, delta))  # a row a position: (n·p, ·)
    return x.reshape(n, -1) @ a.ravel(), [*phi, x.reshape(n, -1)], delta


def patch_matrix(shape, filter_shape):
    """φ as a (p, q·p) matrix: for each of the q offsets, it copies the pixel there to every position, or a zero."""
    (rows, columns), (r, c) = (1, *shape)[-2:], (1, *filter_shape)[-2:]  # a signal is an image with one row
    shifts = [(r // 2 - i, c // 2 - j) for i, j in np.ndindex(r, c)]
    return np.hstack([np.kron(np.eye(rows, k=i), np.eye(columns, k=j)) for i, j in shifts])


def two_layer_relu(W, a, X):
    """Equation (1) of the companion: u = 1/√m Σ_r a_r relu(w_rᵀ x), with relu′(0) = 1."""
    z = X @ W[0].T
    x = np.maximum(z, 0) / np.sqrt(len(a))
    delta = a * (z >= 0) / np.sqrt(len(a))
    return x @ a, [X, x], [delta]


def init(rng, m, columns, *p):
    """Section 3.3: every entry of every W^(h) (m, columns[h - 1]) and of a, (m,) or (m, p), is drawn from N(0, 1)."""
    return [rng.standard_normal((m, k)) for k in columns], rng.standard_normal((m, *p))


def loss(f, theta, X, y):
    """Equation (1): L(θ) = ½ Σ_i (u_i - y_i)²."""
    return np.sum((f(*theta, X)[0] - y) ** 2) / 2


def gradient(f, theta, X, y):
    """∂L/∂W^(h) = Σ_i (u_i - y_i) δ_i^(h) ⊗ φ_h(x_i^(h-1)), and ∂L/∂a = Σ_i (u_i - y_i) x_i^(H)."""
    u, phi, delta = f(*theta, X)
    r = np.repeat(u - y, len(delta[0]) // len(u))[:, None]  # a convolution has p rows a sample, other networks one
    dW = [(r * delta[h]).T @ phi[h] for h in range(len(delta))]
    return dW, ((u - y) @ phi[-1]).reshape(theta[1].shape)


def gram(f, theta, X):
    """G^(h)_ij = ⟨∂u_i/∂W^(h), ∂u_j/∂W^(h)⟩ = ⟨δ_i, δ_j⟩ ⟨φ_i, φ_j⟩ for h ≤ H, and G^(H+1)_ij = ⟨x_i^(H), x_j^(H)⟩."""
    u, phi, delta = f(*theta, X)
    G = [(delta[h] @ delta[h].T) * (phi[h] @ phi[h].T) for h in range(len(delta))]
    G = [G_h.reshape(len(u), -1, len(u), len(G_h) // len(u)).sum(axis=(1, 3)) for G_h in G]  # sums over positions
    return np.array([*G, phi[-1] @ phi[-1].T])


def gradient_descent(f, theta, X, y, step_size, steps, train_output=True):
    """Section 3.3: θ(k+1) = θ(k) - η ∂L/∂θ(k), so many steps. The companion does not train the output layer."""
    for _ in range(steps):
        (W, a), (dW, da) = theta, gradient(f, theta, X, y)
        theta = [W[h] - step_size * dW[h] for h in range(len(W))], a - step_size * da * train_output
    return theta


def products(K):
    """E[σ(u_i)σ(u_j)] = E[σ′(u_i)σ′(u_j)] for sin + cos and u ~ N(0, K), where K is (n, n), or (n, n, p) for images."""
    variance = np.einsum("ii...->i...", K)
    return np.exp(K - (variance[:, None] + variance) / 2)


def limit_fully_connected(X, H):
    """Definition 5.1 for sin + cos, c_σ = 1: K^(0), …, K^(H), where K^(H) is the limit of G^(H) as m → ∞."""
    K = [X @ X.T]
    for _ in range(1, H):
        K.append(products(K[-1]))
    return [*K, K[-1] * products(K[-1])]


def limit_conv_resnet(X, H, filter_shape=(3, 3), c_res=0.5):
    """Definition 7.1, of K^(h), h < H, the entries l = r that K^(H) needs; for X (n, d, 1) and q = 1 Definition 6.1."""
    n, p, s = len(X), np.prod(X.shape[2:]), [1] + [c_res / H] * (H - 1)
    sums = patch_matrix(X.shape[2:], filter_shape).reshape(p, -1, p).sum(axis=1)  # pixels to patches
    x, b, S = X.reshape(n, -1, p), np.zeros((n, p)), 0
    K = [np.einsum("icl,jcl->ijl", x, x) @ sums]
    for h in range(H - 1):
        mean = np.exp(-np.einsum("iil->il", K[h]) / 2)  # E[σ(u_i)]
        S = S + s[h] * (b[:, None] * mean + mean[:, None] * b) + s[h] ** 2 * products(K[h])
        b = b + s[h] * mean
        K.append(S @ sums)
    return [*K, s[-1] ** 2 * np.sum(K[-1] * products(K[-1]), axis=2)]


if __name__ == "__main__":  # six digits of E. Alpaydin and C. Kaynak (UCI, CC BY 4.0): 8 × 8 pixels, a bit each
    digits = "1c3c362626243c18 0c0c1c3c3c0c0c0c 0c1c3c0c38703c0e 3c3e0c180c040c3c 181836767c3c0c18 303c3c3c0e060c3c"
    X, y = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8)).reshape(6, 64), np.linspace(-1, 1, 6)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    rng, images, H = np.random.default_rng(0), X.reshape(6, 1, 8, 8), 3
    for f, theta, inputs, K in (
        (fully_connected, init(rng, 256, (64, 256, 256)), X, limit_fully_connected(X, H)),
        (resnet, init(rng, 256, (64, 256, 256)), X, limit_conv_resnet(X[:, :, None], H, (1,))),
        (conv_resnet, init(rng, 32, (9, 9 * 32, 9 * 32), 64), images, limit_conv_resnet(images, H)),
    ):
        G = gram(f, theta, inputs)
        trained = gradient_descent(f, theta, inputs, y, 1 / np.linalg.eigvalsh(G.sum(axis=0))[-1], steps=200)
        moved, smallest = np.linalg.norm(gram(f, trained, inputs)[H - 1] - G[H - 1], 2), np.linalg.eigvalsh(K[H])[0]
        print(f"{f.__name__}: loss {loss(f, theta, inputs, y):.1e} to {loss(f, trained, inputs, y):.1e},", end=" ")
        print(f"λ_min(K^(H)) = {smallest:.1e}, and G^(H) moved by {moved:.1e}")
