"""PointNet."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax

from sim.experiments.networks._dense import HE, Dense, Rectified
from sim.experiments.networks._stages import Piece, Stages


class Greatest(eqx.Module):
    """A layer on the maxima over points."""

    layer: Piece

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.layer(x.max(axis=0))


def pointnet(shape: Sequence[int], classes: int, width: int, depth: int, key: jax.Array) -> Stages:
    """A perceptron that all points share, the maximum over points, and two dense layers.

    The layers of [Qi et al. 2017] without the two networks that align points and features (T-nets)
    and without batch normalisation: `width`, 2·`width`, 4·`width` and so on for each point, then
    2·`width` hidden units. The order of the points does not matter. Weights are uniform with He's
    gain, those to the logits with gain 1. It is cut after each rectifier, `relu1` and so on.
    """
    sizes = [shape[-1], *[width * 2**place for place in range(depth)]]
    *keys, hidden, last = jax.random.split(key, depth + 2)
    pieces: list[Piece] = [
        Rectified(Dense(sizes[place], sizes[place + 1], now, HE)) for place, now in enumerate(keys)
    ]
    pieces.append(Rectified(Greatest(Dense(sizes[-1], 2 * width, hidden, HE))))
    names = [f"relu{number + 1}" for number in range(len(pieces))]
    return Stages([*pieces, Dense(2 * width, classes, last)], names)
