"""A multilayer perceptron on scikit-learn's 8×8 digits, with 2×2 patches as players."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

from sim.experiments._registry import Checkpoint, Experiment, Settings, register
from sim.experiments._training import split, train
from sim.masking import image_patches

TRAINING_IMAGES = 1000


@register("digits-mlp")
def digits_mlp(settings: Settings) -> Experiment:
    """MLP 64-256-256-256-10 with ReLU; SGD with learning rate 0.01, momentum 0.9, batch 128.

    1,000 training images, the rest for testing; pixels standardised, so that a masked pixel (0) is
    mean grey. The players are some of the sixteen 2×2 patches, the same for all images.
    """
    digits = load_digits()
    data = split(digits.images, digits.target, TRAINING_IMAGES, settings.label_noise, settings.seed)
    if settings.samples > len(data.test_labels):
        raise ValueError(
            f"`samples` must be at most the {len(data.test_labels)} test images, but is "
            f"{settings.samples}."
        )

    def run(progress: Callable[[int, int], None] | None) -> Iterator[Checkpoint]:
        key = jax.random.key(settings.seed)
        network = eqx.nn.MLP(64, 10, width_size=256, depth=3, dtype=jnp.float32, key=key)
        model = eqx.nn.Sequential([eqx.nn.Lambda(jnp.ravel), network])
        optimiser = optax.sgd(0.01, momentum=0.9)
        return train(model, data, settings.epochs, optimiser, seed=settings.seed, progress=progress)

    return Experiment(
        inputs=data.test_inputs[: settings.samples],
        labels=data.test_labels[: settings.samples],
        masking=image_patches((8, 8), 2, settings.players, seed=settings.seed),
        epochs=settings.epochs,
        train=run,
        metadata={
            "experiment": "digits-mlp",
            "network": "MLP 64-256-256-256-10, ReLU",
            "data": f"scikit-learn digits, {TRAINING_IMAGES} training images",
            "optimiser": "SGD, learning rate 0.01, momentum 0.9, batch 128",
            "masking": f"{settings.players} of sixteen 2×2 patches, baseline 0 (mean grey)",
            "settings": dataclasses.asdict(settings),
        },
    )
