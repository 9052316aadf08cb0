"""Which interactions are salient, and how their strength is distributed over orders."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from theory.checks import ArgumentError, as_real, as_sets

SALIENCE = 0.03
"""Factor of the threshold of salience, τ = 0.03 · E_x |v(N) − v(∅)| [Ren24]."""


def sum_by_order(values: ArrayLike) -> jax.Array:
    """Sums an array over the sets of each order, in O(2^n) and without an index array.

    Merges one player at a time: sets that hold the player count one order higher.

    Args:
        values: (..., 2^n).

    Returns:
        (..., n+1), for the orders 0..n.

    Example:
        >>> sum_by_order([1.0, 2.0, 3.0, 4.0])
        Array([1., 5., 4.], dtype=float64)
    """
    sums, n = as_sets(values, "values")
    batch = sums.shape[:-1]
    sums = sums.reshape(*batch, -1, 1)
    pad = [(0, 0)] * len(batch)
    for _ in range(n):
        half = sums.shape[-2] // 2
        absent, present = sums[..., :half, :], sums[..., half:, :]
        sums = jnp.pad(absent, [*pad, (0, 0), (0, 1)]) + jnp.pad(present, [*pad, (0, 0), (1, 0)])
    return sums[..., 0, :]


def strength_by_order(i: ArrayLike, threshold: ArrayLike = 0.0) -> jax.Array:
    """Strength of the salient interactions of each order k: Σ_{|S|=k, |I(S)|≥τ} |I(S)|.

    Order 0 is never counted. The mean over samples is left to the caller; AND and OR strengths
    are added [Ren24 Eq. 8].

    Args:
        i: (..., 2^n) interactions, in the units of v (log-odds).
        threshold: τ ≥ 0, broadcast against the batch axes of `i`.

    Returns:
        (..., n), for the orders 1..n.

    Raises:
        ValueError: the threshold is negative, or does not broadcast to the batch axes.

    Example:
        >>> strength_by_order([9.0, 1.0, -2.0, 0.1], threshold=0.5)
        Array([3., 0.], dtype=float64)
    """
    i, _ = as_sets(i, "i")
    threshold = jnp.asarray(threshold, i.dtype)
    if not isinstance(threshold, jax.core.Tracer) and not bool(jnp.all(threshold >= 0)):
        raise ArgumentError("threshold", "be nonnegative", f"is {threshold}")
    try:
        threshold = jnp.broadcast_to(threshold, i.shape[:-1])
    except ValueError:
        raise ArgumentError(
            "threshold",
            f"broadcast to the batch axes {i.shape[:-1]} of `i`",
            f"has shape {threshold.shape}",
        ) from None
    size = jnp.abs(i)
    return sum_by_order(jnp.where(size >= threshold[..., None], size, 0.0))[..., 1:]


def salience_threshold(
    full: ArrayLike, empty: ArrayLike, fraction: float = SALIENCE, per_sample: bool = False
) -> jax.Array:
    """The threshold above which an interaction is salient: τ = 0.03 · E_x |v(N) − v(∅)|  [Ren24].

    Args:
        full: (..., samples), v(N): the output on the unmasked input.
        empty: (..., samples), v(∅): the output with every player masked.
        fraction: the factor 0.03.
        per_sample: leave out the mean over samples, and give each sample its own threshold.

    Returns:
        (..., samples), ready to be the `threshold` of `strength_by_order`; the same for every
        sample unless `per_sample`.

    Example:
        >>> salience_threshold([3.0, 1.0], [1.0, 1.0])  # 0.03 · (2 + 0) / 2
        Array([0.03, 0.03], dtype=float64)
    """
    effect = jnp.abs(as_real(full, "full") - as_real(empty, "empty"))
    if not per_sample:
        effect = jnp.broadcast_to(jnp.mean(effect, axis=-1, keepdims=True), effect.shape)
    return fraction * effect


def order_distribution(strength: ArrayLike) -> jax.Array:
    """The distribution of strength over orders: each strength divided by their sum.

    [Ren24] divides by the mean over orders instead, a factor n.

    Args:
        strength: (..., n), nonnegative.

    Returns:
        (..., n), summing to 1; all zeros where there is no strength at all.

    Example:
        >>> order_distribution([1.0, 3.0])
        Array([0.25, 0.75], dtype=float64)
    """
    strength = as_real(strength, "strength")
    total = jnp.sum(strength, axis=-1, keepdims=True)
    return jnp.where(total > 0, strength / jnp.where(total > 0, total, 1.0), 0.0)


def mean_order(distribution: ArrayLike) -> jax.Array:
    """Mean order Σ_k k·d(k) of a distribution over the orders 1..n.

    Args:
        distribution: (..., n), summing to 1 along the last axis.

    Returns:
        (...), between 1 and n.

    Example:
        >>> mean_order([0.25, 0.75])
        Array(1.75, dtype=float64)
    """
    distribution = as_real(distribution, "distribution")
    return distribution @ jnp.arange(1, distribution.shape[-1] + 1, dtype=distribution.dtype)
