"""Recovery: the fraction of its own true interaction that each order recovers under noise.

What [Ren24 Proposition 1] says of row norms is true of the diagonal of M̂, and here is the proof.

ρ_T = M̂_TT = Σ_K [V^{⊗n}]_TK g_{|K|} [(VᵀD)^{⊗n}]_KT, and for D = diag(1, g) each player's product
V[t,a](VᵀD)[a,t] is Q[t,a]² with Q = D^{1/2}V orthogonal. So ρ_T = E g_K, where K, the number of
players whose mode is a = 1, is Binomial(|T|, p₁) + Binomial(n−|T|, p₀), p₁ = Q[1,1]² = 1 − p₀.

1. *Recovery falls with order.* p₁ > p₀ for growth > ½ (the second mode leans on present players),
   so K grows stochastically with |T|; g_k falls strictly with k; hence so does E g_K, for every n
   and every σ² > 0.
2. *Ratios of recoveries rise with σ².* Going from |T| to |T|+1 replaces a Bernoulli(p₀) by a
   Bernoulli(p₁), and sums of independent Bernoullis have log-concave laws, so the law of K is
   totally positive of order 2 in (|T|, K). With s = σ², g_k(s) = θ_k/(θ_k+s) has
   ∂/∂s ln(g_j/g_k) = 1/(θ_k+s) − 1/(θ_j+s) > 0 for j < k, as θ_j > θ_k: g is reverse regular of
   order 2 in (k, s). By the basic composition formula their product is reverse regular in
   (|T|, s), that is, ρ_T/ρ_T' increases with s whenever |T| < |T'|.

With correlated noise V[t,a](VᵀD)[a,t] is not a square, and neither clause need hold.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from theory._learning import gains_and_losses, log_thresholds, logistic
from theory._rows import mix, mixture_of
from theory.checks import ArgumentError, check_players, check_variance
from theory.noise import NoiseModel, check_noise


def recovery(n: int, sigma2: ArrayLike, noise: NoiseModel = NoiseModel()) -> jax.Array:
    """Fraction ρ_T = M̂_TT = ∂ŵ_T/∂w*_T of its own true interaction that a set T recovers, by order.

    For independent noise ρ_T = E[g_K] with K ~ Binomial(|T|, p₁) + Binomial(n−|T|, 1−p₁) (for the
    paper's noise p₁ = (1+3/√17)/2 ≈ 0.864): a sum of positive terms, exact to rounding for every n
    up to 1,000 and more, at a cost of O(n²). For growth > ½ it falls strictly with order, and the
    ratio of a lower order's to a higher order's rises with σ² (up to 4 for the paper's noise): the
    two clauses of [Ren24 Proposition 1]. The module's docstring has the proof. (Ours.)

    Args:
        n: number of players.
        sigma2: noise variance, a number or (m,).
        noise: the noise's covariance; with correlation·√growth > ½ the terms alternate and accuracy
            falls with n.

    Returns:
        (n+1,) or (m, n+1), for the orders |T| = 0..n; 1 at σ² = 0, 0 at σ² = ∞.

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1, or a negative or matrix-valued σ².

    Example:
        >>> print(recovery(2, [0.0, 0.1]).round(3))
        [[1.    1.    1.   ]
         [0.826 0.547 0.228]]
    """
    check_noise(noise)
    n = check_players(n)
    return _recovery(check_variance(sigma2), noise, n)


@functools.partial(jax.jit, static_argnames="n")
def _recovery(sigma2: jax.Array, noise: NoiseModel, n: int) -> jax.Array:
    gains, _ = gains_and_losses(n, sigma2, noise)
    return _average(gains.reshape(-1, n + 1), noise).reshape(gains.shape)


def _average(gains: jax.Array, noise: NoiseModel) -> jax.Array:
    """E[g_K] for every order: (r, n+1) to (r, n+1)."""
    mixture = mixture_of(noise, gains.dtype)
    return mix(gains, mixture, jnp.zeros(gains.shape[0], int))[::-1].T


def half_recovery_levels(n: int, noise: NoiseModel = NoiseModel()) -> jax.Array:
    """Noise variances at which each order recovers half of its true interactions: ρ_k(σ²) = ½.

    A network at noise σ² has let through the orders whose level is above σ². For the paper's noise
    and large n each order costs a factor 10.404^{3/√17} ≈ 5.5 in σ². (Ours.)

    Args:
        n: number of players.
        noise: the noise's covariance, of independent noise (correlation 0).

    Returns:
        (n+1,), for the orders 0..n, in units of σ².

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1, or correlated noise, for which recovery need not be monotone.

    Example:
        >>> for level in half_recovery_levels(10)[:4]:
        ...     print(f"{level:.1e}")
        1.9e-01
        3.3e-02
        5.8e-03
        1.0e-03
    """
    check_noise(noise)
    n = check_players(n)
    if not isinstance(noise.correlation, jax.core.Tracer) and noise.correlation != 0:
        raise ArgumentError(
            "noise",
            "have correlation 0 (recovery under correlated noise need not fall with sigma2)",
            f"has correlation {noise.correlation}",
        )
    return _half_levels(noise, n)


@functools.partial(jax.jit, static_argnames="n")
def _half_levels(noise: NoiseModel, n: int) -> jax.Array:
    log_theta = log_thresholds(n, noise, float)
    # Row k is the law of K at order k: the averages of the unit vectors.
    law = _average(jnp.eye(n + 1, dtype=log_theta.dtype), noise).T

    def bisect(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = 0.5 * (low + high)
        recovered = jnp.sum(law * logistic(log_theta[None, :] - middle[:, None]), axis=1)
        above = recovered > 0.5  # too little noise yet
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    bounds = (jnp.full(n + 1, log_theta[-1]), jnp.full(n + 1, log_theta[0]))
    low, high = jax.lax.fori_loop(0, 64, bisect, bounds)
    return jnp.exp(0.5 * (low + high))
