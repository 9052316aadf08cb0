"""Uncertainty from drawing the samples anew, for every fit of a one-parameter family."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from sim.fitting.distances import Distance, last_minimum

BETTER, WORSE, SAME = "better", "worse", "not distinguishable"
NEAR = 1e-12  # distances this near are equal
MATERIAL = 1e-4  # a total variation below this is nothing that a verdict should rest on


def bootstrap_weights(samples: int, resamples: int, seed: int) -> np.ndarray:
    """How often each sample is drawn when as many are drawn with replacement, as shares.

    Returns:
        (resamples, samples), each row summing to 1.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(samples, np.full(samples, 1 / samples), size=resamples) / samples


def nearest_on_grid(
    measured: jax.Array, table: jax.Array, grid: jax.Array, distance: Distance
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The member of a tabulated family nearest to each measured distribution.

    A global search over the table, then over the straight line to either neighbour of the best
    entry. Of equally near members, the one with the largest parameter is taken.

    Args:
        measured: (checkpoints, n).
        table: (g, n), members of the family at the parameters `grid`.
        grid: (g,), increasing.
        distance: what is minimised.

    Returns:
        The parameters (checkpoints,), the members (checkpoints, n), and the distances.
    """
    away = distance(table[None], measured[:, None])  # (checkpoints, g)
    best = last_minimum(away, NEAR)  # (checkpoints,)
    sides = jnp.stack([jnp.maximum(best - 1, 0), jnp.minimum(best + 1, grid.size - 1)])
    share = jnp.linspace(0.0, 1.0, 9).astype(table.dtype)

    def along(values: jax.Array) -> jax.Array:
        """From the lower neighbour up to the best entry, and on to the upper one."""
        shares = share.reshape(1, -1, *[1] * (values.ndim - 1))
        low, middle, high = (values[at][:, None] for at in (sides[0], best, sides[1]))
        up, on = (low, middle), (middle, high)
        return jnp.concatenate([(1 - shares) * a + shares * b for a, b in (up, on)], axis=1)

    members, parameters = along(table), along(grid)  # (checkpoints, 18, n), (checkpoints, 18)
    away = distance(members, measured[:, None])
    pick = last_minimum(away, NEAR)[:, None]
    return (
        jnp.take_along_axis(parameters, pick, axis=1)[:, 0],
        jnp.take_along_axis(members, pick[..., None], axis=1)[:, 0],
        jnp.take_along_axis(away, pick, axis=1)[:, 0],
    )


@functools.partial(jax.jit, static_argnames=("distance", "report"))
def resampled_fit(
    measured: jax.Array, tables: jax.Array, grid: jax.Array, distance: Distance, report: Distance
) -> tuple[jax.Array, jax.Array]:
    """Fits a tabulated family to every checkpoint of every resample.

    Args:
        measured: (resamples, checkpoints, n).
        tables: (resamples, g, n).
        grid: (g,).
        distance: what is minimised.
        report: what is returned.

    Returns:
        The parameters and the reported distances, (resamples, checkpoints) each.
    """

    def one(pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        parameter, member, _ = nearest_on_grid(pair[0], pair[1], grid, distance)
        return parameter, report(pair[0], member)

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
