"""The theory beside the null models: intervals and verdicts from paired bootstrap resamples."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.fitting.bootstrap import bootstrap_weights, interval, resampled_fit, verdicts
from sim.fitting.distances import Distance, total_variation
from sim.fitting.nulls import NULLS
from sim.fitting.prediction import noise_grid, predicted_strength
from sim.strength import weighted_distributions

if TYPE_CHECKING:
    from sim.fitting.noise_fit import NoiseFit


@dataclasses.dataclass(frozen=True)
class Difference:
    """Total variation of the theory minus that of a null model; negative favours the theory.

    Attributes:
        draws: (resamples, checkpoints), paired: the same samples for both.
        low: (checkpoints,), lower end of the interval.
        high: (checkpoints,), upper end.
        verdict: for each checkpoint, whether the theory is `better` or `worse` (the interval leaves
            0 out) or `not distinguishable`.
    """

    draws: np.ndarray
    low: np.ndarray
    high: np.ndarray
    verdict: list[str]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Bootstrap intervals of a fit, and the theory's standing beside each null model.

    Attributes:
        level: coverage of the intervals.
        log_sigma2: (resamples, checkpoints), ln σ² fitted to each resample.
        total_variation: (resamples, checkpoints), of the theory.
        measured: (resamples, checkpoints, n), the resampled distributions.
        differences: by name of the null model.
    """

    level: float
    log_sigma2: np.ndarray
    total_variation: np.ndarray
    measured: np.ndarray
    differences: Mapping[str, Difference]

    @property
    def sigma2_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of σ² at each checkpoint."""
        low, high = interval(self.log_sigma2, self.level)
        return np.exp(low), np.exp(high)

    def overall(self, checkpoints: Any = slice(None, -1)) -> dict[str, dict[str, Any]]:
        """Theory − null averaged over several checkpoints, with one verdict for each null model.

        Args:
            checkpoints: an index of the checkpoints; by default all but the last, which is the
                target itself.

        Returns:
            By name of the null model: `low`, `high` and `verdict`.
        """
        found = {}
        for name, difference in self.differences.items():
            draws = difference.draws[:, checkpoints]
            if not draws.shape[1]:
                raise ValueError("Argument `checkpoints` must select at least one checkpoint.")
            low, high = interval(draws.mean(axis=1), self.level)
            verdict = verdicts(np.array([low]), np.array([high]))[0]
            found[name] = {"low": float(low), "high": float(high), "verdict": verdict}
        return found

    def record(self, c: int) -> dict[str, Any]:
        """Plain values of one checkpoint, as written to `fit.json`."""
        sigma2 = self.sigma2_interval
        shares = interval(self.measured[:, c], self.level)
        return {
            "sigma2_interval": [float(end[c]) for end in sigma2],
            "measured_interval": [end.tolist() for end in shares],
            "nulls": {
                name: {
                    "difference_interval": [float(d.low[c]), float(d.high[c])],
                    "verdict": d.verdict[c],
                }
                for name, d in self.differences.items()
            },
        }


def compare(
    fit: NoiseFit, distance: Distance, resamples: int, level: float, seed: int
) -> Comparison:
    """Fits the theory and every null model anew to each bootstrap resample of the samples.

    What the theory predicts for each sample is computed once, on a fine grid of σ²; a resample is
    another average over samples, for the measured and the predicted strength alike.
    """
    weights = jnp.asarray(bootstrap_weights(fit.strength.shape[1], resamples, seed))
    grid = noise_grid(fit.target.n, fit.noise)
    strength = predicted_strength(
        fit.target, np.exp(grid), fit.noise, fit.settings["parts"]
    )  # (g, samples, n)
    measured = weighted_distributions(weights, jnp.asarray(fit.strength))
    tables = weighted_distributions(weights, strength)
    log_sigma2, away = resampled_fit(measured, tables, jnp.asarray(grid), distance, total_variation)
    final = measured[:, -1]
    differences = {}
    for name in fit.nulls:
        if name == "frozen":
            null = total_variation(measured, jnp.broadcast_to(final[:, None], measured.shape))
        else:
            points = jnp.asarray(NULLS[name].grid(fit.target.n))
            null = resampled_fit(
                measured, _members(final, points, name), points, distance, total_variation
            )[1]
        draws = np.asarray(away - null)
        low, high = interval(draws, level)
        differences[name] = Difference(draws, low, high, verdicts(low, high))
    return Comparison(
        level, np.asarray(log_sigma2), np.asarray(away), np.asarray(measured), differences
    )


@functools.partial(jax.jit, static_argnames="name")
def _members(final: jax.Array, points: jax.Array, name: str) -> jax.Array:
    return jax.lax.map(lambda one: NULLS[name].member(one, points), final)
