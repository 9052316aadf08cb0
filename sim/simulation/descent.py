"""Really training: many optimiser steps on the sampled noisy loss between two recorded epochs."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sim.checks import ArgumentError, check_fraction, check_whole
from sim.simulation.run import Run
from sim.simulation.sampled_loss import (
    Coordinates,
    coordinates,
    expected_gradient,
    sampled_gradient,
    stable_rate,
)
from sim.simulation.trajectory import Snapshot, joined, snapshot
from theory import NoiseModel, noisy_loss
from theory.lattice import apply_power, zeta

BATCH_SIZE = 64
"""Masks in a step, by default."""


@dataclasses.dataclass(frozen=True)
class Descent:
    """Settings of stochastic gradient descent.

    With noise of variance 2^{|T|}σ² a step in w itself is stable only for tiny learning rates, and
    high orders feel it first. So by default the optimiser sees white coordinates z, w = (L⁻ᵀ)^{⊗n}z
    with D = LLᵀ: plain descent in z is descent in w preconditioned by D⁻¹, and its limit of small
    steps is the flow of `theory.relax`, with flow time = learning rate × steps.

    Attributes:
        optimizer: any optax optimiser, used as it is. By default descent with `momentum` and a
            learning rate that follows σ²: the share `step` of an estimate of the largest stable
            one, 1/(θ₀ + σ² + 3 E‖x‖²/B), x being a noisy row in the optimiser's coordinates.
        batch_size: masks per step; None takes all masks and the expectation over the noise, so that
            nothing is random.
        steps_per_epoch: optimiser steps in one epoch.
        step: share of the largest stable learning rate, in (0, 1).
        momentum: of the default optimiser, in [0, 1).
        white: let the optimiser see z (the default) or w itself.

    Raises:
        ValueError: a number out of range.
        TypeError: an optimiser that is not an optax `GradientTransformation`.

    Example:
        >>> heavy_ball = Descent(batch_size=32, steps_per_epoch=200, momentum=0.9)
        >>> adam = Descent(optimizer=optax.adam(1e-3), white=False)
    """

    optimizer: optax.GradientTransformation | None = None
    batch_size: int | None = BATCH_SIZE
    steps_per_epoch: int = 100
    step: float = 0.1
    momentum: float = 0.0
    white: bool = True

    def __post_init__(self) -> None:
        if self.optimizer is not None and not (
            hasattr(self.optimizer, "init") and hasattr(self.optimizer, "update")
        ):
            raise TypeError(
                f"Argument `optimizer` must be an optax optimiser, but is {self.optimizer!r}."
            )
        if self.batch_size is not None:
            check_whole(self.batch_size, "batch_size", 1)
        check_whole(self.steps_per_epoch, "steps_per_epoch", 1)
        check_fraction(self.step, "step")
        if not 0 <= self.momentum < 1:
            raise ArgumentError("momentum", "lie in [0, 1)", f"is {self.momentum}")

    def transformation(self) -> optax.GradientTransformation:
        """What turns gradients into steps; the default's are still to be scaled by the rate."""
        if self.optimizer is not None:
            return self.optimizer
        return optax.trace(self.momentum) if self.momentum else optax.identity()

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """The settings by name, as plain values for a file."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return values | {"optimizer": "descent" if self.optimizer is None else "given"}


CHUNKS = 50  # times that a run tells its progress

Carry = tuple[jax.Array, optax.OptState]
"""The parameters and the optimiser's memory, of each kind of each member."""


