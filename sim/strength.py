"""Strength by order of AND and OR interactions: measured, added, averaged over samples."""

from __future__ import annotations

import functools
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.checks import check_choice
from theory import SALIENCE, order_distribution, salience_threshold, strength_by_order

Array = TypeVar("Array", np.ndarray, jax.Array)

PARTS = ("both", "and", "or")


def measured_strength(
    i_and: ArrayLike,
    i_or: ArrayLike,
    outputs: ArrayLike,
    *,
    parts: str = "both",
    salience: float = SALIENCE,
    per_sample: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Strength by order of measured interactions, and the threshold of salience that was used.

    Args:
        i_and: (checkpoints, samples, 2^n).
        i_or: (checkpoints, samples, 2^n).
        outputs: (checkpoints, samples, 2^n), v(S).
        parts: whose strength is counted: `both`, `and` or `or`.
        salience: the factor of the threshold.
        per_sample: every sample has its own threshold, instead of the mean over samples.

    Returns:
        (checkpoints, samples, n) for the orders 1..n, and τ as (checkpoints, samples):
        `salience` times the mean of |v(N) − v(∅)| over a checkpoint's samples.
    """
    halves, threshold = _strengths(
        jnp.asarray(i_and), jnp.asarray(i_or), jnp.asarray(outputs), salience, per_sample
    )
    return added_parts(halves, parts), threshold


@functools.partial(jax.jit, static_argnames="per_sample")
def _strengths(
    i_and: jax.Array, i_or: jax.Array, outputs: jax.Array, salience: float, per_sample: bool
) -> tuple[jax.Array, jax.Array]:
    threshold = salience_threshold(outputs[..., -1], outputs[..., 0], salience, per_sample)
    halves = [strength_by_order(half, threshold) for half in (i_and, i_or)]
    return jnp.stack(halves), threshold


def check_parts(parts: str) -> None:
    """Raises unless `parts` is the name of what can be counted."""
    check_choice(parts, "parts", PARTS)


def added_parts(halves: Array, parts: str, axis: int = 0) -> Array:
    """The strength that counts: AND (entry 0 along `axis`), OR (entry 1), or both added."""
    check_parts(parts)
    if parts == "both":
        return halves.sum(axis=axis)
    return halves.take(PARTS.index(parts) - 1, axis=axis)


@jax.jit
def averaged_distribution(strength: ArrayLike) -> jax.Array:
    """Distribution over orders (a, n) of strengths (a, samples, n), averaged over samples."""
    return order_distribution(jnp.mean(jnp.asarray(strength), axis=1))


@jax.jit
def weighted_distributions(weights: ArrayLike, strength: ArrayLike) -> jax.Array:
    """The same under many weightings of the samples, (w, samples): (w, a, n)."""
    return order_distribution(jnp.einsum("ws,asn->wan", weights, strength))
