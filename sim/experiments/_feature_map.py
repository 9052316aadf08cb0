"""Masking a feature map: players are regions of what one piece of a network hands to the other."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax


class Cut(eqx.Module):
    """A network in two pieces, measured on masked feature maps instead of masked inputs.

    `train` then makes of each checkpoint the feature maps `front(inputs)`, which change as the
    network trains, and the score `back`; see `Checkpoint.inputs`. The masking is made for the shape
    of a feature map.

    Attributes:
        front: from an input (*shape) to its feature map.
        back: from a feature map to the logits (classes,).
    """

    front: Callable[[jax.Array], jax.Array]
    back: Callable[[jax.Array], jax.Array]

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.back(self.front(x))
