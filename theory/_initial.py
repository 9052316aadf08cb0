"""Interactions before training: the spindle."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jax.typing import ArrayLike

from theory._lattice import check_players


def initial_strength(n: int, rho: ArrayLike = 2**0.5) -> jax.Array:
    """Distribution over orders of the strength of an untrained network: ∝ C(n,k)·ρ^k.

    Independent noise on the outputs gives ρ = √2, since E|I(S)| ∝ 2^{|S|/2}; independent,
    identically distributed interactions give ρ = 1. ([Zhang24] Fig. 3 shows ρ = √2.)

    Args:
        n: number of players.
        rho: growth of the mean strength of an interaction with its order, > 0.

    Returns:
        (n,), for the orders 1..n, summing to 1.

    Example:
        >>> int(initial_strength(10).argmax()) + 1
        6
    """
    n = check_players(n)
    if isinstance(rho, (int, float)) and not rho > 0:
        raise ValueError(f"Argument `rho` must be positive, but is {rho}.")
    rho = jnp.asarray(rho, float)
    k = jnp.arange(1, n + 1, dtype=rho.dtype)
    log_binomial = gammaln(n + 1.0) - gammaln(k + 1) - gammaln(n - k + 1)
    return jax.nn.softmax(log_binomial + k * jnp.log(rho))
