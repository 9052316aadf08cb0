"""The direct comparison of the paper: ŵ(σ²) itself beside the measured interactions.

The theory's interactions are counted by their own threshold of salience, and no extraction looks at
the outputs that they would give. Null models are families of shares.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sim.fitting.bootstrap import MATERIAL
from sim.fitting.distances import Distance, Match, Table, nearest_member, total_variation
from sim.fitting.nulls import NULLS, SHARES, fit_nulls
from sim.fitting.outcome import Fitted, bounds
from sim.fitting.prediction import (
    Target,
    noise_grid,
    noise_range,
    predicted_distribution,
    predicted_effect,
    predicted_strength,
)
from theory import NoiseModel


def fit_direct(
    measured: np.ndarray,
    observed: np.ndarray,
    target: Target,
    noise: NoiseModel,
    away: Distance,
    parts: str,
) -> Fitted:
    """The theory's family over ln σ² and the families of shares, matched to each checkpoint.

    Args:
        measured: (checkpoints, n), distributions over orders.
        observed: (checkpoints,), mean effect |v(N) − v(∅)|.
        target: the true interactions w*.
        noise: the noise's covariance.
        away: the distance that is minimised.
        parts: whose strength is counted.
    """
    match = fit_target(measured, target, noise, away, parts)
    ends = predicted_distribution(target, np.exp(noise_range(target.n, noise)), noise, parts)
    grid = noise_grid(target.n, noise)
    table = Table(grid, np.asarray(predicted_strength(target, np.exp(grid), noise, parts)))
    sigma2 = np.exp(match.parameter)
    effect = np.asarray(predicted_effect(target, jnp.asarray(sigma2), noise))
    beyond = np.broadcast_to(np.asarray(ends), (len(measured), *ends.shape))
    reached = np.asarray(total_variation(jnp.asarray(measured), jnp.asarray(match.predicted)))
    of_shares = fit_nulls(measured, measured[-1], away, total_variation)
    nulls = {SHARES + name: null for name, null in of_shares.items()}
    return Fitted(
        sigma2=sigma2,
        bound=bounds(measured, match.predicted, beyond, away, MATERIAL),
        predicted=match.predicted,
        total_variation=reached,
        scale=observed / np.where(effect > 0, effect, np.inf),
        nulls=nulls,
        differences={name: reached - null.total_variation for name, null in nulls.items()},
        tables=[table] * len(measured),
        models={SHARES + name: null for name, null in NULLS.items()},
        material=MATERIAL,
    )


def fit_target(
    measured: np.ndarray, target: Target, noise: NoiseModel, away: Distance, parts: str = "both"
) -> Match[np.ndarray]:
    """The theory's family over ln σ², matched to measured distributions (checkpoints, n)."""

    def family(log_sigma2: np.ndarray) -> jax.Array:
        return predicted_distribution(target, np.exp(log_sigma2), noise, parts)

    return nearest_member(measured, family, noise_grid(target.n, noise), away)
