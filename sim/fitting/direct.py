"""The direct comparison of the paper: ŵ(σ²) itself beside the measured interactions.

The theory's interactions are counted by their own threshold of salience, and no extraction looks at
the outputs that they would give. Null models are families of shares.
"""

from __future__ import annotations

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
    salient_target,
)
from sim.strength import measured_strength
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
    table = Table(grid, predicted_strength(target, np.exp(grid), noise, parts))
    sigma2 = np.exp(match.parameter)
    effect = np.asarray(predicted_effect(target, jnp.asarray(sigma2), noise))
    beyond = np.broadcast_to(ends, (len(measured), *ends.shape))
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


def direct_noise(
    measured: np.ndarray, i_and: np.ndarray, i_or: np.ndarray, outputs: np.ndarray
) -> tuple[float, str]:
    """σ² of one checkpoint in the direct comparison, with one later checkpoint as the target.

    The same numbers as those of `fit_noise(..., through="direct")`, without null models.

    Args:
        measured: (n,), the earlier checkpoint's distribution over orders.
        i_and: (samples, 2^n), of the later one.
        i_or: (samples, 2^n).
        outputs: (samples, 2^n).

    Returns:
        σ², and its bound as in `NoiseFit.bound`.
    """
    noise, away = NoiseModel(), total_variation
    _, threshold = measured_strength(i_and[None], i_or[None], outputs[None])
    target = salient_target(jnp.asarray(i_and), jnp.asarray(i_or), threshold[0])
    match = fit_target(measured[None], target, noise, away)
    ends = predicted_distribution(target, np.exp(noise_range(target.n, noise)), noise)
    bound = bounds(measured[None], match.predicted, ends[None], away, MATERIAL)
    return float(np.exp(match.parameter[0])), str(bound[0])


def fit_target(
    measured: np.ndarray, target: Target, noise: NoiseModel, away: Distance, parts: str = "both"
) -> Match[np.ndarray]:
    """The theory's family over ln σ², matched to measured distributions (checkpoints, n)."""

    def family(log_sigma2: np.ndarray) -> np.ndarray:
        return predicted_distribution(target, np.exp(log_sigma2), noise, parts)

    return nearest_member(measured, family, noise_grid(target.n, noise), away)
