"""What an experiment is, and the experiments by name."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import (
    ArgumentError,
    check_choice,
    check_finite,
    check_fraction,
    check_positive,
    check_seed,
    check_whole,
)
from sim.measurement import WAYS, Masking, check_sets, sample_masks
from sim.progress import Progress

CHECKPOINT_EPOCHS = (0, 1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 64, 128, 256, 512)
"""The epochs of the bundled networks' checkpoints, dense where the phases change."""

BUNDLED = {
    "digits-mlp": "digits_mlp",
    "digits-cnn": "digits_cnn",
    "digits-transformer": "digits_transformer",
    "breast-cancer-mlp": "breast_cancer_mlp",
}
"""The experiments that come with the package: the module of each name.

They are imported when they are asked for, since they need the `experiments` extra.
"""


STANDARD = (
    *("image-cnn", "image-vgg", "image-vit", "image-mlp"),
    *("text-transformer", "text-gru", "table-mlp", "points-pointnet"),
)
"""The experiments on data of one's own, made by `sim.experiments.standard`: kind and network."""

STANDARD_EPOCHS = tuple(epoch for epoch in CHECKPOINT_EPOCHS if epoch <= 256)
"""The epochs of their checkpoints: [Ren24] trains for 256."""


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Data of one's own, and how they are made ready. None is the experiment's own choice.

    Attributes:
        data: path of the file, or of a folder of class folders.
        test_fraction: of the samples, which are held out for testing; 0.2.
        standardise: `all` takes the mean and standard deviation of all training values, `columns`
            those of each column, `none` leaves the values as they are.
        length: words of a sentence; the rest is cut.
    """

    data: str | Path | None = None
    test_fraction: float | None = None
    standardise: str | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        if self.test_fraction is not None:
            check_fraction(self.test_fraction, "test_fraction")
        if self.standardise is not None:
            check_choice(self.standardise, "standardise", ("all", "columns", "none"))
        if self.length is not None:
            check_whole(self.length, "length", 1)


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The network and its training. None is the experiment's own choice.

    Attributes:
        width: of the network's layers.
        depth: number of its layers.
        optimiser: `sgd` or `adam`.
        learning_rate: of it; [Ren24] takes 0.01.
        momentum: of `sgd`; [Ren24] takes 0.9.
        batch_size: samples in a step; [Ren24] takes 128.
    """

    width: int | None = None
    depth: int | None = None
    optimiser: str | None = None
    learning_rate: float | None = None
    momentum: float | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("width", "depth", "batch_size"):
            if getattr(self, name) is not None:
                check_whole(getattr(self, name), name, 1)
        if self.optimiser is not None:
            check_choice(self.optimiser, "optimiser", ("sgd", "adam"))
        if self.learning_rate is not None:
            check_positive(self.learning_rate, "learning_rate")
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise ArgumentError("momentum", "be in [0, 1)", f"is {self.momentum}")


