"""How much of a sample's strength no reference network holds, checkpoint by checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from sim.checks import (
    ArgumentError,
    as_array,
    check_epochs,
    check_fraction,
    check_resamples,
    check_seed,
)
from sim.fitting import LEVEL, input_weights, run_weights, t_interval
from sim.generalization.salient import beside_references
from theory import SALIENCE


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class OverfittingLevel:
    """The share of every sample's strength that reference networks do not hold.

    Returned by `overfitting_level`, whose example shows it in use.

    Attributes:
        levels: (checkpoints, samples), between 0 and 1; NaN where a sample has no salient
            interaction.
        mean: (checkpoints,), over the samples that have one; NaN where none has.
        interval: (2, checkpoints), lower and upper end from drawing the inputs anew, each with all
            of its runs; None for a single input or without resamples.
        run_interval: (2, checkpoints), from drawing the training runs anew; None for a single run
            or without resamples. Of few runs it is wide.
        rule: how many reference networks had to agree.
        runs: how many training runs the samples hold, one after the other.
    """

    levels: np.ndarray
    mean: np.ndarray
    interval: np.ndarray | None
    run_interval: np.ndarray | None
    rule: str = dataclasses.field(metadata={"static": True})
    runs: int = dataclasses.field(metadata={"static": True}, default=1)

    @property
    def inputs(self) -> np.ndarray:
        """Levels of the inputs, means over their runs, (checkpoints, inputs)."""
        by_run = self.levels.reshape(len(self.levels), self.runs, -1)
        return _mean(by_run.transpose(0, 2, 1), np.ones(self.runs))

    def record(self, epochs: ArrayLike) -> dict[str, Any]:
        """A plain dictionary; None in place of what is no number.

        Raises:
            ValueError: epochs that do not fit.
        """
        times = check_epochs(epochs, len(self.levels))
        names = ("levels", "mean", "interval", "run_interval")
        series = {name: _plain(getattr(self, name)) for name in names}
        return {"epochs": times.tolist(), "rule": self.rule, "runs": self.runs, **series}

    def difference(self, chosen: ArrayLike, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """How much higher the mean level of some inputs is than that of the others.

        An input's level is its mean over the runs. The interval is Welch's, over inputs; it is
        not corrected for the number of checkpoints.

        Args:
            chosen: bool (inputs,), such as the mislabelled ones.
            level: coverage of the interval.

        Returns:
            The difference (checkpoints,), and the ends of its interval (2, checkpoints); NaN where
            either side has fewer than two inputs with salient interactions.

        Raises:
            ValueError: not one truth value for each input.
        """
        check_fraction(level, "level")
        which = as_array(chosen, "chosen")
        inputs = self.levels.shape[1] // self.runs
        if which.shape != (inputs,) or which.dtype != bool:
            raise ArgumentError(
                "chosen",
                f"be one truth value for each of the {inputs} inputs",
                f"has shape {which.shape} and dtype {which.dtype}",
            )
        found = np.full((3, len(self.levels)), np.nan)
        for at, values in enumerate(self.inputs):
            sides = [values[side & np.isfinite(values)] for side in (which, ~which)]
            if min(map(len, sides)) < 2:
                continue
            parts = np.array([side.var(ddof=1) / len(side) for side in sides])
            about = sides[0].mean() - sides[1].mean()
            reach = 0.0
            if parts.sum() > 0:
                freedom = parts.sum() ** 2 / sum(
                    part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True)
                )
                reach = stdtrit(freedom, (1 + level) / 2) * np.sqrt(parts.sum())
            found[:, at] = about, about - reach, about + reach
        return found[0], found[1:]


def overfitting_level(
    i_and: ArrayLike,
    i_or: ArrayLike,
    outputs: ArrayLike,
    reference_and: ArrayLike,
    reference_or: ArrayLike,
    reference_outputs: ArrayLike,
    *,
    rule: str = "majority",
    salience: float = SALIENCE,
    runs: int = 1,
    resamples: int = 200,
    level: float = LEVEL,
    seed: int = 0,
) -> OverfittingLevel:
    """Measures how much of each sample's strength is the network's own, at every checkpoint.

    The level of a sample x is Σ_own |I(S|x)| / Σ_salient |I(S|x)|, over the AND and OR
    interactions of all sets S but ∅: own are the salient ones that too few reference networks hold
    for the same sample, salient and with the same sign. It is 1 − `Generalizable.total_share`,
    sample by sample; the notion of a generalizable interaction is that of [Cheng25], the level of
    a sample is ours. What is not held by the references may still be right: it is over-fitted only
    as far as they saw other data and learned as well. References that share the network's training
    data may share what it over-fits too.

    Args:
        i_and: (checkpoints, samples, 2^n), AND interactions of the network.
        i_or: (checkpoints, samples, 2^n), its OR interactions.
        outputs: (checkpoints, samples, 2^n), v(S), for the threshold of salience.
        reference_and: (references, samples, 2^n), the same of the trained reference networks, on
            the same samples with the same players.
        reference_or: (references, samples, 2^n).
        reference_outputs: (references, samples, 2^n).
        rule: how many references must agree: `any`, `majority` (more than half) or `all`.
        salience: factor of the thresholds; each network has its own, and each run.
        runs: how many training runs the samples hold, one after the other, with the same inputs in
            each; those of the references likewise.
        resamples: bootstrap resamples; 0 for no intervals.
        level: coverage of the intervals, Student's t with the bootstrap's standard error.
        seed: of the resamples.

    Returns:
        Levels by checkpoint and sample, their means and intervals.

    Raises:
        ValueError: shapes that do not match, or an option out of range.

    Example:
        >>> mine = np.array([[[0.0, 3.0, 0.0, -1.0], [0.0, 3.0, 0.0, 1.0]]])
        >>> theirs = np.array([[[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]]])
        >>> none = np.zeros_like(mine)
        >>> found = overfitting_level(mine, none, mine, theirs, none, theirs)
        >>> found.levels.tolist(), found.mean.tolist()
        ([[0.25, 0.0]], [0.125])
    """
    check_resamples(resamples)
    check_fraction(level, "level")
    seed = check_seed(seed)
    network, signs, shared = beside_references(
        (i_and, i_or, outputs),
        (reference_and, reference_or, reference_outputs),
        rule=rule,
        salience=salience,
        runs=runs,
    )
    total, own = np.zeros((2, *network[0].shape[:2]))
    for kind, sign, held in zip(network[:2], signs, shared, strict=True):
        strength = np.where(sign != 0, np.abs(kind), 0.0)
        total += strength.sum(axis=-1)
        own += np.where(held, 0.0, strength).sum(axis=-1)
    levels = np.divide(own, total, out=np.full_like(own, np.nan), where=total > 0)
    found = _mean_and_intervals(levels, int(runs), int(resamples), level, seed)
    return OverfittingLevel(levels, *found, rule, int(runs))


def _mean_and_intervals(
    levels: np.ndarray, runs: int, resamples: int, level: float, seed: int
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Means over samples (checkpoints,), and their intervals over inputs and over runs."""
    samples = levels.shape[1]
    mean = _mean(levels, np.ones(samples))

    def interval(weights: Callable[..., np.ndarray], units: int) -> np.ndarray | None:
        if not resamples or units < 2:
            return None
        draws = _mean(levels, weights(samples, runs, resamples, seed).T).T
        return np.stack(t_interval(mean, draws, units, level, 0.0, 1.0))

    return mean, interval(input_weights, samples // runs), interval(run_weights, runs)


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is a number, by weights (samples,) or (samples, resamples).

    NaN where nothing is a number.
    """
    known = np.isfinite(values)
    total, weight = np.where(known, values, 0.0) @ weights, known @ weights
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def _plain(values: np.ndarray | None) -> list[Any] | None:
    """Nested lists, None in place of what is no number."""
    if values is None:
        return None
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    listed: list[Any] = plain.tolist()
    return listed
