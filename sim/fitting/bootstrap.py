"""Uncertainty from drawing the samples anew, for every fit of a one-parameter family."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from sim.fitting.distances import Distance, nearest_on_grid

BETTER, WORSE, SAME = "better", "worse", "not distinguishable"
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
    """What intervals of (theory − null) distances say about the theory.

    Intervals are percentiles of paired resamples. Between two families that are equally far from
    the truth they leave 0 out in 2 to 10 % of simulated measurements, where intervals centred on
    the observed difference did so in 6 to 42 %.
    """
    return [
        BETTER if above < -MATERIAL else WORSE if below > MATERIAL else SAME
        for below, above in zip(low, high, strict=True)
    ]
