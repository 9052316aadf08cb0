"""What an experiment is, and the experiments by name."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sim.masking import Masking

CHECKPOINT_EPOCHS = (0, 1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 64, 128, 256, 512)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What can be chosen about an experiment.

    Attributes:
        epochs: at which the network is measured, strictly increasing.
        samples: number of test inputs that are measured.
        players: number of players.
        label_noise: fraction of the training labels that are replaced by another class.
        seed: of the data split, the initial parameters and the order of training.
    """

    epochs: tuple[int, ...] = CHECKPOINT_EPOCHS
    samples: int = 30
    players: int = 10
    label_noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        steps = np.diff(self.epochs)
        if len(self.epochs) < 2 or self.epochs[0] < 0 or (steps <= 0).any():
            raise ValueError(
                f"`epochs` must be at least two increasing, nonnegative epochs, but is "
                f"{list(self.epochs)}."
            )
        if self.samples < 1:
            raise ValueError(f"`samples` must be at least 1, but is {self.samples}.")
        if not 0 <= self.label_noise < 1:
            raise ValueError(f"`label_noise` must be in [0, 1), but is {self.label_noise}.")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The network at one epoch: how it scores a batch of inputs, and how well it does."""

    epoch: int
    score: Callable[[np.ndarray], Any]
    train_loss: float
    test_loss: float
    train_accuracy: float
    test_accuracy: float


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Inputs to measure, their players, and a network that trains as its checkpoints are drawn.

    Attributes:
        inputs: (samples, *shape), from the test set.
        labels: (samples,), their true classes.
        masking: the players.
        epochs: of the checkpoints, strictly increasing.
        train: from a progress callback (epochs done, epochs in all) to the checkpoints in order.
        metadata: what was trained on what, for the record.
    """

    inputs: np.ndarray
    labels: np.ndarray
    masking: Masking
    epochs: tuple[int, ...]
    train: Callable[[Callable[[int, int], None] | None], Iterator[Checkpoint]]
    metadata: dict[str, Any]


_EXPERIMENTS: dict[str, Callable[[Settings], Experiment]] = {}


def register(
    name: str,
) -> Callable[[Callable[[Settings], Experiment]], Callable[[Settings], Experiment]]:
    """Decorator that adds an experiment under a name, for `prepare` and the command line."""

    def add(build: Callable[[Settings], Experiment]) -> Callable[[Settings], Experiment]:
        _EXPERIMENTS[name] = build
        return build

    return add


def _load_bundled() -> None:
    package = importlib.import_module("sim.experiments")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"sim.experiments.{module.name}")


def experiment_names() -> list[str]:
    """Names of all the experiments, sorted."""
    _load_bundled()
    return sorted(_EXPERIMENTS)


def prepare(name: str, settings: Settings) -> Experiment:
    """Builds the experiment of that name.

    Raises:
        ValueError: there is none of that name.
        ImportError: the `experiments` extra is not installed.
    """
    _load_bundled()
    if name not in _EXPERIMENTS:
        raise ValueError(f"There is no experiment '{name}'; there are: {', '.join(_EXPERIMENTS)}.")
    return _EXPERIMENTS[name](settings)
