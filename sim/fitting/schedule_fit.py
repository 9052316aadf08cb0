"""Schedules σ²(epoch) fitted to several checkpoints at once, and held against left-out ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sim.checks import ArgumentError
from sim.fitting.distances import Distance, distance_named
from sim.fitting.noise_fit import NoiseFit, check_direct
from sim.fitting.prediction import noise_grid, predicted_distribution
from sim.simulation import Schedule

FAMILIES = ("exponential", "power_law", "logistic", "monotone")
LEAST = 1e-3  # smallest fall of ln σ² between two checkpoints at which a monotone fit starts


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ScheduleFit:
    """A family of schedules fitted to the measured distributions of several checkpoints.

    Returned by `fit_schedules`, whose example shows it in use.

    Attributes:
        schedule: σ² as a function of the epoch.
        parameters: how many free numbers it has.
        distance: mean distance over the checkpoints it was fitted to.
        held_out: (checkpoints,), distance at each checkpoint of a schedule fitted to the others.
    """

    schedule: Schedule
    parameters: int = dataclasses.field(metadata={"static": True})
    distance: float
    held_out: np.ndarray


def fit_schedules(
    fit: NoiseFit,
    *,
    checkpoints: slice | Sequence[int] | np.ndarray = slice(None, -1),
    steps: int = 400,
) -> Mapping[str, ScheduleFit]:
    """Fits schedules σ²(epoch) to all checkpoints at once, and tests each on left-out ones.

    `exponential`, `power_law` and `logistic` are those of `Schedule`; `monotone` only never rises.
    All are fitted with optax from several starts by the distance of `fit`, once to all checkpoints
    and once without each; at a left-out checkpoint a monotone schedule is read off between its
    neighbours, on a line in log(1 + epoch).

    Args:
        fit: the direct fit of each checkpoint by itself.
        checkpoints: index of the checkpoints to use; the theory claims those of the second phase.
        steps: of the optimiser.

    Returns:
        By name. Compare the means of `held_out`: a family with more parameters always has the
        smaller `distance`.

    Raises:
        ValueError: fewer than 4 checkpoints.

    Example:
        >>> from sim import fit_noise
        >>> from theory import optimal_interactions, zeta
        >>> true = np.random.default_rng(0).normal(size=(6, 16))
        >>> falling = Schedule.exponential(start=1.0, end=1e-3, epochs=4)
        >>> learned = optimal_interactions(true, np.append(falling(range(5)), 0.0))
        >>> options = {"through": "direct", "resamples": 0}
        >>> fit = fit_noise(learned, 0 * learned, zeta(learned), range(6), **options)
        >>> schedules = fit_schedules(fit, steps=50)
        >>> min(schedules, key=lambda name: schedules[name].held_out.mean())
        'exponential'
    """
    check_direct(fit)
    chosen = np.arange(len(fit.epochs))[checkpoints]
    if chosen.size < 4:
        raise ArgumentError(
            "checkpoints", "select at least 4 checkpoints", f"selects {chosen.size}"
        )
    epochs, logs = fit.epochs[chosen], np.log(fit.sigma2[chosen])
    grid = noise_grid(fit.target.n, fit.noise)
    table = predicted_distribution(fit.target, np.exp(grid), fit.noise, fit.settings["parts"])
    problem = _Problem(
        jnp.asarray(fit.measured[chosen]),
        jnp.asarray(grid),
        jnp.asarray(table),
        distance_named(fit.settings["distance"]),
    )
    count = len(chosen)
    # Row 0 fits everything, row 1 + c leaves checkpoint c out.
    weights = np.concatenate([np.ones((1, count)), 1 - np.eye(count)])
    found = {}
    for name in FAMILIES:
        if name == "monotone":
            curve, starts, to_schedule = _monotone(epochs, logs, weights)
        else:
            curve, starts, to_schedule = _parametric(name, epochs, logs, weights)
        best, distances = _fit_folds(curve, starts, jnp.asarray(weights), problem, steps)
        schedule = to_schedule(jax.tree.map(lambda leaf: leaf[0], best))
        size = sum(np.size(leaf) for leaf in jax.tree.leaves(schedule))
        away = np.asarray(distances)
        found[name] = ScheduleFit(schedule, size, float(away[0].mean()), np.diag(away[1:]).copy())
    return found


@dataclasses.dataclass(frozen=True)
class _Problem:
    measured: jax.Array  # (checkpoints, n)
    grid: jax.Array  # (g,), ln σ²
    table: jax.Array  # (g, n), the theory's distributions
    distance: Distance

    def away(self, log_sigma2: jax.Array) -> jax.Array:
        """Distances (checkpoints,) at given ln σ², interpolated in the table."""
        predicted = jax.vmap(lambda c: jnp.interp(log_sigma2, self.grid, c), 1, 1)(self.table)
        return self.distance(predicted, self.measured)


Curve = Callable[[Any, jax.Array], jax.Array]  # (parameters, fold) to ln σ² (checkpoints,)


def _fit_folds(
    curve: Curve, starts: Any, weights: jax.Array, problem: _Problem, steps: int
) -> tuple[Any, jax.Array]:
    """Adam from every start of every fold; the best end of each fold and its distances.

    Args:
        curve: ln σ² at the checkpoints.
        starts: a pytree with leading axes (folds, starts).
        weights: (folds, checkpoints), 0 where a checkpoint is left out.
        problem: what is fitted.
        steps: of the optimiser.

    Returns:
        The parameters, with a leading axis (folds,), and distances (folds, checkpoints).
    """
    optimiser = optax.adam(optax.cosine_decay_schedule(0.1, steps))

    def loss(parameters: Any, weight: jax.Array, fold: jax.Array) -> jax.Array:
        return jnp.sum(weight * problem.away(curve(parameters, fold))) / jnp.sum(weight)

    def descend(parameters: Any, weight: jax.Array, fold: jax.Array) -> tuple[Any, jax.Array]:
        def step(carry: Any, _: None) -> tuple[Any, None]:
            now, state, best, least = carry
            value, slope = jax.value_and_grad(loss)(now, weight, fold)
            best = jax.tree.map(lambda a, b: jnp.where(value < least, a, b), now, best)
            updates, state = optimiser.update(slope, state)
            moved = optax.apply_updates(now, updates)
            return (moved, state, best, jnp.minimum(value, least)), None

        first = (parameters, optimiser.init(parameters), parameters, jnp.asarray(jnp.inf))
        (_, _, best, least), _ = jax.lax.scan(step, first, None, length=steps)
        return best, least

    @jax.jit
    def solve(starts: Any, weights: jax.Array) -> tuple[Any, jax.Array]:
        folds = jnp.arange(len(weights))
        over_starts = jax.vmap(descend, (0, None, None))
        ends, losses = jax.vmap(over_starts)(starts, weights, folds)
        pick = jnp.argmin(losses, axis=1)
        best = jax.tree.map(lambda leaf: leaf[folds, pick], ends)
        return best, jax.vmap(lambda p, f: problem.away(curve(p, f)))(best, folds)

    return solve(starts, weights)


def _parametric(
    name: str, epochs: np.ndarray, logs: np.ndarray, weights: np.ndarray
) -> tuple[Curve, Any, Callable[[Any], Schedule]]:
    """A family of `Schedule`, in time units of a tenth of the run, and starts for every fold."""
    unit = epochs[-1] / 10
    times = epochs / unit

    def curve(schedule: Any, fold: jax.Array) -> jax.Array:
        return jnp.log(schedule(jnp.asarray(times)))

    folds = [_starts(name, times[w > 0], logs[w > 0]) for w in weights]
    stacked = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *fold) for fold in folds]
    starts = jax.tree.map(lambda *leaves: jnp.stack(leaves), *stacked)

    def to_schedule(schedule: Schedule) -> Schedule:
        leaf = {key: float(value) for key, value in schedule.parameters.items()}
        start = np.exp(leaf["log_start"])
        if name == "exponential":
            return Schedule.exponential(start, np.exp(leaf["log_end"]), 10 * unit)
        if name == "power_law":
            return Schedule.power_law(start, leaf["exponent"], unit * np.exp(leaf["log_scale"]))
        return Schedule.logistic(
            start,
            np.exp(leaf["log_end"]),
            unit * leaf["middle"],
            unit * np.exp(leaf["log_width"]),
        )

    return curve, starts, to_schedule


def _starts(name: str, times: np.ndarray, logs: np.ndarray) -> list[Schedule]:
    """Schedules near the noise levels fitted one by one."""
    if name == "exponential":
        lines = [np.polyfit(times, logs, 1), np.array([(logs[-1] - logs[0]) / 10, logs[0]])]
        return [Schedule.exponential(np.exp(b), np.exp(b + 10 * a), 10.0) for a, b in lines]
    if name == "power_law":
        scales = (0.01, 0.1, 1.0, 10.0)
        lines = [np.polyfit(np.log1p(times / scale), logs, 1) for scale in scales]
        return [
            Schedule.power_law(np.exp(b), -a, scale)
            for (a, b), scale in zip(lines, scales, strict=True)
        ]
    ends = np.exp(logs.max()), np.exp(logs.min())
    middles = np.quantile(times, [0.4, 0.6, 0.8, 0.95])
    return [Schedule.logistic(*ends, middle, 0.3 * middle + 0.01) for middle in middles]


def _monotone(
    epochs: np.ndarray, logs: np.ndarray, weights: np.ndarray
) -> tuple[Curve, Any, Callable[[Any], Schedule]]:
    """Never rising: a first value and softplus steps down; a left-out value is interpolated."""
    count = len(epochs)
    times = np.log1p(epochs)
    reading = np.broadcast_to(np.eye(count), (len(weights), count, count)).copy()
    for fold, weight in enumerate(weights):
        kept = np.flatnonzero(weight)
        for c in np.flatnonzero(weight == 0):
            reading[fold, c] = [np.interp(times[c], times[kept], kept == k) for k in range(count)]
    rows = jnp.asarray(reading)

    def values(parameters: Any) -> jax.Array:
        falls = jnp.concatenate([jnp.zeros(1), jnp.cumsum(jax.nn.softplus(parameters["falls"]))])
        return parameters["first"] - falls

    def curve(parameters: Any, fold: jax.Array) -> jax.Array:
        return rows[fold] @ values(parameters)

    level = isotonic(logs)
    falls = np.maximum(-np.diff(level), LEAST)
    first = {"first": level[0], "falls": np.log(np.expm1(falls))}
    starts = jax.tree.map(
        lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (len(weights), 1, *np.shape(leaf))), first
    )

    def to_schedule(parameters: Any) -> Schedule:
        return Schedule.table(epochs.tolist(), jnp.exp(values(parameters)))

    return curve, starts, to_schedule


def isotonic(values: np.ndarray) -> np.ndarray:
    """The never-rising sequence nearest to `values` in squares.

    Example:
        >>> isotonic(np.array([5.0, 1.0, 3.0, 0.0])).tolist()
        [5.0, 2.0, 2.0, 0.0]
    """
    from scipy.optimize import isotonic_regression  # slow to import, for those who ask

    return isotonic_regression(values, increasing=False).x
