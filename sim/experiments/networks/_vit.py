"""The vision transformer."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax

from sim.checks import ArgumentError
from sim.experiments.networks._encoder import Encoder, normal
from sim.experiments.networks._stages import Stages

LEAST, MOST = 16, 256  # tokens


class Patches(eqx.Module):
    """Square patches of an image as tokens (patches, width), by a linear map without bias.

    A patch of zeros, the mean of standardised images, is thus the zero token.
    """

    weight: jax.Array  # (channels·side², width)
    side: int = eqx.field(static=True)

    def __call__(self, x: jax.Array) -> jax.Array:
        channels, height, width = x.shape
        side = self.side
        cut = x.reshape(channels, height // side, side, width // side, side)
        return cut.transpose(1, 3, 0, 2, 4).reshape(-1, len(self.weight)) @ self.weight


def tilings(height: int, width: int) -> dict[int, int]:
    """How many square patches tile an image, by their side.

    Example:
        >>> tilings(8, 12)
        {1: 96, 2: 24, 4: 6}
    """
    sides = range(1, min(height, width) + 1)
    return {s: (height // s) * (width // s) for s in sides if height % s == width % s == 0}


def vit(shape: Sequence[int], classes: int, width: int, depth: int, key: jax.Array) -> Stages:
    """A transformer on the largest square patches that tile the image in sixteen or more.

    It is cut at `patches` (patches, width), the embedded patches before their positions are added:
    a patch that is masked by zero is one of zeros in the input, and keeps its position. The logits
    come from the mean of the last layer's tokens; there is no class token.

    Raises:
        ValueError: only such patches tile the image as make more than 256 of it.
    """
    channels, height, w = shape
    counts = tilings(height, w)
    side = max((side for side, count in counts.items() if count >= LEAST), default=1)
    if counts[side] > MOST:
        raise ArgumentError(
            "shape",
            f"be that of an image that square patches tile in {LEAST} to {MOST}",
            f"is {tuple(shape)}",
        )
    first, second = jax.random.split(key)
    fan_in = channels * side**2
    patches = Patches(normal(first, (fan_in, width), fan_in), side)
    return Stages([patches, Encoder(counts[side], width, depth, classes, second)], ["patches"])
