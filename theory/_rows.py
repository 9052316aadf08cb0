"""Rows of the learning matrix M̂ = ∂ŵ/∂w*, by order: Theorem 4 and Proposition 1.

M̂ = V^{⊗n} diag(g_{|K|}) (VᵀD)^{⊗n}. A player that T and U share, or both miss, contributes to M̂_TU
the factor q_t + p_t E, where q_t = V[t,0](VᵀD)[0,t], p_t = 1 − q_t and E shifts the gain's order,
(E g)_k = g_{k+1}; a player in only one of them contributes β_tu (1−E), because V·VᵀD = I. So an
entry depends on nothing but the number of players of each kind:

    M̂_TU = β₁₀^{|T∖U|} β₀₁^{|U∖T|} X(|T∩U|, n−|T∪U|)
    X(a,b) = (q₁+p₁E)^a (q₀+p₀E)^b (1−E)^{n−a−b} g  at order 0

and ‖m̂_T‖² is a sum of at most n² squares with binomial multiplicities. For independent noise
0 < q_t < 1: the first two factors are averages, and the only cancellation is that of the finite
differences (1−E)^m g. The first of them is known in closed form,
g_k − g_{k+1} = (1 − θ_{k+1}/θ_k) g_k (1 − g_{k+1}), so nothing is lost where g is near 0 or 1.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from theory._learning import gains_and_losses, log_thresholds
from theory.checks import check_players, check_rho, check_variance
from theory.noise import NoiseModel, check_noise


def row_norms(n: int, sigma2: ArrayLike, noise: NoiseModel = NoiseModel()) -> jax.Array:
    """Norms ‖m̂_T‖₂ of the rows of M̂ = ∂ŵ/∂w*, which depend on |T| only  [Ren24 Theorem 4].

    ‖m̂_T‖ is also the standard deviation of ŵ_T for true interactions that are independent with
    variance one. O(n³) work and no array of size 2^n.

    Accuracy in 64-bit, for every σ² ≥ 0: with independent or negatively correlated noise the
    relative error is below 1e-8 up to n = 64 (below 1e-12 for the paper's noise up to n = 80, and
    growing slowly beyond). With correlation·√growth > ½ the averages in the module's docstring have
    negative weights: up to n = 32 the error stays below 1e-8, and near n = 64 nothing is left. In
    32-bit the error is a few 1e-6 up to n = 30; beyond, the smallest norms come out as 0.

    Args:
        n: number of players.
        sigma2: noise variance, a number or (m,).
        noise: the noise's covariance.

    Returns:
        (n+1,) or (m, n+1), for the orders |T| = 0..n; 1 at σ² = 0, 0 at σ² = ∞.

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1, or a negative or matrix-valued σ².

    Example:
        >>> print(row_norms(2, [0.0, 0.1]).round(3))
        [[1.    1.    1.   ]
         [0.867 0.594 0.273]]
    """
    check_noise(noise)
    n = check_players(n)
    sigma2 = check_variance(sigma2)
    log_norms, log_scale = _log_row_norms(sigma2, noise, jnp.zeros((), sigma2.dtype), n)
    return jnp.exp(log_norms + log_scale[..., None])


def norm_ratios(n: int, sigma2: ArrayLike, noise: NoiseModel = NoiseModel()) -> jax.Array:
    """Ratios r^(k) = ‖m̂_k‖ / ‖m̂_{k+1}‖ of the row norms of successive orders.

    [Ren24 Proposition 1] says that r^(k) > 1 and that it increases with σ². Neither is true in
    general: `norm_ratio_violations` says where they fail, and `recovery` is the quantity for which
    both hold.

    Args:
        n: number of players.
        sigma2: noise variance, a number or (m,).
        noise: the noise's covariance.

    Returns:
        (n,) or (m, n), entry k is r^(k); 1 at σ² = 0, `limiting_norm_ratio` at σ² = ∞. The error is
        that of `row_norms`.

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1, or a negative or matrix-valued σ².

    Example:
        >>> print(norm_ratios(3, [0.01, float("inf")]).round(3))
        [[1.09  1.351 1.88 ]
         [3.162 3.162 3.162]]
    """
    check_noise(noise)
    n = check_players(n)
    return jnp.exp(log_norm_ratios(check_variance(sigma2), noise, n))


def log_norm_ratios(sigma2: jax.Array, noise: NoiseModel, n: int) -> jax.Array:
    """ln r^(k), (n,) or (m, n): accurate also where r^(k) − 1 is tiny."""
    log_norms, _ = _log_row_norms(sigma2, noise, jnp.zeros((), sigma2.dtype), n)
    return log_norms[..., :-1] - log_norms[..., 1:]


def limiting_norm_ratio(noise: NoiseModel = NoiseModel()) -> jax.Array:
    """The limit of every r^(k) as σ² → ∞, whatever n and k: √10 for the paper's noise.

    There M̂ → (D⁻¹A)^{⊗n}/(2ⁿσ²), whose row norms are ∝ ‖row 0‖^{n−k} ‖row 1‖^k of D⁻¹A: the limit
    is ‖(D⁻¹A)_{0·}‖ / ‖(D⁻¹A)_{1·}‖. For independent noise it is g·√(5/2). (Ours.)

    Args:
        noise: the noise's covariance.

    Returns:
        A number.

    Example:
        >>> print(round(float(limiting_norm_ratio()) ** 2, 9))
        10.0
    """
    check_noise(noise)
    matrix = noise.matrix()
    rows = jnp.linalg.solve(matrix, jnp.array([[2, 1], [1, 1]], matrix.dtype))
    norms = jnp.sqrt(jnp.sum(rows**2, axis=1))
    return norms[0] / norms[1]


def expected_strength(
    n: int, sigma2: ArrayLike, rho: ArrayLike = 1.0, noise: NoiseModel = NoiseModel()
) -> jax.Array:
    """Strength of each order that is learned, on average, when the true interactions are random.

    E Σ_{|T|=k} |ŵ_T| for independent normal w*_U with standard deviation ρ^{|U|}
    (`random_interactions`). Every ŵ_T is then normal, so for ρ = 1 this is √(2/π)·C(n,k)·‖m̂_k‖;
    for other ρ the columns of M̂ are scaled by ρ^{|U|}. (Ours, from [Ren24 Theorem 4].)

    Args:
        n: number of players.
        sigma2: noise variance, a number or (m,).
        rho: growth of the true interactions with order, > 0.
        noise: the noise's covariance.

    Returns:
        (n,) or (m, n), for the orders 1..n, in the units of w*.

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1, ρ is not a positive number, or a negative or matrix-valued σ².

    Example:
        >>> strength = expected_strength(10, [0.0, 1e-3, 1.0])
        >>> print(strength.argmax(axis=-1) + 1)  # the peak moves down as noise comes in
        [5 4 3]
    """
    check_noise(noise)
    n = check_players(n)
    sigma2 = check_variance(sigma2)
    log_rho = jnp.log(check_rho(rho).astype(sigma2.dtype))
    log_norms, log_scale = _log_row_norms(sigma2, noise, log_rho, n)
    log_number = log_binomials(n, sigma2.dtype)[n] + 0.5 * math.log(2 / math.pi)
    log_number = jnp.broadcast_to(log_number, log_norms.shape)
    return jnp.exp(log_norms + log_scale[..., None] + log_number)[..., 1:]


class Mixture(NamedTuple):
    """What each player contributes to an entry of M̂ (see the module's docstring)."""

    stay: jax.Array  # (q₀, q₁): the order of the gain stays
    shift: jax.Array  # (p₀, p₁): it rises by one
    cross: jax.Array  # (β₀₁, β₁₀)


def mixture_of(noise: NoiseModel, dtype: jnp.dtype) -> Mixture:
    vectors, dual, _ = noise.eigenbasis(dtype)
    stay, shift = vectors[:, 0] * dual[0], vectors[:, 1] * dual[1]
    cross = jnp.stack([vectors[0, 0] * dual[0, 1], vectors[1, 0] * dual[0, 0]])
    return Mixture(stay, shift, cross)


def mix(values: jax.Array, mixture: Mixture, dropped: jax.Array) -> jax.Array:
    """(q₁+p₁E)^{n−b−m} (q₀+p₀E)^b applied to each row of `values`, at order 0.

    Args:
        values: (r, n+1), functions of the order.
        mixture: the players' contributions.
        dropped: (r,), the number m of players left out in each row.

    Returns:
        (n+1, r): entry b; meaningless where b + m > n.
    """
    n = values.shape[-1] - 1
    (q0, q1), (p0, p1) = mixture.stay, mixture.shift

    def add_present(weights: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        return q1 * weights + p1 * jnp.pad(weights[:-1], (1, 0)), weights

    first = jnp.zeros(n + 1, values.dtype).at[0].set(1)
    _, weights = jax.lax.scan(add_present, first, length=n + 1)  # of (q₁+p₁E)^a, (a, shift)

    def add_absent(values: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
        mixed = jnp.sum(weights[jnp.maximum(n - b - dropped, 0)] * values, axis=-1)
        return q0 * values + p0 * jnp.pad(values[:, 1:], ((0, 0), (0, 1))), mixed

    return jax.lax.scan(add_absent, values, jnp.arange(n + 1))[1]


@functools.partial(jax.jit, static_argnames="n")
def _log_row_norms(
    sigma2: jax.Array, noise: NoiseModel, log_rho: jax.Array, n: int
) -> tuple[jax.Array, jax.Array]:
    """ln ‖m̂_k‖ in two parts: (n+1,) or (m, n+1), finite even at σ² = ∞, and () or (m,)."""

    def at(sigma2: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _log_row_norms_at(sigma2, noise, log_rho, n)

    return at(sigma2) if sigma2.ndim == 0 else jax.lax.map(at, sigma2)


def _log_row_norms_at(
    sigma2: jax.Array, noise: NoiseModel, log_rho: jax.Array, n: int
) -> tuple[jax.Array, jax.Array]:
    mixture = mixture_of(noise, sigma2.dtype)
    gains, losses, log_scale = scaled_gains(n, sigma2, noise)
    a, b = jnp.arange(n + 1)[:, None], jnp.arange(n + 1)[None, :]
    m = n - a - b  # players in only one of T and U
    entries = entries_of(gains, losses, noise)  # (b, m)
    lost = mix(losses[None], mixture, jnp.zeros(1, int))[::-1, 0]  # 1 − M̂_TT
    squares = jnp.where(m >= 0, entries[b, jnp.maximum(m, 0)], 0.0) ** 2
    scale = jnp.exp(2 * log_rho)  # of the players of U
    inside, outside = mixture.cross[1] ** 2, mixture.cross[0] ** 2 * scale
    binomials = jnp.exp(log_binomials(n, sigma2.dtype))
    spread = jnp.maximum(a - b, 0)
    shared = binomials * scale**b * inside**spread  # (t, a): the players of T
    absent = (binomials * outside**spread)[::-1]  # (t, b): the others

    def total(squares: jax.Array) -> jax.Array:
        return jnp.sum((shared @ squares) * absent, axis=1)

    # Near 1, ln ‖m̂‖ comes from 1 − ‖m̂‖² = (1−M̂_TT)(1+M̂_TT) − Σ_{U≠T} M̂_TU².
    deficit = lost * (2 - lost) - total(jnp.where(m > 0, squares, 0.0))
    near_one = (log_scale == 0) & (log_rho == 0) & (deficit < 0.5)
    log_near_one = 0.5 * jnp.log1p(-jnp.where(near_one, deficit, 0.0))
    return jnp.where(near_one, log_near_one, 0.5 * jnp.log(total(squares))), log_scale


def scaled_gains(
    n: int, sigma2: jax.Array, noise: NoiseModel
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """c·g_k, 1 − g_k and −ln c, with c = max(1, σ²/θ₀): c·g_k stays finite as σ² → ∞."""
    gains, losses = gains_and_losses(n, sigma2, noise)
    log_theta = log_thresholds(n, noise, sigma2.dtype)
    large = jnp.log(jnp.where(sigma2 > 0, sigma2, 1.0)) > log_theta[0]
    large &= sigma2 > 0
    log_scale = jnp.where(large, log_theta[0] - jnp.log(jnp.where(large, sigma2, 1.0)), 0.0)
    scaled = jnp.exp(log_theta - log_theta[0]) * losses
    return jnp.where(large, scaled, gains), losses, log_scale


def entries_of(gains: jax.Array, losses: jax.Array, noise: NoiseModel) -> jax.Array:
    """X of the module's docstring at b = n − |T∪U| and m = |T∖U| + |U∖T|, (b, m).

    Meaningless where b + m > n. In the scale of the gains.
    """
    differences = _differences(gains, losses, noise)
    return mix(differences, mixture_of(noise, gains.dtype), jnp.arange(gains.shape[0]))


def _differences(gains: jax.Array, losses: jax.Array, noise: NoiseModel) -> jax.Array:
    """(1−E)^m g for m = 0..n, (m, order); meaningless where m + order > n."""
    largest, smallest = noise.eigenbasis(gains.dtype).values
    step = (largest - smallest) / largest  # 1 − θ_{k+1}/θ_k
    first = jnp.pad(step * gains[:-1] * losses[1:], (0, 1))

    def subtract(values: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        return values - jnp.pad(values[1:], (0, 1)), values

    _, higher = jax.lax.scan(subtract, first, length=gains.shape[0] - 1)
    return jnp.concatenate([gains[None], higher])


def log_binomials(n: int, dtype: jnp.dtype) -> jax.Array:
    """ln C(t, a), (n+1, n+1); −∞ where a > t."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    t, a = np.arange(n + 1)[:, None], np.arange(n + 1)[None, :]
    table = log_factorial[t] - log_factorial[a] - log_factorial[np.maximum(t - a, 0)]
    return jnp.asarray(np.where(a <= t, table, -np.inf), dtype)
