"""Training a classifier and stopping at every checkpoint."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import ArrayLike

from sim.experiments._feature_map import Cut
from sim.experiments._registry import Checkpoint, Settings, State
from sim.progress import Progress

Model = TypeVar("Model", bound=Callable[[jax.Array], jax.Array])
"""A pytree that maps one input (*shape) to logits (classes,) when it is called."""

Moving = tuple[Any, optax.OptState]
"""What changes while a network trains: its parameters, a pytree, and the optimiser's memory."""


@dataclasses.dataclass(frozen=True)
class Data:
    """Inputs (samples, *shape) float32 and labels (samples,) of the training and the test set.

    `train_labels` holds the label noise; the losses are with respect to it, as the network sees it.
    `true_labels` are those of the training set without it. `rows` (training + test samples,) are
    the places of the training samples in the data set, and after them those of the test samples.
    """

    train_inputs: np.ndarray
    train_labels: np.ndarray
    true_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    rows: np.ndarray

    def measured(
        self, settings: Settings, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The inputs that are measured, and their true classes."""
        places = self.places(settings, allowed)
        if settings.part == "test":
            return self.test_inputs[places], self.test_labels[places]
        return self.train_inputs[places], self.true_labels[places]

    def places(self, settings: Settings, allowed: np.ndarray | None = None) -> np.ndarray:
        """Where the inputs that are measured stand in the test or the training set.

        They are the first, or the first of those that are allowed, bool (inputs,).
        """
        count = len(self.test_labels if settings.part == "test" else self.train_labels)
        places = np.arange(count) if allowed is None else np.flatnonzero(allowed)
        settings.check_available(len(places))
        return places[: settings.samples]

    def part_rows(self, settings: Settings) -> np.ndarray:
        """The places in the data set of the test or the training samples."""
        training = len(self.train_labels)
        return self.rows[training:] if settings.part == "test" else self.rows[:training]

    def names(
        self,
        settings: Settings,
        titles: str | Sequence[str],
        allowed: np.ndarray | None = None,
        classes: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Names of the inputs that are measured: what they are, and their row in the data set.

        Of training inputs whose label was replaced, the false one is told too.

        Args:
            settings: which inputs.
            titles: what all of them are, or the name of every row of the data set.
            allowed: see `places`.
            classes: names of the classes; their numbers by default.
        """
        places = self.places(settings, allowed)
        rows = self.part_rows(settings)[places].tolist()
        names = [f"{titles} {row}" if isinstance(titles, str) else titles[row] for row in rows]
        if settings.part == "train":
            for at, place in enumerate(places.tolist()):
                given, true = self.train_labels[place], self.true_labels[place]
                if given != true:
                    names[at] += f" (taught as {classes[given] if classes else given})"
        return np.array(names)


def split(
    inputs: np.ndarray,
    labels: np.ndarray,
    training: int,
    label_noise: float,
    seed: int,
    *,
    standardise: str = "all",
) -> Data:
    """A random split, with a fraction of the training labels replaced by another random class.

    Inputs are standardised by the mean and standard deviation of all training values, or of each
    column's, so that a baseline of 0 is the mean value; a column that never varies becomes 0. With
    `none` they are left as they are.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(inputs))
    if standardise != "none":
        seen = inputs[order[:training]]
        axis = 0 if standardise == "columns" else None
        spread = seen.std(axis)
        inputs = (inputs[order] - seen.mean(axis)) / np.where(spread > 0, spread, 1)
    else:
        inputs = inputs[order]
    inputs = inputs.astype(np.float32)
    labels = labels[order].astype(np.int32)
    train_labels = labels[:training].copy()
    wrong = rng.permutation(training)[: round(label_noise * training)]
    classes = int(labels.max()) + 1
    train_labels[wrong] = (train_labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return Data(
        train_inputs=inputs[:training],
        train_labels=train_labels,
        true_labels=labels[:training],
        test_inputs=inputs[training:],
        test_labels=labels[training:],
        rows=order,
    )


def description(name: str, settings: Settings, **words: str) -> dict[str, Any]:
    """An experiment's metadata: data, network, optimiser and masking in words, and the settings."""
    return {"experiment": name, **words, "settings": settings.record()}


def train(
    model: Model,
    data: Data,
    epochs: Sequence[int],
    optimiser: optax.GradientTransformation,
    progress: Progress | None = None,
    resume: State | None = None,
    *,
    batch_size: int = 128,
    seed: int = 0,
    measured: np.ndarray | None = None,
) -> Iterator[Checkpoint]:
    """Trains a network and yields a checkpoint at each epoch, ready to be measured.

    With `functools.partial` over all but `progress` and `resume` it is what an `Experiment` calls.

    Args:
        model: the untrained network.
        data: float32 inputs and integer labels.
        epochs: as in `train_epochs`.
        optimiser: any optax transformation.
        progress: as in `train_epochs`.
        resume: as in `train_epochs`.
        batch_size: samples in a step.
        seed: of the order of the samples.
        measured: where the model is a `Cut`, the inputs whose feature maps are measured.
    """
    train_set = (jnp.asarray(data.train_inputs), jnp.asarray(data.train_labels))
    test_set = (jnp.asarray(data.test_inputs), jnp.asarray(data.test_labels))
    course = train_epochs(
        model, *train_set, epochs, optimiser, progress, resume, batch_size=batch_size, seed=seed
    )
    for trained, state in course:
        train_loss, train_accuracy = _evaluate(trained, train_set)
        test_loss, test_accuracy = _evaluate(trained, test_set)
        score: Callable[[jax.Array], jax.Array] = trained
        inputs = None
        if isinstance(trained, Cut) and measured is not None:
            score, inputs = trained.back, np.asarray(_scores(trained.front, measured))
        yield Checkpoint(
            state.epoch,
            functools.partial(_scores, score),
            float(train_loss),
            float(test_loss),
            float(train_accuracy),
            float(test_accuracy),
            inputs,
            state,
        )


def train_epochs(
    model: Model,
    inputs: ArrayLike,
    labels: ArrayLike,
    epochs: Sequence[int],
    optimiser: optax.GradientTransformation,
    progress: Progress | None = None,
    resume: State | None = None,
    *,
    batch_size: int,
    seed: int,
) -> Iterator[tuple[Model, State]]:
    """Minibatch descent on the cross-entropy: the network at each epoch, and how to go on from it.

    Every epoch visits every training sample once in a new order; the last batch may be smaller.

    Args:
        model: the untrained network.
        inputs: (samples, *shape), float32.
        labels: (samples,), integers.
        epochs: when to stop, strictly increasing; 0 is the untrained network.
        optimiser: any optax transformation.
        progress: called after every epoch with (epochs done, epochs in all).
        resume: go on from here, as if training had never stopped.
        batch_size: samples in a step.
        seed: of the order of the samples.
    """
    parameters, static = eqx.partition(model, eqx.is_inexact_array)
    parameters = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), parameters)
    train_set = (jnp.asarray(inputs), jnp.asarray(labels))
    size = min(batch_size, len(train_set[1]))
    key = jax.random.key(seed)

    state = (parameters, optimiser.init(parameters))
    structure = jax.tree.structure(state)
    first = 0
    if resume is not None:
        state = jax.tree.unflatten(structure, [jnp.asarray(array) for array in resume.arrays])
        first = resume.epoch + 1
    for epoch in range(first, epochs[-1] + 1):
        if epoch > 0:
            now = jax.random.fold_in(key, epoch)
            state = _run_epoch(state, train_set, now, static, optimiser, size)
            if progress is not None:
                progress(epoch, epochs[-1])
        if epoch in epochs:
            kept = tuple(np.asarray(leaf) for leaf in jax.tree.leaves(state))
            yield eqx.combine(state[0], static), State(epoch, kept)


