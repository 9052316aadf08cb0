"""Fitting the theory to measured interactions: one noise level for each checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.distances import distance_named, total_variation
from sim.measurement import check_epochs, check_outputs
from sim.nulls import NullFit, fit_nulls
from sim.prediction import Target, noise_range, predicted_distribution, salient_target
from sim.search import nearest_member
from theory import (
    NoiseModel,
    mean_order,
    order_distribution,
    salience_threshold,
    strength_by_order,
)

GRID_STEP = 0.1  # in ln σ²; neighbouring thresholds are ln 10.4 = 2.3 apart


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NoiseFit:
    """The theory fitted to every checkpoint, beside the null models.

    Attributes:
        epochs: (checkpoints,).
        sigma2: (checkpoints,), the noise variance that fits best.
        strength: (checkpoints, samples, n), measured strength by order, AND and OR added.
        measured: (checkpoints, n), its distribution over the orders 1..n.
        predicted: (checkpoints, n), the theory's distribution at `sigma2`.
        total_variation: (checkpoints,), between the two.
        nulls: by name, the null models fitted to the same distributions.
        noise: the noise's covariance.
    """

    epochs: np.ndarray
    sigma2: np.ndarray
    strength: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    total_variation: np.ndarray
    nulls: Mapping[str, NullFit]
    noise: NoiseModel

    @property
    def mean_order(self) -> np.ndarray:
        """Mean order of the measured distribution at every checkpoint, (checkpoints,)."""
        return np.asarray(mean_order(self.measured))

    def records(self) -> list[dict[str, Any]]:
        """One plain dictionary a checkpoint, as written to `fit.json`."""
        return [
            {
                "epoch": float(self.epochs[c]),
                "sigma2": float(self.sigma2[c]),
                "measured": self.measured[c].tolist(),
                "predicted": self.predicted[c].tolist(),
                "total_variation": float(self.total_variation[c]),
                "mean_order": float(self.mean_order[c]),
                "nulls": {
                    name: {
                        "total_variation": float(null.total_variation[c]),
                        "parameter": None if null.parameter is None else float(null.parameter[c]),
                        "predicted": null.predicted[c].tolist(),
                    }
                    for name, null in self.nulls.items()
                },
            }
            for c in range(len(self.epochs))
        ]


def measured_strength(
    i_and: np.ndarray, i_or: np.ndarray, outputs: np.ndarray
) -> tuple[jax.Array, jax.Array]:
    """Strength by order of measured interactions, and the threshold of salience that was used.

    Args:
        i_and: (checkpoints, samples, 2^n).
        i_or: (checkpoints, samples, 2^n).
        outputs: (checkpoints, samples, 2^n), v(S).

    Returns:
        (checkpoints, samples, n) for the orders 1..n, AND and OR added, and τ as
        (checkpoints, samples): 0.03 times the mean of |v(N) − v(∅)| over a checkpoint's samples.
    """
    threshold = salience_threshold(outputs[..., -1], outputs[..., 0])
    strength = strength_by_order(i_and, threshold) + strength_by_order(i_or, threshold)
    return strength, threshold


def fit_noise(
    i_and: np.ndarray,
    i_or: np.ndarray,
    outputs: np.ndarray,
    epochs: np.ndarray,
    noise: NoiseModel = NoiseModel(),
    *,
    distance: str = "total_variation",
    centred: bool = False,
) -> NoiseFit:
    """Fits the noise variance σ² of every checkpoint  [Ren24 Sec. 4, Fig. 4].

    The last checkpoint's salient interactions are the true interactions w*; at each checkpoint σ²
    is chosen so that the predicted distribution over orders comes nearest to the measured one, by a
    global search over the whole range in which the prediction changes.

    Args:
        i_and: (checkpoints, samples, 2^n), AND interactions.
        i_or: (checkpoints, samples, 2^n), OR interactions.
        outputs: (checkpoints, samples, 2^n), v(S), for the threshold of salience.
        epochs: (checkpoints,), increasing.
        noise: the noise's covariance.
        distance: `total_variation`, `jensen_shannon` or `least_squares`.
        centred: leave v(∅) out of w*.

    Returns:
        The fit. Where several σ² fit equally well, the largest is given.

    Raises:
        ValueError: shapes that do not match, values that are not finite, or a final checkpoint
            without any salient interaction.
    """
    outputs = check_outputs(outputs)
    i_and, i_or = check_outputs(i_and, "i_and"), check_outputs(i_or, "i_or")
    for name, array in (("i_and", i_and), ("i_or", i_or)):
        if array.shape != outputs.shape:
            raise ValueError(
                f"`{name}` must have the shape {outputs.shape} of `outputs`, but has shape "
                f"{array.shape}."
            )
    epochs = check_epochs(epochs, len(outputs))
    away = distance_named(distance)

    strength, threshold = measured_strength(i_and, i_or, outputs)
    measured = np.asarray(order_distribution(jnp.mean(strength, axis=1)))
    if not measured[-1].any():
        raise ValueError("The last checkpoint must have salient interactions, but has none.")
    target = salient_target(
        jnp.asarray(i_and[-1]), jnp.asarray(i_or[-1]), threshold[-1], centred=centred
    )
    match = fit_target(measured, target, noise, away)
    return NoiseFit(
        epochs=epochs,
        sigma2=np.exp(match.parameter),
        strength=np.asarray(strength),
        measured=measured,
        predicted=match.predicted,
        total_variation=np.asarray(
            total_variation(jnp.asarray(measured), jnp.asarray(match.predicted))
        ),
        nulls=fit_nulls(measured, measured[-1], away, total_variation),
        noise=noise,
    )


def fit_target(measured: np.ndarray, target: Target, noise: NoiseModel, away: Any) -> Any:
    """The theory's family over ln σ², matched to measured distributions (checkpoints, n)."""
    low, high = noise_range(target.n, noise)
    grid = np.linspace(low, high, round((high - low) / GRID_STEP) + 1)
    return nearest_member(
        measured,
        lambda log_sigma2: predicted_distribution(target, np.exp(log_sigma2), noise),
        grid,
        away,
    )
