"""Both phases from one schedule: a whole trajectory fitted through the closed form."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_choice, check_positive, check_whole
from sim.fitting.distances import distance_named, total_variation
from sim.fitting.noise_fit import NoiseFit, check_direct, check_interactions
from sim.machine import check_memory
from sim.simulation import CLOCKS, Schedule, relaxation_path
from sim.strength import added_parts
from theory import order_distribution, orders, salience_threshold, strength_by_order
from theory.lattice import apply_power

SUBSTEP = 17  # numbers of a substep for each order, with those of its slopes, as measured


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrajectoryFit:
    """Both phases from one schedule: relaxation from the measured start to a moving optimum.

    Returned by `fit_trajectory`, whose example shows it in use.

    Attributes:
        schedule: σ² as a function of the epoch.
        rate: of the flow; see `fit_trajectory`.
        predicted: (checkpoints, n), distributions over the orders 1..n.
        total_variation: (checkpoints,), to the measured ones.
        history: (steps,), the mean distance while it was fitted.
        parameters: free numbers for the whole trajectory.
    """

    schedule: Schedule
    rate: float
    predicted: np.ndarray
    total_variation: np.ndarray
    history: np.ndarray
    parameters: int = dataclasses.field(metadata={"static": True})

    @property
    def mean_order(self) -> np.ndarray:
        """Mean order of the predicted distributions, (checkpoints,)."""
        return self.predicted @ np.arange(1.0, self.predicted.shape[1] + 1)


def fit_trajectory(
    fit: NoiseFit,
    i_and: ArrayLike,
    i_or: ArrayLike,
    outputs: ArrayLike,
    schedule: Schedule,
    *,
    rate: float = 1.0,
    clock: str = "noise",
    substeps: int = 4,
    steps: int = 150,
    learning_rate: float = 0.1,
) -> TrajectoryFit:
    """Fits one schedule and one rate to all checkpoints at once, the first phase included.

    The measured interactions of the first checkpoint relax (`theory.relax`) towards the optimum
    ŵ(σ²(t)) for the true interactions w*, σ² being a schedule; whatever leaves its parameters have
    are fitted by gradient descent through the closed form with optax.

    Args:
        fit: the direct fit of each checkpoint by itself, for its w*, its measured distributions
            and its options.
        i_and: (checkpoints, samples, 2^n), the interactions that were fitted.
        i_or: (checkpoints, samples, 2^n), the same.
        outputs: (checkpoints, samples, 2^n), the same.
        schedule: where the fit starts; its family stays.
        rate: where the rate of the flow starts, by `clock`.
        clock: `flow`, time t = rate · epochs in the flow of `theory.relax`, or `noise`, time in
            units of 1/(2σ²), so that the start is forgotten at the rate `rate` whatever σ².
        substeps: stretches of constant σ² between two checkpoints.
        steps: of the optimiser.
        learning_rate: of Adam, in units of the schedule's leaves (logarithms, mostly).

    Returns:
        The best of all steps.

    Raises:
        ValueError: shapes that do not match the fit, or an unknown clock.

    Example:
        >>> from sim import fit_noise, random_start, simulate
        >>> from theory import zeta
        >>> true = jax.random.normal(jax.random.key(0), (6, 16))
        >>> start = random_start(4, jax.random.key(1), members=6)
        >>> falling = Schedule.exponential(start=10.0, end=1e-5, epochs=40)
        >>> epochs = np.arange(0, 41, 5)
        >>> learned = simulate(start, true, falling, epochs, "relaxation", rate=0.5,
        ...                    keep_interactions=True).i_and
        >>> options = {"through": "direct", "resamples": 0}
        >>> fit = fit_noise(learned, 0 * learned, zeta(learned), epochs, **options)
        >>> guess = Schedule.exponential(start=3.0, end=1e-4, epochs=40)
        >>> both = fit_trajectory(fit, learned, 0 * learned, zeta(learned), guess, steps=40)
        >>> bool(both.history.min() < 0.5 * both.history[0])
        True
    """
    check_direct(fit)
    i_and, i_or, _ = check_interactions(i_and, i_or, outputs)
    if len(i_and) != len(fit.epochs) or i_and.shape[1:] != fit.target.w_and.shape:
        raise ArgumentError(
            "i_and",
            f"have shape {(len(fit.epochs), *fit.target.w_and.shape)}, as fitted",
            f"has shape {i_and.shape}",
            opening="",
        )
    check_choice(clock, "clock", CLOCKS)
    check_positive(rate, "rate")
    check_positive(learning_rate, "learning_rate")
    check_whole(steps, "steps", 1)
    check_whole(substeps, "substeps", 1)
    numbers = SUBSTEP * (fit.target.n + 1) * (len(fit.epochs) - 1) * substeps
    check_memory(8 * numbers, f"A trajectory of {substeps} substeps", "fewer substeps")
    start = jnp.stack([jnp.asarray(i_and[0]), jnp.asarray(i_or[0])])
    predict = functools.partial(_both_phases, fit, start, clock=clock, substeps=substeps)
    measured = jnp.asarray(fit.measured)
    away = distance_named(fit.settings["distance"])
    optimiser = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))

    def loss(parameters: Any) -> jax.Array:
        return jnp.mean(away(predict(parameters), measured))

    @jax.jit
    def step(parameters: Any, state: Any) -> tuple[Any, Any, jax.Array]:
        value, slope = jax.value_and_grad(loss)(parameters)
        updates, state = optimiser.update(slope, state)
        return optax.apply_updates(parameters, updates), state, value

    now = (schedule, jnp.log(jnp.asarray(float(rate))))
    state = optimiser.init(now)
    best, history = now, list[float]()
    for _ in range(steps):
        moved, state, value = step(now, state)
        if not history or float(value) < min(history):
            best = now
        history.append(float(value))
        now = moved
    predicted = np.asarray(jax.jit(predict)(best))
    return TrajectoryFit(
        schedule=best[0],
        rate=float(jnp.exp(best[1])),
        predicted=predicted,
        total_variation=np.asarray(total_variation(measured, jnp.asarray(predicted))),
        history=np.array(history),
        parameters=1 + sum(np.size(leaf) for leaf in jax.tree.leaves(schedule)),
    )


def _both_phases(
    fit: NoiseFit,
    start: jax.Array,
    parameters: tuple[Schedule, jax.Array],
    *,
    clock: str,
    substeps: int,
) -> jax.Array:
    """Predicted distributions (checkpoints, n) of the relaxation from `start` (2, samples, 2^n)."""
    schedule, log_rate = parameters
    target, n = fit.target, fit.target.n
    rate = jnp.exp(log_rate)
    kept, learned = relaxation_path(n, schedule, fit.epochs, fit.noise, rate, clock, substeps)
    vectors, dual, _ = fit.noise.eigenbasis(start.dtype)
    goal = apply_power(dual, jnp.stack([target.w_and, target.w_or]))
    origin = apply_power(dual, start)
    order = orders(n)

    def at(gains: tuple[jax.Array, jax.Array]) -> jax.Array:
        keeps, takes = (gain[order][None, None, :] for gain in gains)
        now = apply_power(vectors, keeps * origin + takes * goal).at[..., 0].set(0.0)
        effect = jnp.sum(now, axis=(0, -1))
        threshold = salience_threshold(
            effect, jnp.zeros_like(effect), target.fraction, target.per_sample
        )
        strength = added_parts(strength_by_order(now, threshold[None]), fit.settings["parts"])
        return order_distribution(jnp.mean(strength, axis=0))

    return jax.lax.map(jax.checkpoint(at), (kept, learned))