def train(run: Run, descent: Descent, key: jax.Array) -> Snapshot:
    """Snapshots of really trained interactions; each kind of each member trains by itself.

    Args:
        run: what is simulated; its variance is asked for at the middle of every step.
        descent: optimiser, batch, steps.
        key: of the random numbers.

    Returns:
        A `Snapshot` with a leading axis (E,).
    """
    epochs, lengths = run.epochs, np.diff(run.epochs)
    counts = np.maximum(1, np.rint(descent.steps_per_epoch * lengths)).astype(int)
    most = int(counts.max(initial=1))
    inside = np.minimum((np.arange(most) + 0.5) / counts[:, None], 1.0)
    middles = epochs[:-1, None] + lengths[:, None] * inside
    steps = run.variance(middles.ravel()).reshape(middles.shape)  # (E-1, most)
    firsts = np.concatenate([[0], np.cumsum(counts)])[:-1]

    sigma2 = run.variance(epochs)
    carry, keys, begin = _begin(
        run.starts,
        run.targets,
        sigma2,
        run.noise,
        run.salience,
        key,
        descent=descent,
        keep=run.keep,
    )
    pieces = [begin]
    intervals = (steps, jnp.asarray(counts), jnp.asarray(firsts), sigma2[1:])
    settings = (run.noise, run.salience, run.targets, keys)
    size = max(1, -(-lengths.size // CHUNKS))
    for first in range(0, lengths.size, size):
        carry, piece = _advance(
            carry, first, intervals, settings, size=size, descent=descent, keep=run.keep
        )
        done = min(first + size, lengths.size)
        pieces.append(jax.tree.map(lambda array, m=done - first: array[:m], piece))
        if run.progress is not None:
            jax.block_until_ready(carry)
            run.progress(done + 1, epochs.size)
    if run.progress is not None and lengths.size == 0:
        run.progress(1, 1)
    return joined(pieces)


@functools.partial(jax.jit, static_argnames=("descent", "keep"))
def _begin(
    starts: jax.Array,
    targets: jax.Array,
    sigma2: jax.Array,
    noise: NoiseModel,
    salience: float,
    key: jax.Array,
    *,
    descent: Descent,
    keep: bool,
) -> tuple[Carry, jax.Array, Snapshot]:
    """Parameters and optimiser state, a key for each, and the first snapshot."""
    axes = coordinates(noise, descent.white, targets.dtype)
    parameters = apply_power(axes.from_interactions, starts)
    state = jax.vmap(jax.vmap(descent.transformation().init))(parameters)
    keys = jax.random.split(key, targets.shape[:2])
    begin = _record(starts, targets, sigma2[0], noise, salience, keep)
    return (parameters, state), keys, jax.tree.map(lambda array: array[None], begin)


@functools.partial(jax.jit, static_argnames=("size", "descent", "keep"), donate_argnames="carry")
def _advance(
    carry: Carry,
    start: jax.Array | int,
    intervals: tuple[jax.Array, jax.Array, jax.Array, jax.Array],
    settings: tuple[NoiseModel, float, jax.Array, jax.Array],
    *,
    size: int,
    descent: Descent,
    keep: bool,
) -> tuple[Carry, Snapshot]:
    """Goes on through `size` intervals from number `start`; beyond the last it stands still."""
    noise, salience, targets, keys = settings
    position = start + jnp.arange(size)
    last = intervals[1].size - 1
    chosen = jax.tree.map(lambda array: array[jnp.minimum(position, last)], intervals)
    chosen = (chosen[0], jnp.where(position <= last, chosen[1], 0), *chosen[2:])
    axes = coordinates(noise, descent.white, targets.dtype)
    step = jax.vmap(
        jax.vmap(functools.partial(_step, axes, descent), in_axes=(0, 0, 0, 0, None, None)),
        in_axes=(0, 0, 0, 0, None, None),
    )
    outputs = zeta(targets)

    def interval(
        carry: Carry, item: tuple[jax.Array, jax.Array, jax.Array, jax.Array]
    ) -> tuple[Carry, Snapshot]:
        variances, count, first, sigma2 = item

        def body(i: jax.Array, carry: Carry) -> Carry:
            moved: Carry = step(*carry, outputs, keys, variances[i], first + i)
            return moved

        carry = jax.lax.fori_loop(0, count, body, carry)
        interactions = apply_power(axes.to_interactions, carry[0])
        return carry, _record(interactions, targets, sigma2, noise, salience, keep)

    return jax.lax.scan(interval, carry, chosen)


def _step(
    axes: Coordinates,
    descent: Descent,
    x: jax.Array,
    state: optax.OptState,
    outputs: jax.Array,
    key: jax.Array,
    sigma2: jax.Array,
    number: jax.Array,
) -> Carry:
    """One optimiser step of one kind of one member."""
    if descent.batch_size is None:
        gradient = expected_gradient(x, outputs, sigma2, axes)
    else:
        key = jax.random.fold_in(key, number)
        gradient = sampled_gradient(x, outputs, sigma2, axes, key, descent.batch_size)
    updates, state = descent.transformation().update(gradient, state, x)
    if descent.optimizer is None:
        n = x.size.bit_length() - 1
        rate = descent.step * stable_rate(n, sigma2, axes, descent.batch_size)
        updates = -(1 - descent.momentum) * rate * updates
    return optax.apply_updates(x, updates), state


def _record(
    interactions: jax.Array,
    targets: jax.Array,
    sigma2: jax.Array,
    noise: NoiseModel,
    salience: float,
    keep: bool,
) -> Snapshot:
    loss = noisy_loss(interactions, targets, sigma2, noise)
    return snapshot(interactions, loss, salience, keep)
