"""The theory beside the null models: intervals and verdicts from paired bootstrap resamples."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.checks import ArgumentError
from sim.fitting.bootstrap import bootstrap_weights, interval, resampled_fit, standing
from sim.fitting.distances import Distance, Table, total_variation
from sim.fitting.nulls import Null
from sim.strength import weighted_distributions

Models = Mapping[str, Sequence[Table] | Null]
"""Null models by name: tables of interactions for each checkpoint, or families of shares."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Difference:
    """Total variation of the theory minus that of a null model; negative favours the theory.

    Attributes:
        observed: (checkpoints,), of all samples.
        draws: (resamples, checkpoints), paired: the same samples for both.
        low: (checkpoints,), lower end of the interval.
        high: (checkpoints,), upper end.
    """

    observed: np.ndarray
    draws: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Bootstrap intervals of a fit, and the theory's standing beside each null model.

    Attributes:
        level: coverage of the intervals, and 1 − the accepted chance of any false verdict.
        samples: that were drawn anew.
        material: a difference of distances that is smaller is not spoken of.
        tested: bool (checkpoints,): neither the target nor the start, which every model meets.
        log_sigma2: (resamples, checkpoints), ln σ² fitted to each resample.
        total_variation: (resamples, checkpoints), of the theory.
        measured: (resamples, checkpoints, n), the resampled distributions.
        differences: by name of the null model.
    """

    level: float
    samples: int
    material: float
    tested: np.ndarray
    log_sigma2: np.ndarray
    total_variation: np.ndarray
    measured: np.ndarray
    differences: Mapping[str, Difference]

    @property
    def sigma2_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of σ² at each checkpoint."""
        low, high = interval(self.log_sigma2, self.level)
        return np.exp(low), np.exp(high)

    @functools.cached_property
    def verdicts(self) -> Mapping[str, list[str | None]]:
        """For each null model and checkpoint, whether the theory is `better`, `worse` or `not
        distinguishable`, corrected for the number of all of them; None where nothing is tested.
        """
        at = np.flatnonzero(self.tested)
        names = list(self.differences)
        observed = np.concatenate([self.differences[name].observed[at] for name in names])
        draws = np.concatenate([self.differences[name].draws[:, at] for name in names], axis=1)
        said = iter(standing(observed, draws, self.samples, self.level, self.material))
        return {name: [next(said) if tested else None for tested in self.tested] for name in names}

    def overall(
        self, checkpoints: slice | Sequence[int] | np.ndarray | None = None
    ) -> dict[str, dict[str, Any]]:
        """Theory − null averaged over several checkpoints, with one verdict for each null model.

        Args:
            checkpoints: an index of the checkpoints; by default all that are tested.

        Returns:
            By name of the null model: `low`, `high` and `verdict`.
        """
        chosen = np.flatnonzero(self.tested) if checkpoints is None else checkpoints
        means = {
            name: (d.observed[chosen], d.draws[:, chosen]) for name, d in self.differences.items()
        }
        if not all(observed.size for observed, _ in means.values()):
            raise ArgumentError("checkpoints", "select at least one checkpoint", "selects none")
        observed = np.array([one.mean() for one, _ in means.values()])
        draws = np.array([many.mean(axis=1) for _, many in means.values()]).T
        said = standing(observed, draws, self.samples, self.level, self.material)
        low, high = interval(draws, self.level)
        return {
            name: {"low": float(low[i]), "high": float(high[i]), "verdict": said[i]}
            for i, name in enumerate(means)
        }

    def record(self, c: int) -> dict[str, Any]:
        """Plain values of one checkpoint, as written to `fit.json`; the nulls' are their own."""
        sigma2 = self.sigma2_interval
        away = interval(self.total_variation[:, c], self.level)
        shares = interval(self.measured[:, c], self.level)
        return {
            "sigma2_interval": [float(end[c]) for end in sigma2],
            "total_variation_interval": [float(end) for end in away],
            "measured_interval": [end.tolist() for end in shares],
        }


def compare(
    strength: np.ndarray,
    theory: Sequence[Table],
    nulls: Models,
    distance: Distance,
    observed: Mapping[str, np.ndarray],
    *,
    tested: np.ndarray,
    material: float,
    resamples: int,
    level: float,
    seed: int,
) -> Comparison:
    """Fits the theory and every null model anew to each bootstrap resample of the samples.

    What a model predicts for each sample is a table; a resample is another average over samples,
    for the measured and the predicted strength alike.

    Args:
        strength: (checkpoints, samples, n), measured; the last checkpoint is the target.
        theory: what the theory predicts, a table of ln σ² for each checkpoint.
        nulls: by name, the models to compare with.
        distance: what is minimised.
        observed: by name of the null model, (checkpoints,), the difference with all samples.
        tested: bool (checkpoints,), where verdicts are given.
        material: a difference of distances that is smaller is not spoken of.
        resamples: how many.
        level: coverage of the intervals, and 1 − the accepted chance of any false verdict.
        seed: of the resamples.
    """
    samples, n = strength.shape[1:]
    weights = jnp.asarray(bootstrap_weights(samples, resamples, seed))
    measured = weighted_distributions(weights, jnp.asarray(strength))
    log_sigma2, away = _fitted_to_tables(measured, weights, theory, distance)
    differences = {}
    for name, null in nulls.items():
        if isinstance(null, Null):
            points = jnp.asarray(null.grid(n))
            of_resample = _members(measured[:, -1], points, null)
            beside = resampled_fit(measured, of_resample, points, distance, total_variation)[1]
        else:
            beside = _fitted_to_tables(measured, weights, null, distance)[1]
        draws = np.asarray(away - beside)
        differences[name] = Difference(observed[name], draws, *interval(draws, level))
    return Comparison(
        level,
        samples,
        material,
        tested,
        np.asarray(log_sigma2),
        np.asarray(away),
        np.asarray(measured),
        differences,
    )


def _fitted_to_tables(
    measured: jax.Array, weights: jax.Array, tables: Sequence[Table], distance: Distance
) -> tuple[np.ndarray, np.ndarray]:
    """Parameters and total variation (resamples, checkpoints); shared tables are averaged once."""
    parameters, away = (np.empty(measured.shape[:2]) for _ in range(2))
    size = max(len(table.parameters) for table in tables)
    for table in dict.fromkeys(tables):
        at = np.array([c for c, other in enumerate(tables) if other is table])
        whole = table.padded(size)
        of_resample = weighted_distributions(weights, jnp.asarray(whole.strength))
        grid = jnp.asarray(whole.parameters)
        found = resampled_fit(measured[:, at], of_resample, grid, distance, total_variation)
        parameters[:, at], away[:, at] = found
    return parameters, away


@functools.partial(jax.jit, static_argnames="null")
def _members(final: jax.Array, points: jax.Array, null: Null) -> jax.Array:
    return jax.lax.map(lambda one: null.member(one, points), final)
