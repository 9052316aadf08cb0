"""What a simulation records of its interactions at one epoch."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from theory import strength_by_order


class Snapshot(NamedTuple):
    """Strengths and loss at one epoch; with a leading axis of epochs, a whole run's."""

    positive: jax.Array  # (parts, members, n)
    negative: jax.Array  # (parts, members, n)
    loss: jax.Array  # (parts, members)
    interactions: jax.Array | None  # (parts, members, 2^n)


def snapshot(interactions: jax.Array, loss: jax.Array, salience: float, keep: bool) -> Snapshot:
    """Strengths by order of the salient interactions, positive and negative apart.

    Args:
        interactions: (parts, members, 2^n), AND and, where there are any, OR interactions.
        loss: (parts, members).
        salience: the share of the mean |v(N) − v(∅)| over members that makes an interaction count.
        keep: keep the interactions themselves.
    """
    effect = jnp.sum(interactions[..., 1:], axis=(0, -1))  # v(N) − v(∅), (members,)
    threshold = salience * jnp.mean(jnp.abs(effect))
    return Snapshot(
        strength_by_order(jnp.maximum(interactions, 0.0), threshold),
        strength_by_order(jnp.maximum(-interactions, 0.0), threshold),
        loss,
        interactions if keep else None,
    )


@jax.jit
def joined(pieces: list[Snapshot]) -> Snapshot:
    """One snapshot of all epochs from those of stretches of them."""
    return jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *pieces)
