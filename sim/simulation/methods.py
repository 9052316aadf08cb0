"""Both phases of learning, epoch by epoch: three closed forms, and real training."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.checks import (
    ArgumentError,
    check_choice,
    check_finite,
    check_nonnegative,
    check_seed,
    check_whole,
)
from sim.progress import Progress
from sim.simulation.descent import Descent, train
from sim.simulation.flow import Relaxation, follow
from sim.simulation.room import check_room
from sim.simulation.run import Run
from sim.simulation.scenarios import AndOr
from sim.simulation.schedules import Schedule
from sim.simulation.trajectory import Snapshot, Trajectory
from theory import NoiseModel
from theory.checks import as_real, as_sets
from theory.noise import check_noise

METHODS = ("equilibrium", "relaxation", "superposition", "sgd")


def simulate(
    initial: AndOr | None,
    target: AndOr,
    schedule: Callable[[ArrayLike], jax.Array],
    epochs: int | ArrayLike,
    method: str = "equilibrium",
    noise: NoiseModel = NoiseModel(),
    *,
    salience: float = 0.0,
    rate: float | jax.Array = Relaxation.rate,
    clock: str = Relaxation.clock,
    substeps: int = Relaxation.substeps,
    scale: ArrayLike | Callable[[np.ndarray], ArrayLike] = 1.0,
    descent: Descent | None = None,
    key: jax.Array | int = 0,
    keep_interactions: bool = False,
    progress: Progress | None = None,
) -> Trajectory:
    """Simulates how interactions are learned while the noise falls: strengths by order and epoch.

    Four methods, the first three in closed form:

    - `equilibrium`, the second phase of [Ren24]: at each epoch the optimum ŵ(σ²) of Theorem 3.
    - `relaxation`, both phases: the flow of `theory.relax` from `initial` after a moving optimum.
      Within an epoch the flow runs for the time rate/(2σ²) by the clock "noise", so that noise
      alone erases an interaction by the factor e^{−rate} in every epoch, at any σ², and orders
      below the learning front follow faster; or for the time `rate` by the clock "flow". σ² is
      constant within each of `substeps` equal steps between two recorded epochs.
    - `superposition`, both phases: `theory.superpose`, that is w₀ + s·ŵ(σ²) at each epoch. The
      initial interactions w₀ are outgrown and never removed, as measured on networks; each epoch
      stands by itself. It ends at w₀ + s·w*: where the end is known, as for `fit_noise`, give that
      less the start as `target`. (Ours.)
    - `sgd`: really training with an optax optimiser on the sampled loss (y_S − wᵀ(J_S + ε))², fresh
      masks and fresh noise in every step, σ² falling from step to step. See `sim.Descent`.

    An OR interaction is an AND interaction with the roles of masked and present exchanged, so AND
    and OR interactions learn side by side, each by Theorem 3. Leading axes (samples, or the draws
    of an ensemble) are members: each learns by itself, and strengths are means over them.

    Args:
        initial: (..., 2^n) AND interactions at the first epoch, or a pair of AND and OR. None means
            all 0. Plays no part in `equilibrium`.
        target: the true interactions w*, of the form and shape of `initial` (batch axes broadcast).
        schedule: σ² ≥ 0 as a function of an array of epochs, such as `Schedule`.
        epochs: the epochs to record, (E,) and rising; a number E means 0, 1, …, E−1.
        method: "equilibrium", "relaxation", "superposition" or "sgd".
        noise: the noise's covariance.
        salience: only interactions of size |I| ≥ salience · E|Σ_{S≠∅} w_S| count as strength, the
            mean being over members at that epoch; [Ren24] takes 0.03 for networks.
        rate: relaxation in one epoch; see above.
        clock: "noise" or "flow", what `rate` is measured by.
        substeps: steps in the time between two recorded epochs, for `relaxation`.
        scale: s ≥ 0, for `superposition`: a number, one for each epoch (E,), or a function of an
            array of epochs. By default 1, the theory's own size, which networks reach only late:
            `theory.superposition_scale` gives the s at which a network's effect is met, and
            `NoiseFit.scale` holds those of a measured one.
        descent: optimiser, batch and steps, for `sgd`; `Descent()` by default.
        key: a JAX key or a seed, for `sgd`.
        keep_interactions: keep w itself at every epoch.
        progress: called with (epochs done, epochs in all) now and then.

    Returns:
        A `Trajectory`. Its arrays are differentiable in the schedule's parameters, in `initial`, in
        `target` and in `scale`, for the methods in closed form.

    Raises:
        ValueError: different numbers of players, a σ² that is negative or not finite, epochs that
            do not rise, an unknown method, a scale that is negative, not finite or of another
            shape, arrays that would not fit in memory, or training that diverges.

    Example:
        >>> from sim import Schedule, random_start, sparse_target
        >>> start = random_start(6, jax.random.key(0))
        >>> target = sparse_target(6, jax.random.key(1), counts=20)
        >>> falling = Schedule.exponential(start=10.0, end=1e-6, epochs=100)
        >>> trajectory = simulate(start, target, falling, epochs=101, method="relaxation")
        >>> print(trajectory.mean_order[jnp.array([0, 30, 100])].round(1))
        [3.5 2.  3. ]
    """
    check_choice(method, "method", METHODS)
    check_noise(noise)
    if not callable(schedule):
        raise TypeError(
            f"Argument `schedule` must be a function of the epoch, such as "
            f"Schedule.exponential(start=10.0, end=1e-6, epochs=100), but is {schedule!r}."
        )
    check_nonnegative(salience, "salience")
    relaxation = Relaxation(rate, clock, substeps)
    starts, targets, batch = _stacked(initial, target)
    training = _check_descent(descent) if method == "sgd" else None
    check_room(
        targets,
        _count(epochs),
        keep=keep_interactions,
        told=progress is not None,
        substeps=substeps if method == "relaxation" else 0,
        descent=training,
    )
    times = _recorded_epochs(epochs)

    def variance(at: np.ndarray) -> jax.Array:
        return _check_variances(schedule(at), at).astype(targets.dtype)

    run = Run(starts, targets, variance, times, noise, salience, keep_interactions, progress)
    sigma2 = variance(times)
    settings: dict[str, Any] = {}
    if training is not None:
        key = key if isinstance(key, jax.Array) else jax.random.key(check_seed(key, "key"))
        snapshots = train(run, training, key)
        _check_convergence(snapshots.loss, times)
        settings = training.settings()
    elif method == "relaxation":
        snapshots = follow(run, relaxation)
        settings = {"rate": _plain(rate), "clock": clock, "substeps": substeps}
    elif method == "superposition":
        snapshots = follow(run, scale=_scales(scale, times).astype(targets.dtype))
        settings = {"scale": _describe(scale) if callable(scale) else _plain(scale)}
    else:
        snapshots = follow(run)
    settings = {
        "n": run.n,
        "members": targets.shape[1],
        "method": method,
        "schedule": _describe(schedule),
        "noise_growth": _plain(noise.growth),
        "noise_correlation": _plain(noise.correlation),
        "salience": salience,
        **settings,
    }
    return _trajectory(run, sigma2, snapshots, batch, settings)


def _trajectory(
    run: Run,
    sigma2: jax.Array,
    snapshots: Snapshot,
    batch: tuple[int, ...],
    settings: dict[str, Any],
) -> Trajectory:
    """Means over members of what was recorded, (E, kinds, members, n)."""
    kept = snapshots.interactions
    if kept is not None:
        kept = kept.reshape(*kept.shape[:2], *batch, kept.shape[-1])
    return Trajectory(
        epochs=jnp.asarray(run.epochs),
        sigma2=sigma2,
        **_means(snapshots.positive, snapshots.negative, snapshots.loss),
        i_and=None if kept is None else kept[:, 0],
        i_or=None if kept is None or kept.shape[1] == 1 else kept[:, 1],
        noise=run.noise,
        metadata=tuple(settings.items()),
    )


@jax.jit
def _means(positive: jax.Array, negative: jax.Array, loss: jax.Array) -> dict[str, jax.Array]:
    strength = positive + negative  # (E, kinds, members, n)
    of_kind = jnp.mean(strength, axis=2)
    return {
        "strength": jnp.sum(of_kind, axis=1),
        "strength_and": of_kind[:, 0],
        "strength_or": of_kind[:, 1] if strength.shape[1] > 1 else 0 * of_kind[:, 0],
        "strength_positive": jnp.mean(jnp.sum(positive, axis=1), axis=1),
        "strength_negative": jnp.mean(jnp.sum(negative, axis=1), axis=1),
        "members": jnp.sum(strength, axis=1),
        "loss": jnp.mean(jnp.sum(loss, axis=1), axis=1),
    }


def _stacked(initial: AndOr | None, target: AndOr) -> tuple[jax.Array, jax.Array, tuple[int, ...]]:
    """Returns start and target as (kinds, members, 2^n), and the members' own axes."""
    targets = _kinds(target, "target")
    starts = (
        [jnp.zeros_like(array) for array in targets]
        if initial is None
        else _kinds(initial, "initial")
    )
    if len(starts) != len(targets):
        raise ValueError(
            "Arguments `initial` and `target` must both be AND interactions, or both be pairs of "
            f"AND and OR interactions, but have {len(starts)} and {len(targets)} arrays."
        )
    players = [array.shape[-1].bit_length() - 1 for array in (*starts, *targets)]
    if len(set(players)) > 1:
        raise ValueError(
            f"Arguments `initial` and `target` must have the same number of players, but have "
            f"{players[0]} and {players[-1]}."
        )
    shapes = [array.shape for array in (*starts, *targets)]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"Arguments `initial` and `target` must have batch axes that broadcast, but have shapes"
            f" {', '.join(map(str, shapes))}."
        ) from None
    return *_stack(starts, targets, shape), shape[:-1]