@dataclasses.dataclass(frozen=True)
class PlayerSettings:
    """Where players are, and what an absent one shows. None is the experiment's own choice.

    Attributes:
        mask_at: `input`, or the name of the network's activation that is masked.
        baseline: what an absent player shows, in units of what is masked; 0.
        patch: side of a patch of the image or map.
        clusters: of a cloud of points, of which some are players; 30.
    """

    mask_at: str | None = None
    baseline: float | None = None
    patch: int | None = None
    clusters: int | None = None

    def __post_init__(self) -> None:
        if self.baseline is not None:
            check_finite(self.baseline, "baseline")
        for name in ("patch", "clusters"):
            if getattr(self, name) is not None:
                check_whole(getattr(self, name), name, 1)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What can be chosen about an experiment.

    Attributes:
        epochs: at which the network is measured, strictly increasing.
        samples: number of inputs that are measured.
        players: number of players.
        label_noise: fraction of the training labels that are replaced by another class.
        seed: of the data split with its label noise, the players, the initial parameters and the
            order of training. Of several training runs the last two have seeds of their own.
        part: whether `test` or `train` inputs are measured, by their labels without noise.
        masks: number of masked versions of an input that are measured, drawn by the seed, the same
            for all inputs, checkpoints and training runs; None is all 2^players.
        masks_by: how they are drawn, `size` or `uniform`; see `sim.sample_masks`. None is `size`.
        own: data of one's own; like what follows, for the standard experiments alone.
        training: their network and its training.
        masking: where their players are, and what an absent one shows.
    """

    epochs: tuple[int, ...] = CHECKPOINT_EPOCHS
    samples: int = 30
    players: int = 10
    label_noise: float = 0.05
    seed: int = 0
    part: str = "test"
    masks: int | None = None
    masks_by: str | None = None
    own: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    masking: PlayerSettings = PlayerSettings()

    def __post_init__(self) -> None:
        steps = np.diff(self.epochs)
        if len(self.epochs) < 2 or self.epochs[0] < 0 or (steps <= 0).any():
            raise ArgumentError(
                "epochs",
                "be at least two increasing, nonnegative epochs",
                f"is {list(self.epochs)}",
                opening="",
            )
        check_whole(self.samples, "samples", 1)
        check_seed(self.seed)
        if not 0 <= self.label_noise < 1:
            raise ArgumentError("label_noise", "be in [0, 1)", f"is {self.label_noise}", opening="")
        if self.part not in ("test", "train"):
            raise ArgumentError("part", "be 'test' or 'train'", f"is '{self.part}'", opening="")
        if self.masks is not None:
            check_whole(self.masks, "masks", 2)
        if self.masks_by is not None:
            check_choice(self.masks_by, "masks_by", WAYS)
            if self.masks is None:
                must = "be left out where all masked inputs are measured"
                raise ArgumentError("masks_by", must, f"is '{self.masks_by}'")

    def sets(self, n: int) -> np.ndarray | None:
        """The sets of n players whose masked inputs are measured, (masks,); None for all.

        Raises:
            ValueError: more masks than there are sets.

        Example:
            >>> Settings(masks=4).sets(20).tolist()[-1], Settings().sets(20)
            (1048575, None)
        """
        if self.masks is None:
            return None
        if self.masks > 2**n:
            must = f"be at most 2^{n} = {2**n}, as many as {n} players have"
            raise ArgumentError("masks", must, f"is {self.masks}")
        return sample_masks(n, self.masks, self.seed, self.masks_by or WAYS[0])

    def check_available(self, count: int) -> None:
        """Raises unless there are as many inputs as are to be measured."""
        if self.samples > count:
            raise ArgumentError(
                "samples",
                f"be at most the {count} {self.part} inputs",
                f"is {self.samples}",
                opening="",
            )

    @property
    def chosen(self) -> dict[str, Any]:
        """What was chosen beside the experiment's own choices, by the names of the options."""
        parts = (self.own, self.training, self.masking)
        named = {name: value for part in parts for name, value in vars(part).items()}
        return {name: value for name, value in named.items() if value is not None}

    def record(self) -> dict[str, Any]:
        """All that was chosen, in plain values, as metadata have them: a file by its name alone."""
        own = {field.name for field in dataclasses.fields(self)} - {"own", "training", "masking"}
        chosen = self.chosen
        if "data" in chosen:
            chosen["data"] = Path(chosen["data"]).resolve().name
        values = {name: vars(self)[name] for name in vars(self) if name in own}
        return {name: value for name, value in values.items() if value is not None} | chosen


@dataclasses.dataclass(frozen=True)
class State:
    """All that training needs to go on from an epoch as if it had never stopped."""

    epoch: int
    arrays: tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The network at one epoch: how it scores a batch of inputs, and how well it does.

    Attributes:
        epoch: when.
        score: from masked inputs (m, *shape) to logits; see `measure_outputs`.
        train_loss: mean over the training set; the other three likewise. None is not known.
        test_loss: mean over the test set.
        train_accuracy: fraction.
        test_accuracy: fraction.
        inputs: what is masked at this checkpoint, (samples, *shape), where it is not the
            experiment's inputs but what the network makes of them: a feature map, say. `score` is
            then the rest of the network.
        state: to resume training from, or None where this is not offered.
    """

    epoch: int
    score: Callable[[np.ndarray], ArrayLike]
    train_loss: float | None = None
    test_loss: float | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    inputs: np.ndarray | None = None
    state: State | None = None


Train = Callable[[Progress | None, State | None], Iterator[Checkpoint]]
"""From a progress callback (epochs done, epochs in all) and a state to the checkpoints in order.

