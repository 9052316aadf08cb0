"""Both phases from one noise level: what was at the start stays, what is learned comes on top.

In absolute size a network's initial interactions are not removed in the first phase: their share
falls because the learned ones outgrow them. So a checkpoint is v̂ = v₀ + s·J ŵ(σ²), with s such that
the mean effect |v(N) − v(∅)| is the observed one, and σ² the only number that is left free. (Ours.)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from theory._learning import optimal_interactions
from theory.checks import ArgumentError, as_pair, as_real
from theory.noise import NoiseModel


def superpose(
    initial: ArrayLike,
    true: ArrayLike,
    sigma2: ArrayLike,
    scale: ArrayLike = 1.0,
    noise: NoiseModel = NoiseModel(),
) -> jax.Array:
    """Interactions of a network that keeps its initial ones and adds what it learns under noise.

    w₀ + s·ŵ(σ²), with ŵ(σ²) the optimum of [Ren24 Theorem 3]. (Ours.) Without noise and at s = 1 it
    is w₀ + w*: where the end is known and is to be met, w* is that less the start.

    Args:
        initial: (..., 2^n), w₀, the interactions at the start.
        true: (..., 2^n), the true interactions w*; broadcast against `initial`.
        sigma2: noise variance, a number or (m,).
        scale: s, a number, or one for each σ²; see `superposition_scale`.
        noise: the noise's covariance.

    Returns:
        (..., 2^n), or (m, ..., 2^n) where `sigma2` is a vector.

    Raises:
        ValueError: last axes that differ or are not of size 2^n, batch axes that do not broadcast,
            a negative variance, or a scale that does not fit `sigma2`.

    Example:
        >>> w = superpose([0.0, 0.5, 0.5, 2.0], [0.0, 1.0, 0.0, 0.0], [0.0, jnp.inf], 3.0)
        >>> print(w.round(6))  # all is learned; nothing is learned
        [[0.  3.5 0.5 2. ]
         [0.  0.5 0.5 2. ]]
    """
    initial, true, _ = as_pair(initial, true, ("initial", "true"))
    learned = optimal_interactions(true, sigma2, noise)
    scale = as_real(scale, "scale").astype(learned.dtype)
    if scale.ndim and scale.shape != np.shape(sigma2):
        raise ArgumentError(
            "scale",
            f"be a number or have the shape {np.shape(sigma2)} of `sigma2`",
            f"has shape {scale.shape}",
        )
    if scale.ndim:
        scale = scale.reshape(scale.shape + (1,) * initial.ndim)
    return jnp.broadcast_to(initial, learned.shape) + scale * learned


def superposition_scale(
    initial_effect: ArrayLike, learned_effect: ArrayLike, observed: ArrayLike
) -> jax.Array:
    """The scale s ≥ 0 at which the mean effect of a superposition is the observed one.

    Solves E_x |e₀(x) + s·e(x)| = observed, where an effect is v(N) − v(∅). The left side is convex
    and piecewise linear in s: of two solutions the larger is taken, and where there is none, since
    even the smallest mean effect is above the observed one, the s of that smallest. (Ours.)

    Args:
        initial_effect: (samples,), e₀, of the interactions at the start.
        learned_effect: (samples,), e, of the learned ones at scale 1.
        observed: the mean effect to reach, ≥ 0.

    Returns:
        A number; 0 where nothing is learned.

    Raises:
        ValueError: effects of different samples or none, values that are not finite, or an observed
            effect that is negative or no single number.

    Example:
        >>> print(superposition_scale([1.0, -1.0], [2.0, 2.0], 5.0))  # (|1 + 2s| + |2s − 1|)/2
        2.5
    """
    start = as_real(initial_effect, "initial_effect")
    slope = as_real(learned_effect, "learned_effect")
    reached = as_real(observed, "observed")
    if start.ndim != 1 or start.size == 0:
        raise ArgumentError(
            "initial_effect", "have shape (samples,), with a sample", f"has shape {start.shape}"
        )
    if start.shape != slope.shape:
        raise ArgumentError(
            "learned_effect",
            f"have the shape (samples,) of `initial_effect`, {start.shape}",
            f"has shape {slope.shape}",
        )
    if reached.ndim:
        raise ArgumentError("observed", "be a number", f"has shape {reached.shape}")
    _check_finite(start, "initial_effect")
    _check_finite(slope, "learned_effect")
    _check_finite(reached, "observed")
    if not isinstance(reached, jax.core.Tracer) and reached < 0:
        raise ArgumentError("observed", "be nonnegative", f"is {observed}")
    return _scale(start, slope.astype(start.dtype), reached)


def _check_finite(values: jax.Array, name: str) -> None:
    if not isinstance(values, jax.core.Tracer) and not np.isfinite(values).all():
        raise ArgumentError(name, "be finite", "holds NaN or infinity")


@jax.jit
def _scale(start: jax.Array, slope: jax.Array, observed: jax.Array) -> jax.Array:
    moves = slope != 0
    kinks = jnp.where(moves, -start / jnp.where(moves, slope, 1.0), 0.0)
    kinks = jnp.sort(jnp.append(jnp.maximum(kinks, 0.0), 0.0))  # of the mean effect, from s = 0 on

    def mean_effect(scale: jax.Array) -> jax.Array:
        return jnp.mean(jnp.abs(start[None, :] + scale[:, None] * slope[None, :]), axis=1)

    values = mean_effect(kinks)
    below = values <= observed
    last = kinks.size - 1 - jnp.argmax(below[::-1])  # beyond it the mean effect only rises
    following = jnp.where(last + 1 < kinks.size, kinks[jnp.minimum(last + 1, kinks.size - 1)], 0.0)
    inside = jnp.where(last + 1 < kinks.size, 0.5 * (kinks[last] + following), kinks[last] + 1.0)
    rise = jnp.mean(slope * jnp.sign(start + inside * slope))
    step = (observed - values[last]) / jnp.where(rise > 0, rise, 1.0)
    found = kinks[last] + jnp.where(rise > 0, step, 0.0)
    return jnp.where(moves.any(), jnp.where(below.any(), found, kinks[jnp.argmin(values)]), 0.0)
