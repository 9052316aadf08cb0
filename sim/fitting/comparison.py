"""The theory beside the null models: intervals and verdicts from paired bootstrap resamples."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sim.checks import ArgumentError
from sim.fitting.bootstrap import resampled_fit, standing, t_interval
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


class Observed(NamedTuple):
    """What a fit of all samples says, about which resamples spread.

    Attributes:
        log_sigma2: (checkpoints,), ln σ².
        total_variation: (checkpoints,), of the theory.
        measured: (checkpoints, n), distributions over orders.
        differences: by null model, (checkpoints,), of total variation, theory − null.
    """

    log_sigma2: np.ndarray
    total_variation: np.ndarray
    measured: np.ndarray
    differences: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Bootstrap intervals of a fit, and the theory's standing beside each null model.

    Attributes:
        level: coverage of the intervals, and 1 − the accepted chance of any false verdict.
        units: how many inputs, or training runs, were drawn anew.
        material: a difference of distances that is smaller is not spoken of.
        tested: bool (checkpoints,): neither the target nor the start, which every model meets.
        observed: with all samples.
        log_sigma2: (resamples, checkpoints), ln σ² fitted to each resample.
        total_variation: (resamples, checkpoints), of the theory.
        measured: (resamples, checkpoints, n), the resampled distributions.
        differences: by name of the null model.
        range: least and largest ln σ² that were tried.
    """

    level: float
    units: int
    material: float
    tested: np.ndarray
    observed: Observed
    log_sigma2: np.ndarray
    total_variation: np.ndarray
    measured: np.ndarray
    differences: Mapping[str, Difference]
    range: tuple[float, float]

    @property
    def sigma2_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of σ² at each checkpoint."""
        about = self.observed.log_sigma2
        low, high = t_interval(about, self.log_sigma2, self.units, self.level, *self.range)
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
        said = iter(standing(observed, draws, self.units, self.level, self.material))
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
        said = standing(observed, draws, self.units, self.level, self.material)
        low, high = t_interval(observed, draws, self.units, self.level)
        return {
            name: {"low": float(low[i]), "high": float(high[i]), "verdict": said[i]}
            for i, name in enumerate(means)
        }

    def record(self, c: int) -> dict[str, Any]:
        """Plain values of one checkpoint, as written to `fit.json`; the nulls' are their own."""
        low, high = self.sigma2_interval
        of_all = self.observed
        units = self.units, self.level, 0.0, 1.0
        away = t_interval(of_all.total_variation[c], self.total_variation[:, c], *units)
        shares = t_interval(of_all.measured[c], self.measured[:, c], *units)
        return {
            "sigma2_interval": [float(low[c]), float(high[c])],
            "total_variation_interval": [float(end) for end in away],
            "measured_interval": [end.tolist() for end in shares],
        }


def compare(
    strength: np.ndarray,
    theory: Sequence[Table],
    nulls: Models,
    distance: Distance,
    observed: Observed,
    weights: np.ndarray,
    *,
    units: int,
    tested: np.ndarray,
    material: float,
    level: float,
) -> Comparison:
    """Fits the theory and every null model anew to each bootstrap resample.

    What a model predicts for each sample is a table; a resample is another average over samples,
    for the measured and the predicted strength alike.

    Args:
        strength: (checkpoints, samples, n), measured; the last checkpoint is the target.
        theory: what the theory predicts, a table of ln σ² for each checkpoint.
        nulls: by name, the models to compare with.
        distance: what is minimised.
        observed: with all samples.
        weights: (resamples, samples), of `input_weights` or `run_weights`.
        units: how many inputs or runs these draw.
        tested: bool (checkpoints,), where verdicts are given.
        material: a difference of distances that is smaller is not spoken of.
        level: coverage of the intervals, and 1 − the accepted chance of any false verdict.
    """
    n = strength.shape[-1]
    drawn = jnp.asarray(weights)
    measured = weighted_distributions(drawn, jnp.asarray(strength))
    log_sigma2, away = _fitted_to_tables(measured, drawn, theory, distance)
    differences = {}
    for name, null in nulls.items():
        if isinstance(null, Null):
            points = jnp.asarray(null.grid(n))
            of_resample = _members(measured[:, -1], points, null)
            beside = resampled_fit(measured, of_resample, points, distance, total_variation)[1]
        else:
            beside = _fitted_to_tables(measured, drawn, null, distance)[1]
        draws = np.asarray(away - beside)
        about = observed.differences[name]
        differences[name] = Difference(about, draws, *t_interval(about, draws, units, level))
    tried = [end for table in theory for end in (table.parameters[0], table.parameters[-1])]
    return Comparison(
        level,
        units,
        material,
        tested,
        observed,
        np.asarray(log_sigma2),
        np.asarray(away),
        np.asarray(measured),
        differences,
        (float(min(tried)), float(max(tried))),
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
