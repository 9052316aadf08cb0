"""How far apart two distributions over orders are."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp


@jax.jit
def total_variation(p: jax.Array, q: jax.Array) -> jax.Array:
    """Total variation ½ Σ_k |p(k) − q(k)| along the last axis: between 0 and 1."""
    return 0.5 * jnp.sum(jnp.abs(p - q), axis=-1)


@jax.jit
def jensen_shannon(p: jax.Array, q: jax.Array) -> jax.Array:
    """Jensen–Shannon divergence in bits along the last axis: between 0 and 1."""
    middle = 0.5 * (p + q)
    return 0.5 * (_kullback_leibler(p, middle) + _kullback_leibler(q, middle))


@jax.jit
def least_squares(p: jax.Array, q: jax.Array) -> jax.Array:
    """Sum of squared differences Σ_k (p(k) − q(k))² along the last axis."""
    return jnp.sum((p - q) ** 2, axis=-1)


def _kullback_leibler(p: jax.Array, q: jax.Array) -> jax.Array:
    some = p > 0
    ratio = jnp.where(some, p, 1.0) / jnp.where(some, q, 1.0)
    return jnp.sum(jnp.where(some, p * jnp.log2(ratio), 0.0), axis=-1)


DISTANCES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "total_variation": total_variation,
    "jensen_shannon": jensen_shannon,
    "least_squares": least_squares,
}


def distance_named(name: str) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The distance of that name; a ValueError that lists the names otherwise."""
    if name not in DISTANCES:
        raise ValueError(
            f"Argument `distance` must be one of {', '.join(DISTANCES)}, but is '{name}'."
        )
    return DISTANCES[name]
