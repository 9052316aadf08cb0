"""The networks by name, with their usual sizes."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from sim.checks import ArgumentError, check_choice, check_whole
from sim.experiments.networks._encoder import HEADS
from sim.experiments.networks._images import VGG11, cnn, vgg
from sim.experiments.networks._mlp import mlp
from sim.experiments.networks._pointnet import pointnet
from sim.experiments.networks._stages import Stages
from sim.experiments.networks._text import gru, transformer
from sim.experiments.networks._vit import vit

SIZES = {
    "mlp": (256, 3),
    "cnn": (6, 2),
    "vgg": (8, len(VGG11)),
    "vit": (64, 2),
    "transformer": (64, 2),
    "gru": (64, 1),
    "pointnet": (32, 3),
}
"""Width and depth where none is given."""

NETWORKS = tuple(SIZES)
DEEPEST = {"vgg": len(VGG11), "gru": 1}
DIMENSIONS = {"cnn": 3, "vgg": 3, "vit": 3, "transformer": 1, "gru": 1, "pointnet": 2}


def build(
    name: str,
    shape: Sequence[int],
    classes: int,
    *,
    vocabulary: int | None = None,
    width: int | None = None,
    depth: int | None = None,
    key: jax.Array,
) -> Stages:
    """An untrained network, by name.

    Args:
        name: one of `NETWORKS`; what `width` and `depth` are of each:

            - `mlp`: units of a hidden layer (256), hidden layers (3);
            - `cnn`: channels of the first convolution (6), convolutions (2);
            - `vgg`: channels of the first convolution (8; VGG-11 has 64), blocks at most (5);
            - `vit`, `transformer`: features of a token (64), a multiple of 4; blocks (2);
            - `gru`: units, and features of a word (64); 1 layer;
            - `pointnet`: units of the first shared layer (32), shared layers (3).
        shape: of one input: (channels, height, width), (tokens,), (features,) or (points, 3).
        classes: how many logits.
        vocabulary: how many ids there are; for sentences, whose id 0 is padding.
        width: see above.
        depth: see above.
        key: of the random initial weights.

    Raises:
        ValueError: a name, shape, width or depth that there is not; no vocabulary for sentences.

    Example:
        >>> network = build("cnn", (1, 12, 12), 3, key=jax.random.key(0))
        >>> network.names, network.shape_at("relu1", (1, 12, 12))
        (('relu1', 'relu2', 'relu3', 'relu4'), (6, 12, 12))
    """
    check_choice(name, "name", NETWORKS)
    shape = tuple(shape)
    wanted = DIMENSIONS.get(name)
    if wanted is not None and len(shape) != wanted:
        raise ArgumentError("shape", f"have {wanted} dimensions for {name}", f"is {shape}")
    usual_width, usual_depth = SIZES[name]
    width = usual_width if width is None else width
    depth = usual_depth if depth is None else depth
    check_whole(width, "width", 1)
    check_whole(depth, "depth", 1)
    if depth > DEEPEST.get(name, depth):
        raise ArgumentError("depth", f"be at most {DEEPEST[name]} for {name}", f"is {depth}")
    if name in ("vit", "transformer") and width % HEADS:
        raise ArgumentError("width", f"be a multiple of {HEADS} for {name}", f"is {width}")
    if name in ("transformer", "gru"):
        if vocabulary is None:
            raise ArgumentError("vocabulary", f"be given for {name}", "is None")
        if name == "gru":
            return gru(shape, classes, vocabulary, width, key)
        return transformer(shape, classes, vocabulary, width, depth, key)
    plain = {"mlp": mlp, "cnn": cnn, "vgg": vgg, "vit": vit, "pointnet": pointnet}
    return plain[name](shape, classes, width, depth, key)