@eqx.filter_jit
def _scores(model: Model, batch: jax.Array | np.ndarray) -> jax.Array:
    return jax.vmap(model)(jnp.asarray(batch, jnp.float32))


def _run_epoch(
    state: Moving,
    train_set: tuple[jax.Array, jax.Array],
    key: jax.Array,
    static: Any,
    optimiser: optax.GradientTransformation,
    batch_size: int,
) -> Moving:
    """One pass over the training set; the last batch is filled up with samples of no weight."""
    count = len(train_set[1])
    rows = np.arange(-(-count // batch_size) * batch_size)
    order = np.asarray(jax.random.permutation(key, count))[rows % count]
    weights = (rows < count).astype(np.float32)
    # Not a `lax.scan`: within one, XLA's convolutions take seven times as long on processors.
    for start in range(0, len(rows), batch_size):
        batch = slice(start, start + batch_size)
        state = _step(state, train_set, order[batch], weights[batch], static, optimiser)
    return state


@eqx.filter_jit
def _step(
    state: Moving,
    train_set: tuple[jax.Array, jax.Array],
    chosen: np.ndarray,
    weight: np.ndarray,
    static: Any,
    optimiser: optax.GradientTransformation,
) -> Moving:
    parameters, memory = state
    inputs, labels = (array[chosen] for array in train_set)
    gradient = jax.grad(_mean_loss)(parameters, static, inputs, labels, weight)
    updates, memory = optimiser.update(gradient, memory, parameters)
    return optax.apply_updates(parameters, updates), memory


def _mean_loss(
    parameters: Any, static: Any, inputs: jax.Array, labels: jax.Array, weight: jax.Array
) -> jax.Array:
    logits = jax.vmap(eqx.combine(parameters, static))(inputs)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return jnp.sum(weight * loss) / jnp.sum(weight)


@eqx.filter_jit
def _evaluate(model: Model, data: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Mean loss and accuracy."""
    logits = jax.vmap(model)(data[0])
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, data[1])
    return jnp.mean(loss), jnp.mean(jnp.argmax(logits, axis=-1) == data[1])
