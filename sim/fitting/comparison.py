"""The theory beside the null models: intervals and verdicts from paired bootstrap resamples."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.fitting.bootstrap import bootstrap_weights, interval, resampled_fit, verdicts
from sim.fitting.distances import Distance, total_variation
from sim.fitting.nulls import Null
from sim.strength import weighted_distributions


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Difference:
    """Total variation of the theory minus that of a null model; negative favours the theory.

    Attributes:
        draws: (resamples, checkpoints), paired: the same samples for both.
        low: (checkpoints,), lower end of the interval.
        high: (checkpoints,), upper end.
    """

    draws: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def verdict(self) -> list[str]:
        """For each checkpoint, whether the theory is `better` or `worse` (the interval leaves 0
        out) or `not distinguishable`.
        """
        return verdicts(self.low, self.high)

    def record(self, c: int) -> dict[str, Any]:
        """Plain values of one checkpoint, as written to `fit.json` beside those of the null."""
        return {
            "difference_interval": [float(self.low[c]), float(self.high[c])],
            "verdict": self.verdict[c],
        }


@jax.tree_util.register_dataclass
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

    level: float = dataclasses.field(metadata={"static": True})
    log_sigma2: np.ndarray
    total_variation: np.ndarray
    measured: np.ndarray
    differences: Mapping[str, Difference]

    @property
    def sigma2_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of σ² at each checkpoint."""
        low, high = interval(self.log_sigma2, self.level)
        return np.exp(low), np.exp(high)

    def overall(
        self, checkpoints: slice | Sequence[int] | np.ndarray = slice(None, -1)
    ) -> dict[str, dict[str, Any]]:
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
        """Plain values of one checkpoint, as written to `fit.json`; the nulls' are their own."""
        sigma2 = self.sigma2_interval
        shares = interval(self.measured[:, c], self.level)
        return {
            "sigma2_interval": [float(end[c]) for end in sigma2],
            "measured_interval": [end.tolist() for end in shares],
        }


def compare(
    strength: ArrayLike,
    predicted: ArrayLike,
    grid: ArrayLike,
    nulls: Mapping[str, Null],
    distance: Distance,
    *,
    resamples: int,
    level: float,
    seed: int,
) -> Comparison:
    """Fits the theory and every null model anew to each bootstrap resample of the samples.

    What the theory predicts for each sample is a table on a fine grid of σ²; a resample is another
    average over samples, for the measured and the predicted strength alike.

    Args:
        strength: (checkpoints, samples, n), measured; the last checkpoint is the target.
        predicted: (g, samples, n), by the theory.
        grid: (g,), ln σ² of the predictions, increasing.
        nulls: by name, the families to compare with.
        distance: what is minimised.
        resamples: how many.
        level: coverage of the intervals.
        seed: of the resamples.
    """
    strength, predicted, grid = (jnp.asarray(array) for array in (strength, predicted, grid))
    weights = jnp.asarray(bootstrap_weights(strength.shape[1], resamples, seed))
    measured = weighted_distributions(weights, strength)
    tables = weighted_distributions(weights, predicted)
    log_sigma2, away = resampled_fit(measured, tables, grid, distance, total_variation)
    differences = {}
    for name, null in nulls.items():
        points = jnp.asarray(null.grid(strength.shape[-1]))
        tables = _members(measured[:, -1], points, null)
        beside = resampled_fit(measured, tables, points, distance, total_variation)[1]
        draws = np.asarray(away - beside)
        differences[name] = Difference(draws, *interval(draws, level))
    return Comparison(
        level, np.asarray(log_sigma2), np.asarray(away), np.asarray(measured), differences
    )


@functools.partial(jax.jit, static_argnames="null")
def _members(final: jax.Array, points: jax.Array, null: Null) -> jax.Array:
    return jax.lax.map(lambda one: null.member(one, points), final)
