"""A small transformer on scikit-learn's 8×8 digits: its sixteen 2×2 patches are tokens."""

from __future__ import annotations

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from sim.experiments._digits import DIGITS, digits
from sim.experiments._registry import Experiment, Settings, Train, register
from sim.experiments._training import description, train
from sim.experiments.networks import Block, normal, normalised
from sim.measurement import image_patches, tokens

TOKENS, PIXELS, WIDTH, HEADS, LAYERS = 16, 4, 32, 4, 2


class Transformer(eqx.Module):
    """From tokens (16, 4) to logits (10,), through the mean of the last layer's tokens."""

    embedding: jax.Array  # (PIXELS, WIDTH)
    positions: jax.Array  # (TOKENS, WIDTH)
    blocks: list[Block]
    head: jax.Array  # (WIDTH, 10)
    bias: jax.Array  # (10,)

    def __init__(self, key: jax.Array):
        embedding, positions, head, *blocks = jax.random.split(key, 3 + LAYERS)
        self.embedding = normal(embedding, (PIXELS, WIDTH), PIXELS)
        self.positions = normal(positions, (TOKENS, WIDTH), 1) * jnp.float32(0.5)
        self.blocks = [Block(block, WIDTH, HEADS) for block in blocks]
        self.head = normal(head, (WIDTH, 10), WIDTH)
        self.bias = jnp.zeros(10, jnp.float32)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x @ self.embedding + self.positions
        for block in self.blocks:
            x = block(x)
        return normalised(x).mean(axis=0) @ self.head + self.bias


def _patches(images: np.ndarray) -> np.ndarray:
    """Images (..., 8, 8) as tokens (..., 16, 4)."""
    batch = images.shape[:-2]
    cut = np.moveaxis(images.reshape(*batch, 4, 2, 4, 2), -3, -2)
    return np.ascontiguousarray(cut.reshape(*batch, TOKENS, PIXELS))


@register("digits-transformer")
def digits_transformer(settings: Settings) -> Experiment:
    """Two layers of width 32 with 4 heads; Adam with learning rate 0.001, batch 128.

    The players are some of the sixteen tokens, the same for all images; a masked token has mean
    grey pixels and keeps its position.
    """
    images = digits(settings)
    data = dataclasses.replace(
        images,
        train_inputs=_patches(images.train_inputs),
        test_inputs=_patches(images.test_inputs),
    )
    inputs, labels = data.measured(settings)
    patches = image_patches((8, 8), 2, settings.players, seed=settings.seed)
    optimiser = optax.adam(1e-3)

    def seeded(seed: int) -> Train:
        model = Transformer(jax.random.key(seed))
        return functools.partial(train, model, data, settings.epochs, optimiser, seed=seed)

    return Experiment(
        inputs=inputs,
        labels=labels,
        masking=tokens((TOKENS, PIXELS), settings.players, mask=0.0, seed=settings.seed),
        epochs=settings.epochs,
        train=seeded(settings.seed),
        metadata=description(
            "digits-transformer",
            settings,
            data=DIGITS,
            network="transformer on sixteen 2×2 patches: 2 layers, width 32, 4 heads, GELU",
            optimiser="Adam, learning rate 0.001, batch 128",
            masking=f"{settings.players} of sixteen tokens, baseline 0 (mean grey)",
        ),
        shown={
            **patches.keys(images.measured(settings)[0]),
            "sample_names": data.names(settings, "digit"),
        },
        seeded=seeded,
    )
