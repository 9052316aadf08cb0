"""A small LeNet on scikit-learn's 8×8 digits, masked on the feature map after its first ReLU."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from sim.experiments._digits import DIGITS, digits
from sim.experiments._feature_map import Cut
from sim.experiments._registry import Experiment, Settings, Train, register
from sim.experiments._training import description, train
from sim.experiments.networks import max_pool
from sim.measurement import image_patches

CHANNELS = (8, 16)


class Convolution(eqx.Module):
    """3×3 convolution with zero padding, as one matrix product of shifted images."""

    weight: jax.Array  # (out, in·9)
    bias: jax.Array  # (out,)

    def __init__(self, channels_in: int, channels_out: int, key: jax.Array):
        bound = (9 * channels_in) ** -0.5
        shape = (channels_out, 9 * channels_in)
        self.weight = jax.random.uniform(key, shape, jnp.float32, -bound, bound)
        self.bias = jnp.zeros(channels_out, jnp.float32)

    def __call__(self, x: jax.Array) -> jax.Array:
        _, height, width = x.shape
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1)))
        shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        product = self.weight @ jnp.concatenate(shifted).reshape(self.weight.shape[1], -1)
        return (product + self.bias[:, None]).reshape(-1, height, width)


class Front(eqx.Module):
    """Up to the first ReLU: (8, 8) to (8, 8, 8)."""

    convolution: Convolution

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.nn.relu(self.convolution(x[None]))


class Back(eqx.Module):
    """From the first feature map to the logits."""

    convolution: Convolution
    head: eqx.nn.MLP

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jax.nn.relu(self.convolution(max_pool(x)))
        return self.head(jnp.ravel(max_pool(x)))


@register("digits-cnn")
def digits_cnn(settings: Settings) -> Experiment:
    """Two 3×3 convolutions with 2×2 max pooling, then 64-64-10; SGD 0.01, momentum 0.9, batch 128.

    The players are some of the sixteen 2×2 patches of the feature map after the first ReLU, all its
    channels together, as in [Ren24]; a masked feature is 0. The map changes as the network trains.
    """
    data = digits(settings)
    inputs, labels = data.measured(settings)
    optimiser = optax.sgd(0.01, momentum=0.9)

    def seeded(seed: int) -> Train:
        first, second, head = jax.random.split(jax.random.key(seed), 3)
        dense = eqx.nn.MLP(4 * CHANNELS[1], 10, width_size=64, depth=1, dtype=jnp.float32, key=head)
        model = Cut(
            Front(Convolution(1, CHANNELS[0], first)), Back(Convolution(*CHANNELS, second), dense)
        )
        return functools.partial(
            train, model, data, settings.epochs, optimiser, seed=seed, measured=inputs
        )

    return Experiment(
        inputs=inputs,
        labels=labels,
        masking=image_patches((CHANNELS[0], 8, 8), 2, settings.players, seed=settings.seed),
        epochs=settings.epochs,
        train=seeded(settings.seed),
        metadata=description(
            "digits-cnn",
            settings,
            data=DIGITS,
            network="3×3 convolutions 1-8-16 with ReLU and max pooling, dense 64-64-10",
            optimiser="SGD, learning rate 0.01, momentum 0.9, batch 128",
            masking=f"{settings.players} of sixteen 2×2 patches of the feature map after the first "
            f"ReLU, baseline 0",
        ),
        shown={"sample_names": data.names(settings, "digit")},
        seeded=seeded,
    )
