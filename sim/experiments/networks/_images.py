"""Convolutional networks: LeNet, and the layout of VGG-11."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax

from sim.checks import ArgumentError
from sim.experiments.networks._convolution import Convolution, max_pool
from sim.experiments.networks._dense import HE, Dense, Flat, Rectified
from sim.experiments.networks._stages import Piece, Stages

VGG11 = ((1,), (2,), (4, 4), (8, 8), (8, 8))
"""Channels of the convolutions of each block, in units of the first. [Simonyan & Zisserman 2015]"""


class Pooled(eqx.Module):
    """A layer on the maxima of 2×2 pixels."""

    layer: Piece

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.layer(max_pool(x))


def cnn(shape: Sequence[int], classes: int, width: int, depth: int, key: jax.Array) -> Stages:
    """LeNet-5's layout with rectifiers: 5×5 convolutions with 2×2 max pooling, then 120-84-classes.

    The first convolution has `width` channels, each further one 8/3 as many (6 and 16 in LeNet-5);
    zero padding keeps the size. Weights are uniform with gain 1.
    """
    blocks = [(max(1, round(width * (8 / 3) ** place)),) for place in range(depth)]
    return _convolutional(shape, classes, blocks, (120, 84), 5, 1.0, key)


def vgg(shape: Sequence[int], classes: int, width: int, depth: int, key: jax.Array) -> Stages:
    """The first `depth` blocks of VGG-11 without batch normalisation, as many as the image allows.

    3×3 convolutions, 2×2 max pooling after each block, then two hidden layers. The first block has
    `width` channels, 64 in VGG-11; the hidden layers have 8·`width`, as many as the last block has
    channels, where VGG-11 has 64·`width`. Weights are uniform with He's gain, those to the logits
    with gain 1. Before the second convolution there is a pooling: the map after `relu2` is half as
    high and wide as the image.
    """
    blocks = [tuple(width * times for times in block) for block in VGG11[:depth]]
    return _convolutional(shape, classes, blocks, (8 * width,) * 2, 3, HE, key)


def _convolutional(
    shape: Sequence[int],
    classes: int,
    blocks: Sequence[Sequence[int]],
    hidden: Sequence[int],
    side: int,
    gain: float,
    key: jax.Array,
) -> Stages:
    """Blocks of convolutions, a pooling after each, while the map has 2×2 pixels; dense layers."""
    channels, height, width = shape
    if min(height, width) < 2:
        raise ArgumentError("shape", "be that of an image of 2×2 pixels or more", f"is {shape}")
    pieces: list[Piece] = []
    for number, block in enumerate(blocks):
        if min(height, width) < 2:
            break
        for place, wider in enumerate(block):
            now = jax.random.fold_in(key, len(pieces))
            layer: Piece = Convolution(channels, wider, side, gain, now)
            if number > 0 and place == 0:
                layer = Pooled(layer)
            pieces.append(Rectified(layer))
            channels = wider
        height, width = height // 2, width // 2
    size = channels * height * width
    for place, wider in enumerate(hidden):
        layer = Flat(Dense(size, wider, jax.random.fold_in(key, len(pieces)), gain))
        pieces.append(Rectified(Pooled(layer) if place == 0 else layer))
        size = wider
    names = [f"relu{number + 1}" for number in range(len(pieces))]
    return Stages([*pieces, Dense(size, classes, jax.random.fold_in(key, len(pieces)))], names)