With a state, only the checkpoints after its epoch; whoever offers no states may ignore it.
"""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Inputs to measure, their players, and a network that trains as its checkpoints are drawn.

    Attributes:
        inputs: (samples, *shape).
        labels: (samples,), their true classes; None where the scores are single outputs.
        masking: the players, of `inputs` or of what the checkpoints put in their place.
        epochs: of the checkpoints, strictly increasing.
        train: trains, the same way each time it is called; see `Train`.
        metadata: what was trained on what, for the record.
        shown: what a measurement keeps to show people, by its attribute's name: `player_names`,
            `sample_names`, `regions`, `inputs`. What is not here comes from the masking and from
            the inputs.
        seeded: from a seed to the training run with its initial parameters and its order of the
            data, which stay the same with their label noise; None if there is no run but `train`.
        sets: (m,), the only sets of players whose masked inputs are measured; None for all.
            `prepare` fills it in by the settings, as it does `origin`.
        origin: the experiment's name and its settings, by which an unfinished run is known again.
        saved: whether nothing trains: each checkpoint is read for itself, and `train` begins after
            the epoch of any state, whatever it holds.
    """

    inputs: np.ndarray
    labels: np.ndarray | None
    masking: Masking
    epochs: tuple[int, ...]
    train: Train
    metadata: dict[str, Any]
    shown: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    seeded: Callable[[int], Train] | None = None
    sets: np.ndarray | None = None
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    saved: bool = False

    @property
    def mask_count(self) -> int:
        """How many masked versions of each input are measured."""
        n = self.masking.n
        return 2**n if self.sets is None else len(check_sets(self.sets, n))


_EXPERIMENTS: dict[str, Callable[[Settings], Experiment]] = {}


def register(
    name: str,
) -> Callable[[Callable[[Settings], Experiment]], Callable[[Settings], Experiment]]:
    """Decorator that adds an experiment under a name, for `prepare` and the command line.

    The function makes an `Experiment` from `Settings`. In a file of your own, it is found by
    `interdyn measure --script file.py --experiment name`.

    Args:
        name: for `prepare` and `--experiment`.

    Raises:
        ValueError: another experiment has the name already.

    Example:
        >>> from sim.measurement import tabular_features
        >>> from sim.experiments import record
        >>> @register("growing-line")
        ... def growing_line(settings):
        ...     def train(progress, state):
        ...         for epoch in settings.epochs:
        ...             yield Checkpoint(epoch, lambda x, e=epoch: e * x.sum(axis=1), 1, 1, 0, 0)
        ...
        ...     inputs, labels = np.ones((settings.samples, 2)), np.ones(settings.samples, int)
        ...     players = tabular_features(2, 2)
        ...     return Experiment(inputs, labels, players, settings.epochs, train, {})
        >>> experiment = prepare("growing-line", Settings(epochs=(0, 3), samples=1))
        >>> record(experiment, {}).outputs[:, 0]
        array([[0., 0., 0., 0.],
               [0., 3., 3., 6.]])
    """

    def add(build: Callable[[Settings], Experiment]) -> Callable[[Settings], Experiment]:
        known = _EXPERIMENTS.get(name)
        if known is not None and known.__module__ != build.__module__:
            raise ValueError(f"There is an experiment '{name}' already, in {known.__module__}.")
        _EXPERIMENTS[name] = build
        return build

    return add


def experiment_names() -> list[str]:
    """Names of all the experiments, sorted."""
    return sorted({*BUNDLED, *STANDARD, *_EXPERIMENTS})


def prepare(name: str, settings: Settings) -> Experiment:
    """Builds the experiment of that name.

    Raises:
        ValueError: there is none of that name, or a bundled one has no use for what was chosen.
        TypeError: what is registered under the name builds something else than an `Experiment`.
        ImportError: the `experiments` extra is not installed.
    """
    if name in BUNDLED and settings.chosen:
        first, value = next(iter(settings.chosen.items()))
        raise ArgumentError(
            first, f"be left out for {name}, and is for {', '.join(STANDARD)}", f"is {value}"
        )
    if name not in _EXPERIMENTS:
        if name not in BUNDLED and name not in STANDARD:
            known = ", ".join(experiment_names())
            raise ValueError(f"There is no experiment '{name}'; there are: {known}.")
        importlib.import_module(f"sim.experiments.{BUNDLED.get(name, 'standard')}")
    experiment = _EXPERIMENTS[name](settings)
    if not isinstance(experiment, Experiment):
        raise TypeError(
            f"The experiment '{name}' must be built as an Experiment, but its function returned "
            f"{type(experiment).__name__}."
        )
    origin = {"experiment": name, "settings": settings.record()}
    sets = settings.sets(experiment.masking.n)
    return dataclasses.replace(experiment, sets=sets, origin=origin)
