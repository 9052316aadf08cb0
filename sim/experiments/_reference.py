"""Small networks for questions about several of them: references, controls, other seeds."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sim.checks import ArgumentError

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

    def __call__(self, inputs: Any) -> np.ndarray:
        """Logits (samples, classes) of inputs (samples, *shape)."""
        return np.asarray(_logits(self.layers, jnp.asarray(inputs, jnp.float32)))


@jax.jit
def _logits(layers: Layers, inputs: jax.Array) -> jax.Array:
    hidden = inputs.reshape(len(inputs), -1)
    for weight, bias in layers[:-1]:
        hidden = jax.nn.relu(hidden @ weight + bias[None])
    weight, bias = layers[-1]
    return hidden @ weight + bias[None]


def train_network(
    inputs: Any,
    labels: Any,
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
        batch_size: samples in a step; what does not fill a batch waits for the next epoch's order.
        seed: of the initial parameters (He) and of the order of the samples.

    Returns:
        The network at each of the epochs.

    Raises:
        ValueError: inputs and labels of different length, or epochs that do not increase.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 5))
        >>> first, last = train_network(x, (x[:, 0] > 0).astype(int), [0, 40], hidden=[16])
        >>> bool(((last(x).argmax(axis=1) == 1) == (x[:, 0] > 0)).mean() > 0.9)
        True
    """
    images = jnp.asarray(inputs, jnp.float32)
    images = images.reshape(len(images), -1)
    classes = np.asarray(labels)
    if classes.shape != (len(images),) or not np.issubdtype(classes.dtype, np.integer):
        raise ArgumentError(
            "labels",
            f"be one integer for each of the {len(images)} inputs",
            f"has shape {classes.shape} and dtype {classes.dtype}",
        )
    steps = np.diff(epochs)
    if len(epochs) == 0 or epochs[0] < 0 or (steps <= 0).any():
        raise ArgumentError(
            "epochs",
            "increase from 0 on",
            f"is {list(epochs)}",
        )
    sizes = (images.shape[1], *hidden, int(classes.max()) + 1)
    key = jax.random.key(seed)
    layers = tuple(
        (
            math.sqrt(2 / a) * jax.random.normal(jax.random.fold_in(key, i), (a, b), jnp.float32),
            jnp.zeros(b, jnp.float32),
        )
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    )
    optimiser = optax.sgd(learning_rate, momentum)
    state = (layers, optimiser.init(layers))
    run = jax.jit(functools.partial(_epoch, optimiser, min(batch_size, len(images))))
    found = []
    for epoch in range(epochs[-1] + 1):
        if epoch > 0:
            state = run(state, images, jnp.asarray(classes), jax.random.fold_in(key, 1000 + epoch))
        if epoch in epochs:
            found.append(Network(state[0]))
    return found


def _epoch(
    optimiser: optax.GradientTransformation,
    batch: int,
    state: Any,
    images: jax.Array,
    labels: jax.Array,
    key: jax.Array,
) -> Any:
    order = jax.random.permutation(key, len(labels))[: len(labels) // batch * batch]

    def loss(layers: Layers, index: jax.Array) -> jax.Array:
        logits = _logits(layers, images[index])
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels[index]))

    def step(state: Any, index: jax.Array) -> tuple[Any, None]:
        layers, memory = state
        updates, memory = optimiser.update(jax.grad(loss)(layers, index), memory, layers)
        return (optax.apply_updates(layers, updates), memory), None

    return jax.lax.scan(step, state, order.reshape(-1, batch))[0]
