"""Interactions before training: the spindle, and random interactions that have it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jax.typing import ArrayLike

from theory.checks import check_listed, check_players, check_rho
from theory.lattice import by_order


def initial_strength(n: int, rho: ArrayLike = 2**0.5) -> jax.Array:
    """Distribution over orders of the strength of an untrained network: ∝ C(n,k)·ρ^k.

    Independent noise on the outputs gives ρ = √2, since E|I(S)| ∝ 2^{|S|/2}; independent,
    identically distributed interactions give ρ = 1. (The bars of [Zhang24] Fig. 3, digitised, are
    nearest to ρ = 1.55.)

    Args:
        n: number of players.
        rho: growth of the mean strength of an interaction with its order, > 0.

    Returns:
        (n,), for the orders 1..n, summing to 1.

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1, or ρ is not a positive number.

    Example:
        >>> int(initial_strength(10).argmax()) + 1
        6
    """
    n = check_players(n)
    rho = check_rho(rho).astype(float)
    k = jnp.arange(1, n + 1, dtype=rho.dtype)
    log_binomial = gammaln(n + 1.0) - gammaln(k + 1) - gammaln(n - k + 1)
    return jax.nn.softmax(log_binomial + k * jnp.log(rho))


def random_interactions(
    key: jax.Array, n: int, rho: ArrayLike = 1.0, shape: tuple[int, ...] = ()
) -> jax.Array:
    """Independent normal interactions whose standard deviation grows with order as ρ^{|S|}.

    Their mean strength by order has the distribution `initial_strength(n, rho)`, and what of them
    is learned under noise the strength `expected_strength(n, sigma2, rho)`. Interactions of outputs
    with independent noise have ρ = √2 too, but are correlated: `and_interactions` of normal numbers
    makes those.

    Args:
        key: JAX random key.
        n: number of players.
        rho: growth of the standard deviation with order, > 0.
        shape: batch axes.

    Returns:
        (*shape, 2^n), of the dtype of `rho` (JAX's default float for a Python number).

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1 or n > 30, or ρ is not a positive number.

    Example:
        >>> import jax
        >>> random_interactions(jax.random.key(0), 3, shape=(5,)).shape
        (5, 8)
    """
    n = check_listed(n)
    rho = check_rho(rho)
    normal = jax.random.normal(key, (*shape, 2**n), rho.dtype)
    scale = by_order(rho ** jnp.arange(n + 1, dtype=rho.dtype), n)
    return normal * scale.reshape((1,) * len(shape) + (-1,))
