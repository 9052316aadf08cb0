"""Small networks for questions about several of them: references, controls, other seeds."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_labels

Layers = tuple[tuple[jax.Array, jax.Array], ...]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Network:
    """A multilayer perceptron with ReLU, which scores a batch of inputs when it is called.

    A pytree, so that `perturb` and every transformation of JAX work on its parameters.

    Attributes:
        layers: weights (inputs, outputs) and biases (outputs,) of each layer, float32.
    """

    layers: Layers

    def __call__(self, inputs: ArrayLike) -> np.ndarray:
        """Logits (samples, classes) of inputs (samples, *shape)."""
        return np.asarray(_batch_logits(self.layers, jnp.asarray(inputs, jnp.float32)))


def _logits(layers: Layers, x: jax.Array) -> jax.Array:
    """Logits (classes,) of one input (*shape)."""
    hidden = jnp.ravel(x)
    for weight, bias in layers[:-1]:
        hidden = jax.nn.relu(hidden @ weight + bias)
    weight, bias = layers[-1]
    return hidden @ weight + bias


_batch_logits = jax.jit(jax.vmap(_logits, in_axes=(None, 0)))


def train_network(
    inputs: ArrayLike,
    labels: ArrayLike,
    epochs: Sequence[int],
    *,
    hidden: Sequence[int] = (128, 128),
    learning_rate: float = 0.02,
    momentum: float = 0.9,
    batch_size: int = 50,
    seed: int = 0,
) -> list[Network]:
    """Trains a multilayer perceptron by minibatch descent on the cross-entropy.

    Args:
        inputs: (samples, *shape).
        labels: (samples,), classes 0, 1, ….
        epochs: at which to keep the network, increasing; 0 is the untrained one.
        hidden: sizes of the hidden layers.
        learning_rate: of the descent.
        momentum: of the descent.
        batch_size: samples in a step; the last batch of an epoch may be smaller.
        seed: of the initial parameters (He) and of the order of the samples.

    Returns:
        The network at each of the epochs.

    Raises:
        ValueError: inputs and labels of different length, or epochs that do not increase.
        ImportError: the `experiments` extra is not installed.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 5))
        >>> first, last = train_network(x, (x[:, 0] > 0).astype(int), [0, 40], hidden=[16])
        >>> bool(((last(x).argmax(axis=1) == 1) == (x[:, 0] > 0)).mean() > 0.9)
        True
    """
    from sim.experiments._training import train_epochs  # needs equinox

    images = np.asarray(inputs, np.float32)
    classes = check_labels(labels, len(images))
    steps = np.diff(epochs)
    if len(epochs) == 0 or epochs[0] < 0 or (steps <= 0).any():
        raise ArgumentError("epochs", "increase from 0 on", f"is {list(epochs)}")
    sizes = (math.prod(images.shape[1:]), *hidden, int(classes.max()) + 1)
    # Partial is a pytree: what the trainer changes are the layers, its first argument.
    model = jax.tree_util.Partial(_logits, _initial_layers(sizes, jax.random.key(seed)))
    optimiser = optax.sgd(learning_rate, momentum)
    course = train_epochs(
        model, images, classes, epochs, optimiser, batch_size=batch_size, seed=seed
    )
    return [Network(trained.args[0]) for trained, _ in course]


def _initial_layers(sizes: Sequence[int], key: jax.Array) -> Layers:
    keys = jax.random.split(key, len(sizes) - 1)
    return tuple(
        (
            jnp.float32(math.sqrt(2 / a)) * jax.random.normal(k, (a, b), jnp.float32),
            jnp.zeros(b, jnp.float32),
        )
        for k, (a, b) in zip(keys, itertools.pairwise(sizes), strict=True)
    )
