"""Uncertainty from drawing the samples anew, for every fit of a one-parameter family."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import stdtr

from sim.fitting.distances import Distance, nearest_on_grid

BETTER, WORSE, SAME = "better", "worse", "not distinguishable"
DEPENDS = "depends on the split of orders 1 and 2"
LEVEL = 0.95  # coverage of intervals, where nothing else is asked for
MATERIAL = 1e-4  # a total variation below this is nothing that a verdict should rest on


def bootstrap_weights(samples: int, resamples: int, seed: int) -> np.ndarray:
    """How often each sample is drawn when as many are drawn with replacement, as shares.

    Returns:
        (resamples, samples), each row summing to 1.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(samples, np.full(samples, 1 / samples), size=resamples) / samples


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


def interval(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The middle part of bootstrap draws along their first axis: its two ends."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def verdicts(low: np.ndarray, high: np.ndarray) -> list[str]:
    """What intervals of (theory − null) distances say about the theory: where they leave 0 out."""
    return [
        BETTER if above < -MATERIAL else WORSE if below > MATERIAL else SAME
        for below, above in zip(low, high, strict=True)
    ]


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
    # A resample spreads as if n samples were n − 1.
    spread = draws.std(axis=0, ddof=1) * np.sqrt(samples / (samples - 1))
    ratio = np.abs(difference) / np.where(spread > 0, spread, 1.0)
    chance = np.where(spread > 0, 2 * stdtr(samples - 1, -ratio), (difference == 0) * 1.0)
    told = (holm(chance) <= 1 - level) & (np.abs(difference) > material)
    return [
        SAME if not tells else BETTER if value < 0 else WORSE
        for tells, value in zip(told, difference, strict=True)
    ]


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
