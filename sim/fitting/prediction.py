"""What the theory predicts for the order distribution of measured interactions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.strength import added_parts, averaged_distribution
from theory import (
    SALIENCE,
    NoiseModel,
    learning_thresholds,
    optimal_interactions,
    salience_threshold,
    strength_by_order,
)

CHUNK = 64  # noise levels computed at a time, so that every call shares one compilation
GRID_STEP = 0.1  # in ln σ²; neighbouring thresholds are ln 10.4 = 2.3 apart

_thresholds = jax.jit(learning_thresholds, static_argnames="n")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Target:
    """The true interactions w* of the theory: a checkpoint's salient interactions [Ren24 Sec. 4].

    Attributes:
        w_and: (samples, 2^n), the salient AND interactions, others 0; entry ∅ is v(∅).
        w_or: (samples, 2^n), the salient OR interactions, others 0; entry ∅ is 0.
        fraction: the factor of the theory's own threshold of salience.
        per_sample: whether that threshold is each sample's own.
    """

    w_and: jax.Array
    w_or: jax.Array
    fraction: float = dataclasses.field(default=SALIENCE, metadata={"static": True})
    per_sample: bool = dataclasses.field(default=False, metadata={"static": True})

    @property
    def n(self) -> int:
        """Number of players."""
        return self.w_and.shape[-1].bit_length() - 1


def salient_target(
    i_and: jax.Array,
    i_or: jax.Array,
    threshold: jax.Array,
    centred: bool = False,
    *,
    fraction: float = SALIENCE,
    per_sample: bool = False,
) -> Target:
    """Builds w* from measured interactions: those below the threshold are set to 0.

    Args:
        i_and: (samples, 2^n).
        i_or: (samples, 2^n).
        threshold: (samples,), τ; 0 keeps every interaction.
        centred: set w*_∅ of the AND part to 0 as well, instead of v(∅).
        fraction: as in `Target`.
        per_sample: as in `Target`.
    """
    w_and, w_or = _kept(i_and, i_or, threshold, centred)
    return Target(w_and, w_or, float(fraction), bool(per_sample))


@jax.jit
def _kept(
    i_and: jax.Array, i_or: jax.Array, threshold: jax.Array, centred: bool
) -> tuple[jax.Array, jax.Array]:
    w_and, w_or = (jnp.where(jnp.abs(i) >= threshold[:, None], i, 0.0) for i in (i_and, i_or))
    return w_and.at[:, 0].set(jnp.where(centred, 0.0, i_and[:, 0])), w_or.at[:, 0].set(0.0)


def predicted_strength(
    target: Target, sigma2: ArrayLike, noise: NoiseModel, parts: str = "both"
) -> np.ndarray:
    """Strength of each order that the theory predicts at noise σ², by sample.

    Both halves of the target pass through Theorem 3: an OR interaction is an AND interaction with
    the roles of masked and present exchanged. The threshold is the theory's own, of both halves
    together: τ_theo = 0.03 · E_x |Σ_{S≠∅} ŵ_S|.

    Args:
        target: the true interactions.
        sigma2: (m,).
        noise: the noise's covariance.
        parts: whose strength is counted: `both`, `and` or `or`.

    Returns:
        (m, samples, n), for the orders 1..n.
    """
    return np.concatenate(list(_chunks(target, sigma2, noise, parts)))[: np.size(sigma2)]


def _chunks(
    target: Target, sigma2: ArrayLike, noise: NoiseModel, parts: str
) -> Iterator[np.ndarray]:
    """The predicted strengths of `CHUNK` noise levels at a time, the last filled up."""
    variances = np.asarray(sigma2, target.w_and.dtype)
    padded = np.pad(variances, (0, -len(variances) % CHUNK), mode="edge")
    for chunk in padded.reshape(-1, CHUNK):
        yield added_parts(np.asarray(_predicted_halves(target, chunk, noise)), parts, axis=1)


@jax.jit
def _predicted_halves(target: Target, sigma2: jax.Array, noise: NoiseModel) -> jax.Array:
    """AND and OR strengths, (m, 2, samples, n)."""
    halves = jnp.stack([target.w_and, target.w_or])  # (2, samples, 2^n)

    def at(variance: jax.Array) -> jax.Array:
        learned = optimal_interactions(halves, variance, noise).at[..., 0].set(0.0)
        effect = jnp.sum(learned, axis=(0, -1))  # (samples,)
        threshold = salience_threshold(
            effect, jnp.zeros_like(effect), target.fraction, target.per_sample
        )
        return strength_by_order(learned, threshold[None])

    return jax.lax.map(at, sigma2)


def predicted_effect(target: Target, sigma2: ArrayLike, noise: NoiseModel) -> jax.Array:
    """Mean effect E_x |Σ_{S≠∅} ŵ_S| that the theory predicts at noise σ² (m,): (m,)."""
    return _predicted_effect(target, jnp.asarray(sigma2, target.w_and.dtype), noise)


@jax.jit
def _predicted_effect(target: Target, sigma2: jax.Array, noise: NoiseModel) -> jax.Array:
    halves = jnp.stack([target.w_and, target.w_or])

    def at(variance: jax.Array) -> jax.Array:
        learned = optimal_interactions(halves, variance, noise)
        return jnp.mean(jnp.abs(jnp.sum(learned[..., 1:], axis=(0, -1))))

    return jax.lax.map(at, sigma2)


def predicted_distribution(
    target: Target, sigma2: ArrayLike, noise: NoiseModel, parts: str = "both"
) -> np.ndarray:
    """Distribution over the orders 1..n of the predicted strength, averaged over samples.

    Returns:
        (m, n).
    """
    averaged = [averaged_distribution(chunk) for chunk in _chunks(target, sigma2, noise, parts)]
    return np.concatenate(averaged)[: np.size(sigma2)]


def noise_range(n: int, noise: NoiseModel) -> tuple[float, float]:
    """Range of ln σ² in which the prediction changes: from e⁻¹⁶ of the lowest threshold to e⁸.

    At the lower end every mode is learned to 1e-7, at the upper end the shares of the modes have
    settled to 3e-4.
    """
    log_thresholds = np.log(np.asarray(_thresholds(n, noise)))
    return float(log_thresholds.min() - 16.0), float(log_thresholds.max() + 8.0)


def noise_grid(n: int, noise: NoiseModel) -> np.ndarray:
    """Values of ln σ² over the whole range in which the prediction changes."""
    low, high = noise_range(n, noise)
    return np.linspace(low, high, round((high - low) / GRID_STEP) + 1)
