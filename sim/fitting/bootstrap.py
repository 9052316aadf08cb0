"""Uncertainty from drawing the samples anew, for every fit of a one-parameter family."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import stdtr, stdtrit

from sim.fitting.distances import Distance, nearest_on_grid
from sim.machine import check_host_memory, check_memory

BETTER, WORSE, SAME = "better", "worse", "not distinguishable"
DEPENDS = "depends on the split of orders 1 and 2"
LEVEL = 0.95  # coverage of intervals, where nothing else is asked for
WEIGHTS = 2.25  # arrays of (resamples, samples) at a time, as measured
TABLES = {"direct": 1.35 * 641, "extraction": 1.35 * 64}  # as measured: points of the longest table
MATERIAL = 1e-4  # a total variation below this is nothing that a verdict should rest on


def check_room(resamples: int, shape: tuple[int, int, int], table: float) -> None:
    """Raises where resamples would take more memory than there is.

    Args:
        resamples: how many.
        shape: (checkpoints, samples, n).
        table: numbers that a resample takes for each order while a model is fitted to it; see
            `TABLES`.
    """
    checkpoints, samples, n = shape
    each = WEIGHTS * samples + (table + 3 * checkpoints) * n
    check_memory(8 * resamples * each, f"Drawing {resamples} resamples", "fewer resamples")


def bootstrap_weights(units: int, resamples: int, seed: int) -> np.ndarray:
    """How often each unit is drawn when as many are drawn with replacement, as shares.

    Returns:
        (resamples, units), each row summing to 1.
    """
    what = f"Drawing {resamples} resamples of {units}"
    check_host_memory(8 * WEIGHTS * resamples * units, what, "fewer resamples")
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=resamples) / units


def input_weights(samples: int, runs: int, resamples: int, seed: int) -> np.ndarray:
    """Weights (resamples, samples) that draw the inputs anew, each with all of its runs.

    Samples are runs × inputs, one run after the other.
    """
    return np.tile(bootstrap_weights(samples // runs, resamples, seed), runs) / runs


def run_weights(samples: int, runs: int, resamples: int, seed: int) -> np.ndarray:
    """Weights (resamples, samples) that draw the training runs anew, each with all its inputs."""
    inputs = samples // runs
    return np.repeat(bootstrap_weights(runs, resamples, seed), inputs, axis=1) / inputs


@functools.partial(jax.jit, static_argnames=("distance", "judged_by"))
def resampled_fit(
    measured: jax.Array, tables: jax.Array, grid: jax.Array, distance: Distance, judged_by: Distance
) -> tuple[jax.Array, jax.Array]:
    """Fits a tabulated family to every checkpoint of every resample.

    Args:
        measured: (resamples, checkpoints, n).
        tables: (resamples, g, n).
        grid: (g,).
        distance: what is minimised.
        judged_by: what is returned.

    Returns:
        The parameters and the distances by `judged_by`, (resamples, checkpoints) each.
    """
    if grid.size == 1:  # nothing to search
        members = jnp.broadcast_to(tables, measured.shape)
        return jnp.full(measured.shape[:2], grid[0]), judged_by(measured, members)

    def one(pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        parameter, member, _ = nearest_on_grid(pair[0], pair[1], grid, distance)
        return parameter, judged_by(pair[0], member)

    return jax.lax.map(one, (measured, tables))


def t_interval(
    observed: np.ndarray,
    draws: np.ndarray,
    units: int,
    level: float,
    least: float = -np.inf,
    most: float = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Student's t interval of a statistic, with the standard deviation of its bootstrap draws.

    The middle part of the draws themselves covers too little where the units are few: of three,
    no resample reaches beyond the largest.

    Args:
        observed: (...), of all units.
        draws: (resamples, ...).
        units: how many were drawn anew, at least 2.
        level: coverage.
        least: the smallest value that there is.
        most: the largest.

    Returns:
        Lower and upper end, (...).
    """
    reach = stdtrit(units - 1, (1 + level) / 2) * _spread(draws, units)
    return np.clip(observed - reach, least, most), np.clip(observed + reach, least, most)


def standing(
    difference: np.ndarray, draws: np.ndarray, samples: int, level: float, material: float
) -> list[str]:
    """What differences (theory − null) of distances say about the theory, one verdict for each.

    Student's t of the difference over the standard deviation of its bootstrap draws, with one
    degree of freedom less than there are samples; Holm's correction for the number of verdicts,
    so that the chance of any false one is at most 1 − level as far as the t distribution holds.

    Args:
        difference: (m,), as observed.
        draws: (resamples, m), paired: the same samples for both.
        samples: how many there are, at least 2.
        level: 1 − the accepted chance of a false verdict.
        material: a smaller difference is not spoken of.
    """
    spread = _spread(draws, samples)
    ratio = np.abs(difference) / np.where(spread > 0, spread, 1.0)
    chance = np.where(spread > 0, 2 * stdtr(samples - 1, -ratio), (difference == 0) * 1.0)
    told = (holm(chance) <= 1 - level) & (np.abs(difference) > material)
    return [
        SAME if not tells else BETTER if value < 0 else WORSE
        for tells, value in zip(told, difference, strict=True)
    ]


def _spread(draws: np.ndarray, units: int) -> np.ndarray:
    """Standard error from bootstrap draws: a resample spreads as if n units were n − 1."""
    return draws.std(axis=0, ddof=1) * np.sqrt(units / (units - 1))


def holm(chance: np.ndarray) -> np.ndarray:
    """Chances adjusted for their number by Holm's step-down rule.

    Example:
        >>> holm(np.array([0.04, 0.01, 0.03])).round(3).tolist()
        [0.06, 0.03, 0.06]
    """
    order = np.argsort(chance)
    factor = np.arange(len(chance), 0, -1)
    stepped = np.minimum(np.maximum.accumulate(factor * chance[order]), 1.0)
    return stepped[np.argsort(order)]


def agreed(first: str, second: str) -> str:
    """A verdict stands where the fits at both ends of `prefer` give it."""
    return first if first == second else DEPENDS
