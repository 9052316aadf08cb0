"""How far apart two distributions over orders are, and the nearest member of a family."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from sim.checks import check_choice
from sim.strength import averaged_distribution

Array = TypeVar("Array", np.ndarray, jax.Array)
Distance = Callable[[jax.Array, jax.Array], jax.Array]

TIE = 1e-13  # distances this near are rounding apart
RACE = 3  # rounds in which several basins are refined


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


DISTANCES: dict[str, Distance] = {
    "total_variation": total_variation,
    "jensen_shannon": jensen_shannon,
    "least_squares": least_squares,
}


def distance_named(name: str) -> Distance:
    """The distance of that name; a ValueError that lists the names otherwise."""
    check_choice(name, "distance", DISTANCES)
    return DISTANCES[name]


class Match(NamedTuple, Generic[Array]):
    """The member of a family nearest to each measured distribution."""

    parameter: Array  # (checkpoints,)
    predicted: Array  # (checkpoints, orders)
    distance: Array  # (checkpoints,)


def nearest_member(
    measured: np.ndarray,
    family: Callable[[np.ndarray], np.ndarray | jax.Array],
    grid: np.ndarray,
    distance: Distance,
    *,
    starts: int = 3,
    points: int = 9,
    rounds: int = 11,
) -> Match[np.ndarray]:
    """Finds the member of a one-parameter family nearest to each measured distribution.

    First the whole grid, then finer and finer grids around the `starts` best local minima of every
    checkpoint: never a local search from a guess, since thresholds make the distance uneven. After
    `RACE` rounds only the best basin of each checkpoint goes on. Of equally near members, the one
    with the largest parameter is taken.

    Args:
        measured: (checkpoints, orders).
        family: from parameters (m,) to distributions (m, orders).
        grid: (g,) increasing parameters, dense enough that the best basin holds a grid point; a
            single one for a family of one member.
        distance: between distributions along the last axis.
        starts: number of basins refined for each checkpoint.
        points: members tried in each basin and round.
        rounds: each shrinks a basin by the factor (points − 1)/2.
    """
    members = np.asarray(family(grid))
    away = distances(members[None], measured, distance)  # (checkpoints, g)
    centres = grid[_best_basins(away, starts)]  # (checkpoints, starts)
    width = np.full(len(measured), np.max(np.diff(grid), initial=0.0))
    best = _Best(measured.shape)
    everywhere = np.broadcast_to(members, (len(measured), *members.shape))
    best.update(np.broadcast_to(grid, away.shape), everywhere, away)

    offsets = np.linspace(-1, 1, points)
    for done in range(rounds):
        tried = centres[..., None] + width[:, None, None] * offsets  # (checkpoints, starts, points)
        tried = np.clip(tried, grid[0], grid[-1]).reshape(len(measured), -1)
        members = np.asarray(family(tried.ravel())).reshape(*tried.shape, -1)
        away = distances(members, measured, distance)
        best.update(tried, members, away)
        within = away.reshape(*centres.shape, points)
        pick = _last_of_nearest(within)[..., None]
        centres = np.take_along_axis(tried.reshape(within.shape), pick, axis=-1)[..., 0]
        width = width * 2 / (points - 1)
        if done + 1 == RACE:
            leader = _largest_of_nearest(within.min(axis=-1), centres)[:, None]
            centres = np.take_along_axis(centres, leader, axis=1)
    return Match(best.parameter, best.predicted, best.distance)


def distances(members: np.ndarray, measured: np.ndarray, distance: Distance) -> np.ndarray:
    """Of every checkpoint's own members from what was measured there, (checkpoints, members).

    Args:
        members: (checkpoints, members, orders), or (1, members, orders) for those of all.
        measured: (checkpoints, orders).
        distance: between distributions along the last axis.
    """
    return np.asarray(_compiled(jnp.asarray(members), jnp.asarray(measured)[:, None], distance))


@functools.partial(jax.jit, static_argnames="distance")
def _compiled(members: jax.Array, measured: jax.Array, distance: Distance) -> jax.Array:
    return distance(members, measured)


def _best_basins(away: np.ndarray, starts: int) -> np.ndarray:
    """Grid points that are local minima, of a level stretch its upper end: the nearest few."""
    padded = np.pad(away, ((0, 0), (1, 1)), constant_values=np.inf)
    minima = (away <= padded[:, :-2] + TIE) & (away < padded[:, 2:] - TIE)
    return np.argsort(np.where(minima, away, np.inf), axis=1, kind="stable")[:, :starts]


class _Best:
    """The nearest member so far of every checkpoint."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.parameter = np.full(shape[0], -np.inf)
        self.predicted = np.zeros(shape)
        self.distance = np.full(shape[0], np.inf)

    def update(self, parameters: np.ndarray, members: np.ndarray, away: np.ndarray) -> None:
        nearest = away.min(axis=1)
        pick = _largest_of_nearest(away, parameters)
        rows = np.arange(len(pick))
        parameter = parameters[rows, pick]
        better = (nearest < self.distance - TIE) | (
            (nearest <= self.distance + TIE) & (parameter > self.parameter)
        )
        self.parameter = np.where(better, parameter, self.parameter)
        self.predicted = np.where(better[:, None], members[rows, pick], self.predicted)
        self.distance = np.where(better, away[rows, pick], self.distance)


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A family of predictions, tabulated: what each member gives for every sample.

    Attributes:
        parameters: (g,), increasing; the same one may stand twice.
        strength: (g, samples, n), by order.
    """

    parameters: np.ndarray
    strength: np.ndarray

    @functools.cached_property
    def distributions(self) -> jax.Array:
        """Distribution over orders of each member, averaged over samples, (g, n)."""
        return averaged_distribution(self.strength)

    def nearest(self, measured: np.ndarray, distance: Distance) -> float:
        """The parameter whose distribution is nearest to a measured one (n,)."""
        away = np.asarray(distance(self.distributions, jnp.asarray(measured)[None]))
        return float(self.parameters[int(away.argmin())])

    def padded(self, size: int) -> Table:
        """The table with its last member repeated up to a length, for one compilation."""
        more = size - len(self.parameters)
        return Table(
            np.pad(self.parameters, (0, more), mode="edge"),
            np.pad(self.strength, ((0, more), (0, 0), (0, 0)), mode="edge"),
        )


def nearest_on_grid(
    measured: jax.Array, table: jax.Array, grid: jax.Array, distance: Distance
) -> Match[jax.Array]:
    """The member of a tabulated family nearest to each measured distribution.

    A global search over the table, then over the straight line to either neighbour of the best
    entry. Of equally near members, the one with the largest parameter is taken, where near is
    ten times as wide as in `nearest_member`: a table of averages is level to a digit less.

    Args:
        measured: (checkpoints, orders).
        table: (g, orders), members of the family at the parameters `grid`.
        grid: (g,), increasing.
        distance: what is minimised.
    """
    away = distance(table[None], measured[:, None])  # (checkpoints, g)
    best = _last_of_nearest(away, 10 * TIE)  # (checkpoints,)
    sides = jnp.stack([jnp.maximum(best - 1, 0), jnp.minimum(best + 1, grid.size - 1)])
    share = jnp.linspace(0.0, 1.0, 9).astype(table.dtype)

    def along(values: jax.Array) -> jax.Array:
        """From the lower neighbour up to the best entry, and on to the upper one."""
        shares = share.reshape(1, -1, *[1] * (values.ndim - 1))
        low, middle, high = (values[at][:, None] for at in (sides[0], best, sides[1]))
        up, on = (low, middle), (middle, high)
        return jnp.concatenate([(1 - shares) * a + shares * b for a, b in (up, on)], axis=1)

    members, parameters = along(table), along(grid)  # (checkpoints, 18, orders), (checkpoints, 18)
    away = distance(members, measured[:, None])
    pick = _last_of_nearest(away, 10 * TIE)[:, None]
    return Match(
        jnp.take_along_axis(parameters, pick, axis=1)[:, 0],
        jnp.take_along_axis(members, pick[..., None], axis=1)[:, 0],
        jnp.take_along_axis(away, pick, axis=1)[:, 0],
    )


def _nearest(away: Array, within: float = TIE) -> Array:
    """Which entries along the last axis are as small as the smallest, but for rounding."""
    return away <= away.min(axis=-1, keepdims=True) + within


def _last_of_nearest(away: Array, within: float = TIE) -> Array:
    """Index along the last axis of the last of the smallest entries."""
    return away.shape[-1] - 1 - _nearest(away, within)[..., ::-1].argmax(axis=-1)


def _largest_of_nearest(away: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """The same where parameters are in no order: the index of the largest among the nearest."""
    return np.argmax(np.where(_nearest(away), parameters, -np.inf), axis=-1)
