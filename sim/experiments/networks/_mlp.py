"""The perceptron."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import jax

from sim.experiments.networks._dense import HE, Dense, Flat, Rectified
from sim.experiments.networks._stages import Stages


def mlp(shape: Sequence[int], classes: int, width: int, depth: int, key: jax.Array) -> Stages:
    """Hidden layers of one width with rectifiers; cut after each, `relu1` and so on.

    Hidden weights are uniform with He's gain, those to the logits with gain 1.
    """
    sizes = [math.prod(shape), *[width] * depth]
    *keys, last = jax.random.split(key, depth + 1)
    hidden = [
        Rectified(Flat(Dense(*pair, one, HE)))
        for pair, one in zip(itertools.pairwise(sizes), keys, strict=True)
    ]
    names = [f"relu{number + 1}" for number in range(depth)]
    return Stages([*hidden, Dense(width, classes, last)], names)
