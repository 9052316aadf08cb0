"""How far apart two distributions over orders are, and the nearest member of a family."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from sim.checks import ArgumentError


@jax.jit
def total_variation(p: jax.Array, q: jax.Array) -> jax.Array:
    """Total variation ½ Σ_k |p(k) − q(k)| along the last axis: between 0 and 1."""
    return 0.5 * jnp.sum(jnp.abs(p - q), axis=-1)


@jax.jit
def jensen_shannon(p: jax.Array, q: jax.Array) -> jax.Array:
    """Jensen–Shannon divergence in bits along the last axis: between 0 and 1."""
    middle = 0.5 * (p + q)
    return 0.5 * (_kullback_leibler(p, middle) + _kullback_leibler(q, middle))


@jax.jit
def least_squares(p: jax.Array, q: jax.Array) -> jax.Array:
    """Sum of squared differences Σ_k (p(k) − q(k))² along the last axis."""
    return jnp.sum((p - q) ** 2, axis=-1)


def _kullback_leibler(p: jax.Array, q: jax.Array) -> jax.Array:
    some = p > 0
    ratio = jnp.where(some, p, 1.0) / jnp.where(some, q, 1.0)
    return jnp.sum(jnp.where(some, p * jnp.log2(ratio), 0.0), axis=-1)


DISTANCES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "total_variation": total_variation,
    "jensen_shannon": jensen_shannon,
    "least_squares": least_squares,
}


def distance_named(name: str) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The distance of that name; a ValueError that lists the names otherwise."""
    if name not in DISTANCES:
        raise ArgumentError(
            "distance",
            f"be one of {', '.join(DISTANCES)}",
            f"is '{name}'",
        )
    return DISTANCES[name]


TIE = 1e-13  # distances this near are rounding apart


RACE = 3  # rounds in which several basins are refined


Array = TypeVar("Array", np.ndarray, jax.Array)


Distance = Callable[[jax.Array, jax.Array], jax.Array]


class Match(NamedTuple):
    """The member of a family nearest to each measured distribution."""

    parameter: np.ndarray  # (checkpoints,)
    predicted: np.ndarray  # (checkpoints, orders)
    distance: np.ndarray  # (checkpoints,)


def nearest_member(
    measured: np.ndarray,
    family: Callable[[np.ndarray], np.ndarray],
    grid: np.ndarray,
    distance: Distance,
    *,
    starts: int = 3,
    points: int = 9,
    rounds: int = 11,
) -> Match:
    """Finds the member of a one-parameter family nearest to each measured distribution.

    First the whole grid, then finer and finer grids around the `starts` best local minima of every
    checkpoint: never a local search from a guess, since thresholds make the distance uneven. After
    `RACE` rounds only the best basin of each checkpoint goes on. Of equally near members, the one
    with the largest parameter is taken.

    Args:
        measured: (checkpoints, orders).
        family: from parameters (m,) to distributions (m, orders).
        grid: (g,) increasing parameters, dense enough that the best basin holds a grid point.
        distance: between distributions along the last axis.
        starts: number of basins refined for each checkpoint.
        points: members tried in each basin and round.
        rounds: each shrinks a basin by the factor (points − 1)/2.
    """
    members = np.asarray(family(grid))
    away = _distances(members[None], measured, distance)  # (checkpoints, g)
    centres = grid[_best_basins(away, starts)]  # (checkpoints, starts)
    width = np.full(len(measured), np.max(np.diff(grid)))
    best = _Best(measured.shape)
    everywhere = np.broadcast_to(members, (len(measured), *members.shape))
    best.update(np.broadcast_to(grid, away.shape), everywhere, away)

    offsets = np.linspace(-1, 1, points)
    for done in range(rounds):
        tried = centres[..., None] + width[:, None, None] * offsets  # (checkpoints, starts, points)
        tried = np.clip(tried, grid[0], grid[-1]).reshape(len(measured), -1)
        members = np.asarray(family(tried.ravel())).reshape(*tried.shape, -1)
        away = _distances(members, measured, distance)
        best.update(tried, members, away)
        within = away.reshape(*centres.shape, points)
        pick = last_minimum(within, TIE)[..., None]
        centres = np.take_along_axis(tried.reshape(within.shape), pick, axis=-1)[..., 0]
        width = width * 2 / (points - 1)
        if done + 1 == RACE:
            nearest = within.min(axis=-1)
            tied = nearest <= nearest.min(axis=-1, keepdims=True) + TIE
            leader = np.argmax(np.where(tied, centres, -np.inf), axis=-1)[:, None]
            centres = np.take_along_axis(centres, leader, axis=1)
    return Match(best.parameter, best.predicted, best.distance)


def _distances(members: np.ndarray, measured: np.ndarray, distance: Distance) -> np.ndarray:
    return np.asarray(_compiled(jnp.asarray(members), jnp.asarray(measured)[:, None], distance))


@functools.partial(jax.jit, static_argnames="distance")
def _compiled(members: jax.Array, measured: jax.Array, distance: Distance) -> jax.Array:
    return distance(members, measured)


def _best_basins(away: np.ndarray, starts: int) -> np.ndarray:
    """Grid points that are local minima, of a level stretch its upper end: the nearest few."""
    padded = np.pad(away, ((0, 0), (1, 1)), constant_values=np.inf)
    minima = (away <= padded[:, :-2] + TIE) & (away < padded[:, 2:] - TIE)
    return np.argsort(np.where(minima, away, np.inf), axis=1, kind="stable")[:, :starts]


def last_minimum(away: Array, within: float) -> Array:
    """Index of the smallest entry along the last axis, the last of those as small `within`."""
    tied = away <= away.min(axis=-1, keepdims=True) + within
    return away.shape[-1] - 1 - tied[..., ::-1].argmax(axis=-1)


class _Best:
    """The nearest member so far of every checkpoint."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.parameter = np.full(shape[0], -np.inf)
        self.predicted = np.zeros(shape)
        self.distance = np.full(shape[0], np.inf)

    def update(self, parameters: np.ndarray, members: np.ndarray, away: np.ndarray) -> None:
        nearest = away.min(axis=1)
        tied = away <= nearest[:, None] + TIE
        pick = np.argmax(np.where(tied, parameters, -np.inf), axis=1)
        rows = np.arange(len(pick))
        parameter = parameters[rows, pick]
        better = (nearest < self.distance - TIE) | (
            (nearest <= self.distance + TIE) & (parameter > self.parameter)
        )
        self.parameter = np.where(better, parameter, self.parameter)
        self.predicted = np.where(better[:, None], members[rows, pick], self.predicted)
        self.distance = np.where(better, away[rows, pick], self.distance)
