"""What the theory predicts for the order distribution of measured interactions."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from theory import (
    NoiseModel,
    learning_thresholds,
    optimal_interactions,
    order_distribution,
    salience_threshold,
    strength_by_order,
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Target:
    """The true interactions w* of the theory: a checkpoint's salient interactions [Ren24 Sec. 4].

    Attributes:
        w_and: (samples, 2^n), the salient AND interactions, others 0; entry ∅ is v(∅).
        w_or: (samples, 2^n), the salient OR interactions, others 0; entry ∅ is 0.
    """

    w_and: jax.Array
    w_or: jax.Array

    @property
    def n(self) -> int:
        """Number of players."""
        return self.w_and.shape[-1].bit_length() - 1


def salient_target(
    i_and: jax.Array, i_or: jax.Array, threshold: jax.Array, centred: bool = False
) -> Target:
    """Builds w* from measured interactions: those below the threshold are set to 0.

    Args:
        i_and: (samples, 2^n).
        i_or: (samples, 2^n).
        threshold: (samples,), τ.
        centred: set w*_∅ of the AND part to 0 as well, instead of v(∅).
    """
    w_and = jnp.where(jnp.abs(i_and) >= threshold[:, None], i_and, 0.0)
    w_or = jnp.where(jnp.abs(i_or) >= threshold[:, None], i_or, 0.0)
    empty = jnp.zeros_like(i_and[:, 0]) if centred else i_and[:, 0]
    return Target(w_and.at[:, 0].set(empty), w_or.at[:, 0].set(0.0))


def predicted_strength(target: Target, sigma2: ArrayLike, noise: NoiseModel) -> jax.Array:
    """Strength of each order that the theory predicts at noise σ², by sample.

    Both halves of the target pass through Theorem 3: an OR interaction is an AND interaction with
    the roles of masked and present exchanged. The threshold is the theory's own,
    τ_theo = 0.03 · E_x |Σ_{S≠∅} ŵ_S|.

    Args:
        target: the true interactions.
        sigma2: (m,).
        noise: the noise's covariance.

    Returns:
        (m, samples, n), for the orders 1..n.
    """
    return _predicted_strength(target, jnp.asarray(sigma2), noise)


@jax.jit
def _predicted_strength(target: Target, sigma2: jax.Array, noise: NoiseModel) -> jax.Array:
    halves = jnp.stack([target.w_and, target.w_or])  # (2, samples, 2^n)

    def at(variance: jax.Array) -> jax.Array:
        learned = optimal_interactions(halves, variance, noise).at[..., 0].set(0.0)
        effect = jnp.sum(learned, axis=(0, -1))  # (samples,)
        threshold = salience_threshold(effect, jnp.zeros_like(effect))
        return jnp.sum(strength_by_order(learned, threshold[None]), axis=0)

    return jax.lax.map(at, sigma2)


def predicted_distribution(target: Target, sigma2: np.ndarray, noise: NoiseModel) -> np.ndarray:
    """Distribution over the orders 1..n of the predicted strength, averaged over samples.

    Returns:
        (m, n).
    """
    return np.asarray(
        order_distribution(jnp.mean(predicted_strength(target, sigma2, noise), axis=1))
    )


def noise_range(n: int, noise: NoiseModel, margin: float = 8.0) -> tuple[float, float]:
    """Range of ln σ² in which the prediction changes: all the thresholds and e^margin beyond."""
    log_thresholds = np.log(np.asarray(learning_thresholds(n, noise)))
    return float(log_thresholds.min() - margin), float(log_thresholds.max() + margin)
