"""Measuring a network: its output on every masked version of some inputs, at every checkpoint."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sim.checks import (
    ArgumentError,
    as_array,
    as_numbers,
    check_epochs,
    check_finite,
    check_labels,
    check_outputs,
    check_whole,
)
from sim.files import read_npz, refuse_existing, write_npz
from sim.measurement.naming import (
    TRAVELLING,
    check_inputs,
    check_player_names,
    check_regions,
    check_sample_names,
)
from sim.measurement.sampling import check_sets, masks_in_words


class ProbabilityWarning(UserWarning):
    """Outputs look like probabilities, where log-odds are wanted."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A network's outputs on all masked versions of some inputs, at several checkpoints.

    Where there are too many players for all 2^n of them, it holds some: `sets` says which, the same
    at every checkpoint and of every sample. They are kept in increasing order, so that the first
    output of a sample is v(∅) and the last v(N) all the same.

    It may hold several training runs of the network, from other initial parameters, each measured
    on the same inputs in the same order. A sample is then one input in one run, and the runs
    follow each other: sample = run · input_count + input.

    Attributes:
        outputs: (checkpoints, samples, 2^n), v(S): for classifiers the log-odds of the true class;
            with `sets`, (checkpoints, samples, m).
        epochs: (checkpoints,), strictly increasing.
        labels: (samples,), integers, the same in every run, or None.
        train_loss: (checkpoints,), or (runs, checkpoints) of several runs, or None; the next three
            likewise.
        test_loss: see `train_loss`.
        train_accuracy: fractions.
        test_accuracy: fractions.
        metadata: anything that JSON can hold: network, data, seed, versions; `classes` names the
            classes by their labels.
        runs: number of training runs.
        player_names: text (n,), or (input_count, n) where every input has its own; see `players`.
        sample_names: text (input_count,).
        regions: bool, which places of an input belong to each player, as in `Masking`: (n, *shape),
            or (input_count, n, *shape) where every input has its own. Kept as (1, n, *shape) or
            (input_count, n, *shape).
        inputs: (input_count, *shape), the inputs as people should see them: images, say. The
            regions may be coarser, as those of a feature map are.
        sets: (m,) integers, the sets of players that were measured, ∅ and N = 2^n − 1 among them;
            None where all 2^n were.

    Raises:
        ValueError: shapes that do not match, values that are not finite, epochs out of order,
            samples that are not the same inputs in every run.

    Warns:
        ProbabilityWarning: all outputs lie between 0 and 1.

    Example:
        >>> m = Measurement(outputs=np.zeros((2, 3, 8)), epochs=[0, 5])
        >>> m.n, m.checkpoints, m.samples
        (3, 2, 3)
        >>> several = Measurement(np.zeros((2, 6, 8)), [0, 5], runs=2)
        >>> several.input_count
        3
        >>> named = Measurement(np.zeros((1, 1, 4)), [0], player_names=["very", "good"])
        >>> named.players(0)
        ['very', 'good']
        >>> some = Measurement([[[0.0, 3.0, 1.0]]], [0], sets=[0, 7, 2])
        >>> some.n, some.sets, some.outputs[0, 0]
        (3, array([0, 2, 7]), array([0., 1., 3.]))
    """

    outputs: np.ndarray
    epochs: np.ndarray
    labels: np.ndarray | None = None
    train_loss: np.ndarray | None = None
    test_loss: np.ndarray | None = None
    train_accuracy: np.ndarray | None = None
    test_accuracy: np.ndarray | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    runs: int = 1
    player_names: np.ndarray | None = None
    sample_names: np.ndarray | None = None
    regions: np.ndarray | None = None
    inputs: np.ndarray | None = None
    sets: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.sets is None:
            outputs = check_outputs(self.outputs)
        else:
            sets = check_sets(self.sets)
            order = np.argsort(sets)
            outputs = check_outputs(self.outputs, sets=len(sets))[..., order]
            whole = len(sets) == int(sets.max()) + 1
            object.__setattr__(self, "sets", None if whole else sets[order])
        object.__setattr__(self, "outputs", outputs)
        object.__setattr__(self, "epochs", check_epochs(self.epochs, len(outputs)))
        object.__setattr__(self, "runs", self._checked_runs())
        if self.labels is not None:
            object.__setattr__(self, "labels", self._checked_labels(self.labels))
        for name in CURVES:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._curve(name))
        self._check_travelling()
        self._check_metadata()
        if outputs.min() >= 0 and outputs.max() <= 1 and np.ptp(outputs) > 0:
            warnings.warn(PROBABILITIES, ProbabilityWarning, stacklevel=3)

    def _checked_runs(self) -> int:
        runs = as_array(self.runs, "runs")
        if runs.shape != () or not np.issubdtype(runs.dtype, np.integer):
            got = f"is {runs.tolist()!r}"
            raise ArgumentError("runs", "be a whole number", got, opening="")
        check_whole(int(runs), "runs", 1)
        if self.samples % int(runs):
            raise ArgumentError(
                "outputs",
                f"hold the same number of inputs in each of the {runs} training runs",
                f"has {self.samples} samples",
                opening="",
            )
        return int(runs)

    def _checked_labels(self, labels: np.ndarray) -> np.ndarray:
        labels = check_labels(labels, self.samples)
        by_run = labels.reshape(self.runs, self.input_count)
        if (by_run != by_run[0]).any():
            at = int((by_run != by_run[0]).any(axis=1).argmax())
            raise ArgumentError(
                "labels",
                "be the same in every training run, whose samples are the same inputs in the same "
                "order",
                f"differ between the runs 0 and {at}",
                opening="",
            )
        return labels

    def _check_travelling(self) -> None:
        count = self.input_count
        if self.inputs is not None:
            object.__setattr__(self, "inputs", check_inputs(self.inputs, count))
        if self.regions is not None:
            regions = check_regions(self.regions, count, self.n, self.inputs)
            object.__setattr__(self, "regions", regions)
        if self.player_names is not None:
            names = check_player_names(self.player_names, count, self.n)
            object.__setattr__(self, "player_names", names)
        if self.sample_names is not None:
            names = check_sample_names(self.sample_names, count)
            object.__setattr__(self, "sample_names", names)

    def _curve(self, name: str) -> np.ndarray:
        curve = as_numbers(getattr(self, name), name).astype(np.float64)
        expected = (self.checkpoints,) if self.runs == 1 else (self.runs, self.checkpoints)
        if curve.shape != expected:
            must = f"have one entry for each of the {self.checkpoints} checkpoints"
            if self.runs > 1:
                must = f"have shape (runs, checkpoints) = {expected}"
            raise ArgumentError(name, must, f"has shape {curve.shape}", opening="")
        check_finite(curve, name, opening="")
        if name.endswith("accuracy") and not ((curve >= 0) & (curve <= 1)).all():
            raise ArgumentError(
                name, "be fractions from 0 to 1", f"is {curve.tolist()}", opening=""
            )
        return curve

    def _check_metadata(self) -> None:
        if not isinstance(self.metadata, Mapping):
            raise ArgumentError(
                "metadata",
                'be a dictionary, such as {"network": "MLP"}',
                f"is {self.metadata!r}",
                opening="",
            )
        try:
            json.dumps(dict(self.metadata))
        except TypeError as error:
            raise ValueError(f"`metadata` must be what JSON can hold ({error}).") from None

    def __repr__(self) -> str:
        return (
            f"Measurement({self.shape_in_words()}, epochs {self.epochs[0]:g} to "
            f"{self.epochs[-1]:g})"
        )

    def shape_in_words(self) -> str:
        """How many checkpoints, samples and masked inputs there are, for people.

        Example:
            >>> Measurement(np.zeros((2, 6, 8)), [0, 5], runs=2).shape_in_words()
            '2 checkpoints × 2 runs × 3 inputs × 2^3 masked inputs'
            >>> Measurement(np.zeros((2, 6, 3)), [0, 5], sets=[0, 2, 7]).shape_in_words()
            '2 checkpoints × 6 samples × 3 of 2^3 masked inputs'
        """
        samples = f"{self.samples} samples"
        if self.runs > 1:
            samples = f"{self.runs} runs × {self.input_count} inputs"
        masked = masks_in_words(self.n, self.outputs.shape[-1])
        return f"{self.checkpoints} checkpoints × {samples} × {masked}"

    @property
    def n(self) -> int:
        """Number of players."""
        size = self.outputs.shape[-1] if self.sets is None else int(self.sets[-1]) + 1
        return size.bit_length() - 1

    @property
    def checkpoints(self) -> int:
        """Number of checkpoints."""
        return self.outputs.shape[0]

    @property
    def samples(self) -> int:
        """Number of inputs, counted anew in each training run."""
        return self.outputs.shape[1]

    @property
    def input_count(self) -> int:
        """Number of inputs in each training run: samples / runs."""
        return self.samples // self.runs

    def players(self, sample: int) -> list[str]:
        """Names of the players of a sample; those of a measurement without names are numbered.

        Args:
            sample: from 0 on, or from the end below 0.

        Raises:
            ValueError: there is no such sample.

        Example:
            >>> Measurement(np.zeros((2, 3, 8)), [0, 5]).players(0)
            ['player 0', 'player 1', 'player 2']
        """
        at = self._input(sample)
        if self.player_names is None:
            return [f"player {player}" for player in range(self.n)]
        names = self.player_names
        own: list[str] = (names if names.ndim == 1 else names[at]).tolist()
        return own

    def sample_name(self, sample: int) -> str:
        """Name of a sample; where there are no names, its number.

        Example:
            >>> Measurement(np.zeros((2, 6, 8)), [0, 5], runs=2).sample_name(4)
            'sample 1'
        """
        at = self._input(sample)
        return f"sample {at}" if self.sample_names is None else str(self.sample_names[at])

    def class_of(self, sample: int) -> int | str | None:
        """Class of a sample: its name where `metadata["classes"]` tells all names, or its label.

        None where there are no labels.

        Example:
            >>> names = {"classes": ["cat", "dog"]}
            >>> Measurement(np.zeros((1, 2, 8)), [0], [1, 0], metadata=names).class_of(0)
            'dog'
        """
        if self.labels is None:
            return None
        label = int(self.labels[sample])
        names = self.metadata.get("classes")
        if isinstance(names, list) and 0 <= label < len(names):
            return str(names[label])
        return label

    def _input(self, sample: int) -> int:
        """Which input a sample is, whatever its run."""
        if not -self.samples <= sample < self.samples:
            raise ArgumentError(
                "sample", f"be a whole number from 0 to {self.samples - 1}", f"is {sample}"
            )
        return sample % self.samples % self.input_count

    def at(self, checkpoints: np.ndarray) -> Measurement:
        """The same at some of the checkpoints only, by their indices."""
        fields = {"outputs": self.outputs[checkpoints], "epochs": self.epochs[checkpoints]}
        for name in CURVES:
            if (curve := getattr(self, name)) is not None:
                fields[name] = curve[..., checkpoints]
        return dataclasses.replace(self, **fields)

    def arrays(self, dtype: DTypeLike = np.float64) -> dict[str, np.ndarray]:
        """The file's content: one array for each attribute that is there, metadata as JSON."""
        present = {
            name: getattr(self, name)
            for name in ("outputs", "epochs", "labels", *CURVES, *TRAVELLING, "sets")
            if getattr(self, name) is not None
        }
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ArgumentError("dtype", "be float32 or float64", f"is {np.dtype(dtype)}")
        if np.dtype(dtype) != np.float64:
            with np.errstate(over="ignore"):
                present["outputs"] = self.outputs.astype(dtype)
            if not np.isfinite(present["outputs"]).all():
                raise ValueError(f"`outputs` are too large for {np.dtype(dtype)}.")
        if self.runs > 1:  # left out of one run's file, which then has the keys it always had
            present["runs"] = np.array(self.runs)
        return present | {"metadata": np.array(json.dumps(dict(self.metadata)))}

    def save(
        self, path: str | Path, dtype: DTypeLike = np.float64, *, overwrite: bool = False
    ) -> None:
        """Writes one `.npz` with a key for each attribute; see `Measurement.load`.

        Args:
            path: of the file; it is there whole or not at all.
            dtype: of the outputs in the file; float32 halves it.
            overwrite: replace a file that is there.

        Raises:
            ValueError: outputs too large for `dtype`.
            FileExistsError: the file is there, and is to be kept.
            OSError: the disk is full, or the place cannot be written.
        """
        refuse_existing(path, overwrite)
        write_npz(path, self.arrays(dtype))

    @classmethod
    def load(cls, path: str | Path) -> Measurement:
        """Reads a measurement; nothing in the file is executed.

        The file needs the keys `outputs` (checkpoints, samples, 2^n) and `epochs` (checkpoints,);
        `labels`, `train_loss`, `test_loss`, `train_accuracy`, `test_accuracy` and `metadata` (a
        JSON text) may be there, and `runs`, the number of training runs; without it there is one.
        So may `player_names`, `sample_names`, `regions` and `inputs`, for tables and pictures, and
        `sets` (m,), where `outputs` (checkpoints, samples, m) are those of some sets alone.
        Other keys are ignored, unless they look like one of these. With numpy alone:

            np.savez("measurement.npz", outputs=outputs, epochs=epochs)

        and of several training runs, each of shape (checkpoints, inputs, 2^n):

            outputs = np.concatenate([first, second, third], axis=1)
            np.savez("measurement.npz", outputs=outputs, epochs=epochs, runs=3)

        and of 4,096 masked versions of each input, in which bit i of a set is player i:

            sets = sim.sample_masks(20, 4096)
            np.savez("measurement.npz", outputs=outputs, epochs=epochs, sets=sets)

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or its content is not a measurement; names the file.
        """
        return cls.from_arrays(read_npz(path, REQUIRED, optional=KEYS), path)

    @classmethod
    def of_runs(cls, measurements: Sequence[Measurement]) -> Measurement:
        """Joins training runs of the same settings, measured one by one, into one measurement.

        The inputs must be the same, in the same order, and so must be the players; their number,
        the labels, and the names, regions and inputs that go with them are compared.

        Args:
            measurements: in the order that their runs are to have; each may hold several already.

        Returns:
            All their runs. Of the metadata, what is the same in all of them is kept; the rest is
            listed under "joined", one entry for each measurement.

        Raises:
            ValueError: there is no measurement, or two of them differ in their epochs, number of
                players or of inputs, labels, names, regions, inputs or sets, or in which losses
                and accuracies they hold.
            TypeError: something else than measurements.

        Example:
            >>> one, other = (Measurement(np.full((2, 3, 8), seed), [0, 5]) for seed in (7, 8))
            >>> both = Measurement.of_runs([one, other])
            >>> both.runs, both.samples, both.outputs[0, :, 0].tolist()
            (2, 6, [7.0, 7.0, 7.0, 8.0, 8.0, 8.0])
        """
        measurements = list(measurements)
        for one in measurements:
            if not isinstance(one, cls):
                raise TypeError(
                    f"Argument `measurements` must hold Measurements, but holds a "
                    f"{type(one).__name__}."
                )
        if not measurements:
            raise ArgumentError("measurements", "be at least one", "is empty")
        for at, one in enumerate(measurements):
            measurements[0]._check_joins(one, at)
        first, runs = measurements[0], sum(one.runs for one in measurements)
        curves = {
            name: np.concatenate([np.atleast_2d(getattr(one, name)) for one in measurements])
            for name in _curves_held(first)
        }
        labels = first.labels
        return cls(
            outputs=np.concatenate([one.outputs for one in measurements], axis=1),
            epochs=first.epochs,
            labels=None if labels is None else np.tile(labels[: first.input_count], runs),
            **{name: curve if runs > 1 else curve[0] for name, curve in curves.items()},
            metadata=_joined_metadata([one.metadata for one in measurements]),
            runs=runs,
            **{name: getattr(first, name) for name in TRAVELLING},
            sets=first.sets,
        )

    def _check_joins(self, other: Measurement, at: int) -> None:
        """Raises unless the other one, number `at`, can be further runs of this one."""
        values = {
            "epochs": (self.epochs.tolist(), other.epochs.tolist()),
            "number of players": (self.n, other.n),
            "number of inputs": (self.input_count, other.input_count),
            "labels": (self._input_labels(), other._input_labels()),
            "names of players": (_listed(self.player_names), _listed(other.player_names)),
            "names of inputs": (_listed(self.sample_names), _listed(other.sample_names)),
            "losses and accuracies": (_curves_held(self), _curves_held(other)),
        }
        for what, (ours, theirs) in values.items():
            if ours != theirs:
                raise ArgumentError(
                    "measurements",
                    f"have the same {what}",
                    f"measurements[0] has {ours} and measurements[{at}] has {theirs}",
                )
        for name in ("regions", "inputs", "sets"):
            if not np.array_equal(*(getattr(one, name) for one in (self, other))):
                raise ArgumentError(
                    "measurements",
                    f"have the same {name}",
                    f"measurements[0] and measurements[{at}] do not",
                )

    def _input_labels(self) -> list[int] | None:
        return None if self.labels is None else self.labels[: self.input_count].tolist()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], path: str | Path) -> Measurement:
        """Builds a measurement from a file's arrays; errors name the file."""
        known = {f.name for f in dataclasses.fields(cls)} - {"metadata"}
        try:
            metadata = _read_metadata(str(arrays.get("metadata", "{}")))
            fields: dict[str, Any] = {k: v for k, v in arrays.items() if k in known}
            return cls(**fields, metadata=metadata)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _curves_held(measurement: Measurement) -> list[str]:
    return [name for name in CURVES if getattr(measurement, name) is not None]


def _listed(names: np.ndarray | None) -> list[Any] | None:
    return None if names is None else names.tolist()


def _joined_metadata(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is the same in all, and under "joined" what is not, by measurement."""
    shared = {k: v for k, v in each[0].items() if all(k in m and m[k] == v for m in each)}
    rest = [{k: v for k, v in m.items() if k not in shared} for m in each]
    return shared | ({"joined": rest} if any(rest) else {})


def _read_metadata(text: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        must = "be a JSON text, such as json.dumps({'network': 'MLP'})"
        raise ArgumentError("metadata", must, f"{error}", opening="") from None
    if not isinstance(metadata, dict):
        raise ArgumentError("metadata", "be a JSON object", f"is {text}", opening="")
    return metadata


PROBABILITIES = (
    "All outputs lie between 0 and 1, like probabilities; the theory is about log-odds ln(p/(1-p))."
)
CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
REQUIRED = ("outputs", "epochs")
KEYS = (*REQUIRED, "labels", *CURVES, "metadata", "runs", *TRAVELLING, "sets")
"""Of a measurement's file: all that is read of it."""
