"""The loop of `simulate(method="sgd")`: many optimiser steps between two recorded epochs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sim.descent import (
    Coordinates,
    Descent,
    coordinates,
    expected_gradient,
    sampled_gradient,
    stable_rate,
)
from sim.snapshot import Snapshot, joined, snapshot
from theory import NoiseModel, noisy_loss, zeta
from theory.lattice import apply_power

CHUNKS = 50  # reports of progress in a run


def train(
    starts: jax.Array,
    targets: jax.Array,
    variance: Callable[[np.ndarray], jax.Array],
    epochs: np.ndarray,
    noise: NoiseModel,
    salience: float,
    descent: Descent,
    key: jax.Array,
    keep: bool,
    progress: Callable[[int, int], None] | None,
) -> Snapshot:
    """Snapshots of really trained interactions; each part of each member trains by itself.

    Args:
        starts: (parts, members, 2^n).
        targets: (parts, members, 2^n).
        variance: σ² at the given epochs, asked for at the middle of every step.
        epochs: (E,), rising.
        noise: the noise's covariance.
        salience: see `snapshot`.
        descent: optimiser, batch, steps.
        key: of the random numbers.
        keep: keep the interactions.
        progress: called with (epochs done, epochs in all).

    Returns:
        A `Snapshot` with a leading axis (E,).
    """
    lengths = np.diff(epochs)
    counts = np.maximum(1, np.rint(descent.steps_per_epoch * lengths)).astype(int)
    most = int(counts.max(initial=1))
    inside = np.minimum((np.arange(most) + 0.5) / counts[:, None], 1.0)
    middles = epochs[:-1, None] + lengths[:, None] * inside
    steps = variance(middles.ravel()).reshape(middles.shape)  # (E-1, most)
    firsts = np.concatenate([[0], np.cumsum(counts)])[:-1]

    sigma2 = variance(epochs)
    carry, keys, begin = _begin(
        starts, targets, sigma2, noise, salience, key, descent=descent, keep=keep
    )
    pieces = [begin]
    intervals = (steps, jnp.asarray(counts), jnp.asarray(firsts), sigma2[1:])
    settings = (noise, salience, targets, keys)
    size = max(1, -(-lengths.size // CHUNKS))
    for first in range(0, lengths.size, size):
        carry, piece = _advance(
            carry, first, intervals, settings, size=size, descent=descent, keep=keep
        )
        done = min(first + size, lengths.size)
        pieces.append(jax.tree.map(lambda array, m=done - first: array[:m], piece))
        if progress is not None:
            jax.block_until_ready(carry)
            progress(done + 1, epochs.size)
    if progress is not None and lengths.size == 0:
        progress(1, 1)
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
) -> tuple[tuple[jax.Array, Any], jax.Array, Snapshot]:
    """Parameters and optimiser state, a key for each member's part, and the first snapshot."""
    axes = coordinates(noise, descent.white, targets.dtype)
    parameters = apply_power(axes.from_interactions, starts)
    state = jax.vmap(jax.vmap(descent.transformation().init))(parameters)
    keys = jax.random.split(key, targets.shape[:2])
    begin = _record(starts, targets, sigma2[0], noise, salience, keep)
    return (parameters, state), keys, jax.tree.map(lambda array: array[None], begin)


@functools.partial(jax.jit, static_argnames=("size", "descent", "keep"), donate_argnames="carry")
def _advance(
    carry: tuple[jax.Array, Any],
    start: jax.Array | int,
    intervals: tuple[jax.Array, jax.Array, jax.Array, jax.Array],
    settings: tuple[NoiseModel, float, jax.Array, jax.Array],
    *,
    size: int,
    descent: Descent,
    keep: bool,
) -> tuple[tuple[jax.Array, Any], Snapshot]:
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
        carry: tuple[jax.Array, Any], item: tuple[jax.Array, jax.Array, jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, Any], Snapshot]:
        variances, count, first, sigma2 = item

        def body(i: jax.Array, carry: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
            moved: tuple[jax.Array, Any] = step(*carry, outputs, keys, variances[i], first + i)
            return moved

        carry = jax.lax.fori_loop(0, count, body, carry)
        interactions = apply_power(axes.to_interactions, carry[0])
        return carry, _record(interactions, targets, sigma2, noise, salience, keep)

    return jax.lax.scan(interval, carry, chosen)


def _step(
    axes: Coordinates,
    descent: Descent,
    x: jax.Array,
    state: Any,
    outputs: jax.Array,
    key: jax.Array,
    sigma2: jax.Array,
    number: jax.Array,
) -> tuple[jax.Array, Any]:
    """One optimiser step of one part of one member."""
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
