"""Theorem 3: the interactions that a network learns under noise, in closed form."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from theory.checks import ArgumentError, as_pair, as_sets, check_players, check_variance
from theory.lattice import apply_power, by_order, zeta
from theory.noise import NoiseModel, check_noise

BLOCK = 2**16  # numbers transformed at once where there are many variances


def log_thresholds(n: int, noise: NoiseModel, dtype: jnp.dtype | type) -> jax.Array:
    """ln θ_k, (n+1,)."""
    log_half = jnp.log(noise.eigenbasis(dtype).values) - math.log(2.0)
    k = jnp.arange(n + 1, dtype=dtype)
    return (n - k) * log_half[0] + k * log_half[1]


def learning_thresholds(n: int, noise: NoiseModel = NoiseModel()) -> jax.Array:
    """Noise variances θ_k at which the eigenmodes of each order k are half learned.

    θ_k = (μ₀/2)^{n−k} (μ₁/2)^k. They fall evenly in ln σ²; for the paper's noise by
    ln((5+√17)/(5−√17)) = ln 10.404 from one order to the next. (Ours, from [Ren24 Theorem 3].)

    Args:
        n: number of players.
        noise: the noise's covariance.

    Returns:
        (n+1,), for the orders 0..n, in units of σ².

    Example:
        >>> theta = learning_thresholds(10)
        >>> print(round(float(theta[0] / theta[1]), 3))
        10.404
    """
    check_noise(noise)
    return jnp.exp(log_thresholds(check_players(n), noise, float))


def mode_gains(n: int, sigma2: ArrayLike, noise: NoiseModel = NoiseModel()) -> jax.Array:
    """Fraction of each eigenmode's target that is learned at noise σ²: g_k = θ_k / (θ_k + σ²).

    Computed as sigmoid(ln θ_k − ln σ²), so that it is accurate for every n and σ², 0 and ∞
    included. (Ours, from [Ren24 Theorem 3].)

    Args:
        n: number of players.
        sigma2: noise variance, a number or (m,).
        noise: the noise's covariance.

    Returns:
        (n+1,) or (m, n+1), between 0 and 1, for the orders 0..n.

    Example:
        >>> print(mode_gains(2, [0.0, float("inf")]))
        [[1. 1. 1.]
         [0. 0. 0.]]
    """
    check_noise(noise)
    sigma2 = check_variance(sigma2)
    return _gains(check_players(n), sigma2, noise)


def _gains(n: int, sigma2: jax.Array, noise: NoiseModel) -> jax.Array:
    return gains_and_losses(n, sigma2, noise)[0]


def gains_and_losses(n: int, sigma2: jax.Array, noise: NoiseModel) -> tuple[jax.Array, jax.Array]:
    """g_k and 1 − g_k, each (n+1,) or (m, n+1) and accurate also where it is tiny."""
    shape = (*sigma2.shape, n + 1)
    log_theta = jnp.broadcast_to(log_thresholds(n, noise, sigma2.dtype), shape)
    sigma2 = jnp.broadcast_to(sigma2[..., None], shape)
    positive = sigma2 > 0
    log_odds = log_theta - jnp.log(jnp.where(positive, sigma2, 1.0))
    # At sigma2 = 0 the logarithm has no derivative, but the gain has: −1/θ.
    odds = jnp.where(positive, 0.0, sigma2) * _safe_exp(-log_theta)
    return (
        jnp.where(positive, logistic(log_odds), 1 / (1 + odds)),
        jnp.where(positive, logistic(-log_odds), odds / (1 + odds)),
    )


def _safe_exp(x: jax.Array) -> jax.Array:
    return jnp.exp(jnp.minimum(x, 0.5 * jnp.log(jnp.finfo(x.dtype).max)))


@jax.custom_jvp
def logistic(x: jax.Array) -> jax.Array:
    """1/(1+e^{−x}), with a derivative that does not round to zero where the value rounds to one."""
    return jax.nn.sigmoid(x)


@logistic.defjvp
def _logistic_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (dx,) = primals, tangents
    return logistic(x), logistic(x) * logistic(-x) * dx


def optimal_interactions(
    true: ArrayLike, sigma2: ArrayLike, noise: NoiseModel = NoiseModel()
) -> jax.Array:
    """Interactions ŵ(σ²) that minimise the expected loss under noise σ²  [Ren24 Theorem 3].

    ŵ = (JᵀJ + 2ⁿ Cov ε)⁻¹ JᵀJ w*, solved exactly in O(n·2^n) as V^{⊗n} · g_{|T|}(σ²) · (VᵀD)^{⊗n}
    w*: the true interactions are turned into eigenmodes, each is damped by its gain, and turned
    back. All values of σ² share the forward transform, and no more than n+1 transforms back.

    Args:
        true: (..., 2^n), the true interactions w*.
        sigma2: noise variance, a number or (m,); 0 gives w*, ∞ gives 0.
        noise: the noise's covariance.

    Returns:
        (..., 2^n), or (m, ..., 2^n) for a vector of variances; of the dtype of `true`.

    Raises:
        ValueError: a last axis that is not of size 2^n, or a negative or matrix-valued σ².

    Example:
        >>> w = optimal_interactions([0.0, 1.0, 1.0, 1.0], sigma2=0.1)
        >>> print(w.round(3))
        [0.354 0.75  0.75  0.44 ]
    """
    check_noise(noise)
    true, n = as_sets(true, "true")
    sigma2 = check_variance(sigma2, true.dtype)
    return _optimal(true, sigma2, noise, n)


@functools.partial(jax.jit, static_argnames="n")
def _optimal(true: jax.Array, sigma2: jax.Array, noise: NoiseModel, n: int) -> jax.Array:
    vectors, dual, _ = noise.eigenbasis(true.dtype)
    modes = apply_power(dual, true)

    def damped(gains: jax.Array) -> jax.Array:
        weights = by_order(gains, n).reshape((1,) * (true.ndim - 1) + (-1,))
        return apply_power(vectors, weights * modes)

    gains = _gains(n, sigma2, noise)
    if sigma2.ndim == 0:
        return damped(gains)
    # A few transforms at a time: enough for wide products, and no more memory than the result.
    few = max(1, BLOCK // true.size)
    if len(sigma2) <= n + 1:
        return jax.lax.map(damped, gains, batch_size=few)
    # ŵ is linear in the gains, of which there are n+1: as many transforms serve all variances.
    parts = jax.lax.map(damped, jnp.eye(n + 1, dtype=true.dtype), batch_size=few)
    return jax.lax.dot_general(
        gains, parts, (((1,), (0,)), ((), ())), precision=jax.lax.Precision.HIGHEST
    )


def noisy_loss(
    w: ArrayLike, true: ArrayLike, sigma2: ArrayLike, noise: NoiseModel = NoiseModel()
) -> jax.Array:
    """Expected loss under noise, E_S E_ε (y_S − wᵀ(J_S + ε))²  [Ren24 Eq. 10].

    With y = J w* it is 2⁻ⁿ ‖ζ(w* − w)‖² + σ² wᵀ D^{⊗n} w; `optimal_interactions` minimises it.

    Args:
        w: (..., 2^n), the network's interactions.
        true: (..., 2^n), the true interactions w*; broadcast against `w`.
        sigma2: noise variance, a number.
        noise: the noise's covariance.

    Returns:
        (...), in squared units of the output.

    Raises:
        ValueError: a last axis that is not of size 2^n or not shared, or a σ² that is negative or
            not a number.

    Example:
        >>> noisy_loss([0.0, 0.0], [1.0, 2.0], sigma2=0.1)  # (1² + 3²) / 2
        Array(5., dtype=float64)
    """
    check_noise(noise)
    return _noisy_loss(*_check_loss(w, true, sigma2), noise)


def noisy_loss_gradient(
    w: ArrayLike, true: ArrayLike, sigma2: ArrayLike, noise: NoiseModel = NoiseModel()
) -> jax.Array:
    """Gradient of `noisy_loss` by w: 2·(2⁻ⁿ JᵀJ (w − w*) + σ² D^{⊗n} w), in closed form.

    It vanishes at `optimal_interactions`: that is the proof of [Ren24 Theorem 3].

    Args:
        w: (..., 2^n), the network's interactions.
        true: (..., 2^n), the true interactions w*; broadcast against `w`.
        sigma2: noise variance, a number.
        noise: the noise's covariance.

    Returns:
        (..., 2^n), in units of the output.

    Raises:
        ValueError: as `noisy_loss`.

    Example:
        >>> noisy_loss_gradient([0.0, 0.0], [1.0, 2.0], sigma2=0.1)
        Array([-4., -3.], dtype=float64)
    """
    check_noise(noise)
    return _noisy_loss_gradient(*_check_loss(w, true, sigma2), noise)


def _check_loss(
    w: ArrayLike, true: ArrayLike, sigma2: ArrayLike
) -> tuple[jax.Array, jax.Array, jax.Array]:
    w, true, _ = as_pair(w, true, ("w", "true"))
    sigma2 = check_variance(sigma2, w.dtype)
    if sigma2.ndim:
        raise ArgumentError("sigma2", "be a number", f"has shape {sigma2.shape}")
    return w, true, sigma2


@jax.jit
def _noisy_loss(w: jax.Array, true: jax.Array, sigma2: jax.Array, noise: NoiseModel) -> jax.Array:
    error = jnp.mean(zeta(true - w) ** 2, axis=-1)
    return error + sigma2 * jnp.sum(w * apply_power(noise.matrix(w.dtype), w), axis=-1)


@jax.jit
def _noisy_loss_gradient(
    w: jax.Array, true: jax.Array, sigma2: jax.Array, noise: NoiseModel
) -> jax.Array:
    # 2⁻ⁿ JᵀJ = (A/2)^{⊗n}
    pull = apply_power(jnp.array([[1, 0.5], [0.5, 0.5]], w.dtype), w - true)
    return 2 * (pull + sigma2 * apply_power(noise.matrix(w.dtype), w))