@functools.partial(jax.jit, static_argnames="shape")
def _stack(
    starts: list[jax.Array], targets: list[jax.Array], shape: tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
    dtype = jnp.result_type(*starts, *targets)

    def stack(arrays: list[jax.Array]) -> jax.Array:
        full = jnp.stack([jnp.broadcast_to(array.astype(dtype), shape) for array in arrays])
        return full.reshape(len(arrays), -1, shape[-1])

    return stack(starts), stack(targets)


@jax.jit
def _all_finite(array: jax.Array) -> jax.Array:
    return jnp.all(jnp.isfinite(array))


def _kinds(interactions: AndOr, name: str) -> list[jax.Array]:
    """The AND interactions, and the OR interactions where there are any, each (..., 2^n)."""
    pair = interactions if isinstance(interactions, tuple) else (interactions,)
    if len(pair) not in (1, 2):
        raise ArgumentError(
            name,
            "be AND interactions or a pair of AND and OR interactions",
            f"has {len(pair)} arrays",
        )
    arrays = [as_sets(kind, name)[0] for kind in pair]
    for array in arrays:
        if not isinstance(array, jax.core.Tracer) and not bool(_all_finite(array)):
            raise ArgumentError(name, "be finite", "holds NaN or infinity")
    return arrays


def _count(epochs: int | ArrayLike) -> int:
    """How many epochs there are to record."""
    if isinstance(epochs, numbers.Integral) and not isinstance(epochs, bool):
        check_whole(int(epochs), "epochs", 1)
        return int(epochs)
    return np.size(epochs)


def _recorded_epochs(epochs: int | ArrayLike) -> np.ndarray:
    """The epochs to record, (E,); a number E means 0, 1, …, E−1."""
    if isinstance(epochs, numbers.Integral) and not isinstance(epochs, bool):
        return np.arange(int(epochs), dtype=float)
    times = np.asarray(epochs, float)
    if times.ndim != 1 or times.size == 0:
        raise ArgumentError("epochs", "be a whole number or have shape (E,)", f"is {epochs!r}")
    if not np.all(np.isfinite(times)) or np.any(np.diff(times) <= 0):
        raise ValueError("Argument `epochs` must be finite and rising, without repetition.")
    return times


def _check_variances(sigma2: ArrayLike, epochs: np.ndarray) -> jax.Array:
    values = jnp.asarray(sigma2)
    if values.shape != epochs.shape:
        raise ArgumentError(
            "schedule",
            f"give one variance for each epoch, shape {epochs.shape}",
            f"gives shape {values.shape}",
        )
    if not isinstance(values, jax.core.Tracer):
        bad = ~(np.isfinite(values) & (np.asarray(values) >= 0))
        if bad.any():
            raise ArgumentError(
                "schedule",
                "give a finite sigma2 >= 0 at every epoch",
                f"gives {np.asarray(values)[bad][0]} at epoch {epochs[bad][0]:g}",
            )
    return values


def _scales(scale: ArrayLike | Callable[[np.ndarray], ArrayLike], epochs: np.ndarray) -> jax.Array:
    """The scale of a superposition at each epoch, (E,)."""
    values = as_real(scale(epochs) if callable(scale) else scale, "scale")
    if values.shape not in ((), epochs.shape):
        raise ArgumentError(
            "scale",
            f"be or give a number, or one for each epoch, shape {epochs.shape}",
            f"has shape {values.shape}",
        )
    if not isinstance(values, jax.core.Tracer):
        check_finite(values, "scale", nonnegative=True)
    return jnp.broadcast_to(values, epochs.shape)


def _check_descent(descent: Descent | None) -> Descent:
    if descent is not None and not isinstance(descent, Descent):
        raise TypeError(
            f"Argument `descent` must be a Descent, such as Descent(optax.sgd(0.01)), but is a "
            f"{type(descent).__name__}."
        )
    return descent or Descent()


def _check_convergence(loss: jax.Array, epochs: np.ndarray) -> None:
    """Raises where training has run away, with the epoch at which it shows first."""
    if isinstance(loss, jax.core.Tracer):
        return
    lost = ~np.isfinite(np.asarray(loss)).all(axis=(1, 2))
    if lost.any():
        raise ValueError(
            f"Training has diverged: the loss is not finite at epoch {epochs[lost][0]:g}. Take a "
            f"smaller step or learning rate, or a larger batch."
        )


def _describe(schedule: Callable[..., ArrayLike]) -> str:
    """A text that is the same in every run: never an address in memory."""
    if not isinstance(schedule, Schedule):
        return getattr(schedule, "__name__", type(schedule).__name__)
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(schedule))
    return f"{schedule.kind}:..." if traced else str(schedule)


def _plain(value: ArrayLike) -> float | str:
    """A number as it is, several as in the text of a schedule; "..." for what is traced."""
    if isinstance(value, jax.core.Tracer):
        return "..."
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else "/".join(f"{number:.12g}" for number in array)
