"""A multilayer perceptron on scikit-learn's 8×8 digits, with 2×2 patches as players."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from sim.experiments._digits import DIGITS, digits
from sim.experiments._registry import Experiment, Settings, Train, register
from sim.experiments._training import description, train
from sim.measurement import image_patches


@register("digits-mlp")
def digits_mlp(settings: Settings) -> Experiment:
    """MLP 64-256-256-256-10 with ReLU; SGD with learning rate 0.01, momentum 0.9, batch 128.

    The players are some of the sixteen 2×2 patches, the same for all images; a masked pixel is mean
    grey.
    """
    data = digits(settings)
    inputs, labels = data.measured(settings)
    optimiser = optax.sgd(0.01, momentum=0.9)

    def seeded(seed: int) -> Train:
        key = jax.random.key(seed)
        network = eqx.nn.MLP(64, 10, width_size=256, depth=3, dtype=jnp.float32, key=key)
        model = eqx.nn.Sequential([eqx.nn.Lambda(jnp.ravel), network])
        return functools.partial(train, model, data, settings.epochs, optimiser, seed=seed)

    return Experiment(
        inputs=inputs,
        labels=labels,
        masking=image_patches((8, 8), 2, settings.players, seed=settings.seed),
        epochs=settings.epochs,
        train=seeded(settings.seed),
        metadata=description(
            "digits-mlp",
            settings,
            data=DIGITS,
            network="MLP 64-256-256-256-10, ReLU",
            optimiser="SGD, learning rate 0.01, momentum 0.9, batch 128",
            masking=f"{settings.players} of sixteen 2×2 patches, baseline 0 (mean grey)",
        ),
        shown={"sample_names": data.names(settings, "digit")},
        seeded=seeded,
    )
