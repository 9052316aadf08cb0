"""The standard networks on a user's own data: what is trained, and what of it is measured."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax

from sim.checks import ArgumentError, check_choice
from sim.experiments import _players as players
from sim.experiments._registry import STANDARD, Experiment, Settings, Train, register
from sim.experiments._training import Data, description, split, train
from sim.experiments.data import (
    Samples,
    Table,
    digest,
    read_images,
    read_points,
    read_sentences,
    read_table,
)
from sim.experiments.networks import Stages, build
from sim.measurement import Masking

FILES = {
    "image": "an .npz file with `images` (m, height, width[, channels]) and `labels` (m,), or of a "
    "folder with a folder of image files for each class",
    "text": "a CSV file with the columns `text` and `label`",
    "table": "a CSV file with a column `label`, the other columns being the inputs",
    "points": "an .npz file with `points` (m, points, 3) and `labels` (m,)",
}
USED = {
    "image": ("standardise", "baseline", "patch"),
    "text": ("length", "baseline"),
    "table": ("standardise", "baseline"),
    "points": ("standardise", "clusters"),
}
"""What can be chosen for one kind of data and not for every other."""

STANDARDISED = {"image": "all", "text": "none", "table": "columns", "points": "all"}
MASKED = {"cnn": "relu1", "vgg": "relu2"}
"""Which activation is masked by default; of the other networks it is the input. [Ren24, p. 24]"""

OPTIMISERS = {"image": "sgd", "text": "adam", "table": "sgd", "points": "sgd"}
"""By default. From untrained words descent at the rate of [Ren24] is too slow: where Adam took a
GRU to all of its training sentences, it had 64 % of them right after the same thousand steps."""

RATES = {"sgd": 0.01, "adam": 0.001}


def standard(name: str, settings: Settings) -> Experiment:
    """Trains a network on the data that the settings name; defaults are those of [Ren24, p. 24–26].

    Args:
        name: one of `STANDARD`: the kind of data, and the network.
        settings: with `own.data`.

    Raises:
        ValueError: no data, or not such; a choice that this kind of data has no use for; fewer
            samples or players than are wanted.
    """
    kind, network = name.split("-")
    settings = _completed(name, settings)
    path = Path(str(settings.own.data))
    samples = _read(kind, path, settings)
    data, vocabulary = _split(kind, samples, settings, path)
    shape = data.train_inputs.shape[1:]

    def initial(seed: int) -> Stages:
        return build(
            network,
            shape,
            len(samples.classes),
            vocabulary=vocabulary,
            width=settings.training.width,
            depth=settings.training.depth,
            key=jax.random.key(seed),
        )

    first = initial(settings.seed)
    at = str(settings.masking.mask_at)
    check_choice(at, "mask_at", ("input", *first.names))
    words = allowed = None
    if kind == "text":
        part = samples.inputs[data.part_rows(settings)]
        allowed = players.long_enough(part, settings)
        words = part[data.places(settings, allowed)]
    inputs, labels = data.measured(settings, allowed)
    masked = shape if at == "input" else first.shape_at(at, shape)
    masking, told = _players(at, masked, inputs, samples, words, settings)
    if allowed is not None:
        told += f"; {int(allowed.sum())} of {len(allowed)} {settings.part} sentences have as many"
    optimiser = _optimiser(settings)

    def seeded(seed: int) -> Train:
        stages = initial(seed)
        return functools.partial(
            train,
            stages if at == "input" else stages.cut(at),
            data,
            settings.epochs,
            optimiser,
            batch_size=int(settings.training.batch_size or 0),
            seed=seed,
            measured=inputs,
        )

    weights = jax.tree.leaves(eqx.filter(first, eqx.is_inexact_array))
    metadata = description(
        name,
        settings,
        data=f"{path.resolve().name}: {samples.words}; {len(data.train_labels)} to train, "
        f"{len(data.test_labels)} to test",
        network=f"{network}, {sum(leaf.size for leaf in weights)} parameters",
        optimiser=_in_words(settings),
        masking=told,
    )
    return Experiment(
        inputs=inputs,
        labels=labels,
        masking=masking,
        epochs=settings.epochs,
        train=seeded(settings.seed),
        metadata=metadata | {"sha256": digest(path), "classes": list(samples.classes)},
        shown={
            **_shown_words(masking, words),
            "sample_names": data.names(settings, samples.titles, allowed, samples.classes),
        },
        seeded=seeded,
    )


for _name in STANDARD:
    register(_name)(functools.partial(standard, _name))


def _completed(name: str, settings: Settings) -> Settings:
    """The settings with the defaults where nothing was chosen; refuses what is of no use."""
    kind, network = name.split("-")
    if settings.own.data is None:
        raise ArgumentError("data", f"be the path of {FILES[kind]}, for {name}", "is not given")
    mask_at = settings.masking.mask_at or MASKED.get(network, "input")
    useless = {option for options in USED.values() for option in options} - set(USED[kind])
    if kind == "text" and mask_at == "input":
        useless |= {"baseline"}  # the mask token
    if kind == "points" and mask_at != "input":
        raise ArgumentError("mask_at", f"be input for {name}", f"is {mask_at!r}")
    optimiser = settings.training.optimiser or OPTIMISERS[kind]
    adam = optimiser == "adam"
    if adam:
        useless |= {"momentum"}
    for option in sorted(useless & set(settings.chosen)):
        whose = "adam" if option == "momentum" else name
        raise ArgumentError(option, f"be left out for {whose}", f"is {settings.chosen[option]}")
    training = dataclasses.replace(
        settings.training,
        optimiser=optimiser,
        learning_rate=settings.training.learning_rate or RATES[optimiser],
        momentum=None if adam else _or(settings.training.momentum, 0.9),
        batch_size=settings.training.batch_size or 128,
    )
    own = dataclasses.replace(
        settings.own,
        test_fraction=settings.own.test_fraction or 0.2,
        standardise=settings.own.standardise or STANDARDISED[kind],
    )
    masking = dataclasses.replace(settings.masking, mask_at=mask_at)
    return dataclasses.replace(settings, own=own, training=training, masking=masking)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _read(kind: str, path: Path, settings: Settings) -> Samples:
    if kind == "image":
        return read_images(path)
    if kind == "text":
        return read_sentences(path, settings.own.length)
    return read_table(path) if kind == "table" else read_points(path)


def _split(kind: str, samples: Samples, settings: Settings, path: Path) -> tuple[Data, int | None]:
    """The training and the test set, of ids where they are text, and how many ids there are.

    Raises:
        ValueError: one of them is empty, a class has no training sample, or all inputs are alike.
    """
    count = len(samples.labels)
    training = count - round(float(settings.own.test_fraction or 0) * count)
    if training in (0, count):
        raise ArgumentError(
            "test_fraction",
            f"leave some of the {count} samples to test and some to train",
            f"is {settings.own.test_fraction}",
        )
    inputs, vocabulary = samples.inputs, None
    if kind == "text":
        inputs, _ = players.as_ids(inputs)
    elif np.ptp(inputs) == 0:
        raise ValueError(f"{path}: inputs must differ, but every value is {inputs.flat[0]:g}.")
    data = split(
        inputs,
        samples.labels,
        training,
        settings.label_noise,
        settings.seed,
        standardise=str(settings.own.standardise),
    )
    lacking = set(range(len(samples.classes))) - set(data.true_labels.tolist())
    if lacking:
        raise ValueError(
            f"{path}: every class must have a sample to train on, but all of class "
            f"'{samples.classes[min(lacking)]}' fell to the test set; choose another --seed or a "
            f"smaller --test-fraction."
        )
    if kind == "text":
        ids, vocabulary = players.only_frequent(inputs, data.rows[:training])
        ids = ids[data.rows].astype(np.float32)
        data = dataclasses.replace(data, train_inputs=ids[:training], test_inputs=ids[training:])
    return data, vocabulary


def _players(
    at: str,
    shape: tuple[int, ...],
    inputs: np.ndarray,
    samples: Samples,
    words: np.ndarray | None,
    settings: Settings,
) -> tuple[Masking, str]:
    if at != "input":
        return players.players_of_activation(at, shape, settings, words)
    if words is not None:
        return players.players_of_sentence(words, settings)
    if isinstance(samples, Table):
        return players.players_of_row(samples, settings)
    if samples.inputs.ndim == 4:
        return players.players_of_image(shape, settings)
    return players.players_of_cloud(inputs, settings)


def _shown_words(masking: Masking, words: np.ndarray | None) -> dict[str, np.ndarray]:
    """Sentences in place of their ids, and where the players stand in them."""
    if words is None:
        return {}
    places = masking.regions  # (samples, players, tokens), and the width of an embedding
    return {"inputs": words, "regions": np.asarray(places.any(axis=tuple(range(3, places.ndim))))}


def _optimiser(settings: Settings) -> optax.GradientTransformation:
    chosen = settings.training
    if chosen.optimiser == "adam":
        return optax.adam(chosen.learning_rate)
    return optax.sgd(chosen.learning_rate, momentum=chosen.momentum)


def _in_words(settings: Settings) -> str:
    chosen: Any = settings.training
    momentum = "" if chosen.momentum is None else f", momentum {chosen.momentum:g}"
    name = {"sgd": "SGD", "adam": "Adam"}[chosen.optimiser]
    return f"{name}, learning rate {chosen.learning_rate:g}{momentum}, batch {chosen.batch_size}"
