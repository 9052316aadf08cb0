"""Strength by order of AND and OR interactions: measured, added, averaged over samples."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError, check_choice, check_outputs, check_runs
from sim.extraction import Interactions, SampledInteractions
from theory import SALIENCE, order_distribution, salience_threshold, strength_by_order

Array = TypeVar("Array", np.ndarray, jax.Array)

PARTS = ("both", "and", "or")


def measured_strength(
    i_and: ArrayLike,
    i_or: ArrayLike,
    outputs: ArrayLike,
    *,
    parts: str = "both",
    salience: float = SALIENCE,
    per_sample: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Strength by order of measured interactions, and the threshold of salience that was used.

    Args:
        i_and: (checkpoints, samples, 2^n).
        i_or: (checkpoints, samples, 2^n).
        outputs: (checkpoints, samples, 2^n), v(S).
        parts: whose strength is counted: `both`, `and` or `or`.
        salience: the factor of the threshold.
        per_sample: every sample has its own threshold, instead of the mean over samples.

    Returns:
        (checkpoints, samples, n) for the orders 1..n, and τ as (checkpoints, samples):
        `salience` times the mean of |v(N) − v(∅)| over a checkpoint's samples.
    """
    halves, threshold = _strengths(
        jnp.asarray(i_and), jnp.asarray(i_or), jnp.asarray(outputs), salience, per_sample
    )
    return added_parts(halves, parts), threshold


def salient_strength(
    interactions: Interactions | SampledInteractions, parts: str = "both"
) -> np.ndarray:
    """Strength by order of the salient interactions, (checkpoints, samples, n).

    That of `measured_strength`, also where some of the masked inputs were measured: NaN then at
    checkpoints where those were not enough to speak of orders.

    Args:
        interactions: of all checkpoints and samples.
        parts: whose strength is counted: `both`, `and` or `or`.
    """
    outputs = interactions.measurement.outputs
    if isinstance(interactions, SampledInteractions):
        extraction = interactions.extraction
        threshold = salience_threshold(outputs[..., -1], outputs[..., 0], SALIENCE)
        strength = added_parts(extraction.halves_by_order(threshold), parts)
        return np.where(interactions.known[:, None, None], strength, np.nan)
    found = interactions.extraction
    return np.asarray(measured_strength(found.i_and, found.i_or, outputs, parts=parts)[0])


@functools.partial(jax.jit, static_argnames="per_sample")
def _strengths(
    i_and: jax.Array, i_or: jax.Array, outputs: jax.Array, salience: float, per_sample: bool
) -> tuple[jax.Array, jax.Array]:
    threshold = salience_threshold(outputs[..., -1], outputs[..., 0], salience, per_sample)
    halves = [strength_by_order(half, threshold) for half in (i_and, i_or)]
    return jnp.stack(halves), threshold


def pooled_strength(
    groups: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]],
    *,
    runs: int = 1,
    parts: str = "both",
    salience: float = SALIENCE,
) -> np.ndarray:
    """Strength by order of samples with different numbers of players, for `find_phases`.

    Sentences have as many players as words (`tokens_by_length`); those with the same number are
    measured and extracted as a group. An order that a sample does not have is 0 in it, and the
    threshold of salience is the same for all samples of a checkpoint: τ = 0.03 times the mean of
    |v(N) − v(∅)| over all of them [Ren24].

    The course of the pooled mean order over training can be followed, since the mix of lengths is
    the same at every checkpoint. Its level hangs on that mix, as high orders come from long
    sentences alone, so compare it with that of no other mix. No noise level can be fitted to it:
    the theory is about one number of players, and players that a sentence lacks cannot be added as
    dummies, since the theory's optimum moves strength to their orders. `fit_noise` fits each group.

    Args:
        groups: for each number of players, (i_and, i_or, outputs) as for `fit_noise`, each
            (checkpoints, samples, 2^n), of the same checkpoints.
        runs: how many training runs the samples of every group hold, one after the other.
        parts: whose strength is counted: `both`, `and` or `or`.
        salience: the factor 0.03.

    Returns:
        (checkpoints, samples, n), float64, for the orders 1..n of the longest; the samples of a
        training run are those of the first group, then those of the second, and so on.

    Raises:
        ValueError: no group, shapes that do not match, or other numbers of checkpoints.

    Example:
        >>> short = np.array([[[0.0, 2.0]]])  # v(S) of one sentence of one word
        >>> long = np.array([[[0.0, 0.0, 0.0, 6.0]]])  # of one with two, that act only together
        >>> groups = [(v, np.zeros_like(v), v) for v in (short, long)]  # these v are their own AND
        >>> pooled_strength(groups).tolist()
        [[[2.0, 0.0], [0.0, 6.0]]]
    """
    check_parts(parts)
    arrays = _check_groups(groups)
    for _, _, v in arrays:
        check_runs(runs, v.shape[1])
    effects = np.concatenate([np.abs(v[..., -1] - v[..., 0]) for _, _, v in arrays], axis=1)
    threshold = salience * effects.mean(axis=1, keepdims=True)  # (checkpoints, 1)
    n = max(v.shape[-1].bit_length() - 1 for _, _, v in arrays)
    padded = []
    for i_and, i_or, _ in arrays:
        halves = np.stack([strength_by_order(half, threshold) for half in (i_and, i_or)])
        strength = added_parts(halves, parts)  # (checkpoints, samples, own n)
        by_run = strength.reshape(len(strength), runs, -1, strength.shape[-1])
        padded.append(np.pad(by_run, [(0, 0)] * 3 + [(0, n - strength.shape[-1])]))
    return np.concatenate(padded, axis=2).reshape(len(threshold), -1, n)


def _check_groups(
    groups: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]],
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Returns the groups as arrays; raises unless they fit together."""
    if len(groups) == 0:
        raise ArgumentError("groups", "be at least one", "is empty")
    arrays: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for at, group in enumerate(groups):
        if not isinstance(group, tuple) or len(group) != 3:
            raise ArgumentError(
                "groups", "hold tuples (i_and, i_or, outputs)", f"holds something else at {at}"
            )
        names = [f"groups[{at}][{part}]" for part in range(3)]
        i_and, i_or, v = map(check_outputs, group, names)
        expected = (*(arrays[0] if arrays else (v,))[-1].shape[:1], *v.shape[1:])
        for name, array in zip(names, (i_and, i_or, v), strict=True):
            if array.shape != expected:
                raise ArgumentError(
                    name, f"have shape {expected}", f"has shape {array.shape}", opening=""
                )
        arrays.append((i_and, i_or, v))
    return arrays


def check_parts(parts: str) -> None:
    """Raises unless `parts` is the name of what can be counted."""
    check_choice(parts, "parts", PARTS)


def added_parts(halves: Array, parts: str, axis: int = 0) -> Array:
    """The strength that counts: AND (entry 0 along `axis`), OR (entry 1), or both added."""
    check_parts(parts)
    if parts == "both":
        return halves.sum(axis=axis)
    return halves.take(PARTS.index(parts) - 1, axis=axis)


@jax.jit
def averaged_distribution(strength: ArrayLike) -> jax.Array:
    """Distribution over orders (a, n) of strengths (a, samples, n), averaged over samples."""
    return order_distribution(jnp.mean(jnp.asarray(strength), axis=1))


@jax.jit
def weighted_distributions(weights: ArrayLike, strength: ArrayLike) -> jax.Array:
    """The same under many weightings of the samples, (w, samples): (w, a, n)."""
    return order_distribution(jnp.einsum("ws,asn->wan", weights, strength))
