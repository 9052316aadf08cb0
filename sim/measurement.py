"""Measuring a network: its output on every masked version of some inputs, at every checkpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.files import read_npz, write_npz
from sim.masking import Masking

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


def check_outputs(outputs: Any, name: str = "outputs") -> np.ndarray:
    """Returns outputs as float64 (checkpoints, samples, 2^n); refuses any other shape or a NaN."""
    array = np.asarray(outputs)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"`{name}` must be real numbers, but has dtype {array.dtype}.")
    size = array.shape[-1] if array.ndim else 0
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"`{name}` must have shape (checkpoints, samples, 2^n), but has shape {array.shape}."
        )
    if size < 2 or size & (size - 1):
        raise ValueError(
            f"`{name}` must have a last axis of size 2^n, one entry for each set of players, but "
            f"has shape {array.shape}."
        )
    bad = ~np.isfinite(array)
    if bad.any():
        checkpoint, sample, index = np.argwhere(bad)[0].tolist()
        raise ValueError(
            f"`{name}` must be finite, but holds {int(bad.sum())} NaN or infinite value(s), the "
            f"first at checkpoint {checkpoint}, sample {sample}, set {index}."
        )
    return array.astype(np.float64)


def check_epochs(epochs: Any, checkpoints: int) -> np.ndarray:
    """Returns epochs as float64 (checkpoints,), strictly increasing and nonnegative."""
    array = np.asarray(epochs)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"`epochs` must be numbers, but has dtype {array.dtype}.")
    if array.shape != (checkpoints,):
        raise ValueError(
            f"`epochs` must have one entry for each of the {checkpoints} checkpoints, but has "
            f"shape {array.shape}."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"`epochs` must be finite and nonnegative, but is {array.tolist()}.")
    steps = np.diff(array)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise ValueError(
            f"`epochs` must increase strictly, but goes from {array[at]:g} to {array[at + 1]:g} at "
            f"checkpoint {at + 1}."
        )
    return array


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A network's outputs on all masked versions of some inputs, at several checkpoints.

    Attributes:
        outputs: (checkpoints, samples, 2^n), v(S): for classifiers the log-odds of the true class.
        epochs: (checkpoints,), strictly increasing.
        labels: (samples,), integers, or None.
        train_loss: (checkpoints,), or None.
        test_loss: (checkpoints,), or None.
        train_accuracy: (checkpoints,), fractions, or None.
        test_accuracy: (checkpoints,), fractions, or None.
        metadata: anything that JSON can hold: network, data, seed, versions.

    Raises:
        ValueError: shapes that do not match, values that are not finite, epochs out of order.

    Example:
        >>> m = Measurement(outputs=np.zeros((2, 3, 8)), epochs=[0, 5])
        >>> m.n, m.checkpoints, m.samples
        (3, 2, 3)
    """

    outputs: np.ndarray
    epochs: np.ndarray
    labels: np.ndarray | None = None
    train_loss: np.ndarray | None = None
    test_loss: np.ndarray | None = None
    train_accuracy: np.ndarray | None = None
    test_accuracy: np.ndarray | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        outputs = check_outputs(self.outputs)
        object.__setattr__(self, "outputs", outputs)
        object.__setattr__(self, "epochs", check_epochs(self.epochs, len(outputs)))
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if labels.shape != (outputs.shape[1],) or not np.issubdtype(labels.dtype, np.integer):
                raise ValueError(
                    f"`labels` must be one integer for each of the {outputs.shape[1]} samples, but "
                    f"has shape {labels.shape} and dtype {labels.dtype}."
                )
            object.__setattr__(self, "labels", labels)
        for name in CURVES:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._curve(name))
        json.dumps(dict(self.metadata))  # anything else could not be saved

    def _curve(self, name: str) -> np.ndarray:
        curve = np.asarray(getattr(self, name), dtype=np.float64)
        if curve.shape != self.epochs.shape:
            raise ValueError(
                f"`{name}` must have one entry for each of the {len(self.epochs)} checkpoints, but "
                f"has shape {curve.shape}."
            )
        if not np.isfinite(curve).all():
            raise ValueError(f"`{name}` must be finite, but is {curve.tolist()}.")
        return curve

    @property
    def n(self) -> int:
        """Number of players."""
        return self.outputs.shape[-1].bit_length() - 1

    @property
    def checkpoints(self) -> int:
        """Number of checkpoints."""
        return self.outputs.shape[0]

    @property
    def samples(self) -> int:
        """Number of inputs."""
        return self.outputs.shape[1]

    def arrays(self) -> dict[str, np.ndarray]:
        """The file's content: one array for each attribute that is there, metadata as JSON."""
        present = {
            name: getattr(self, name)
            for name in ("outputs", "epochs", "labels", *CURVES)
            if getattr(self, name) is not None
        }
        return present | {"metadata": np.array(json.dumps(dict(self.metadata)))}

    def save(self, path: str | Path) -> None:
        """Writes one `.npz` with a key for each attribute; see `Measurement.load`."""
        write_npz(path, self.arrays())

    @classmethod
    def load(cls, path: str | Path) -> Measurement:
        """Reads a measurement; nothing in the file is executed.

        The file needs the keys `outputs` (checkpoints, samples, 2^n) and `epochs` (checkpoints,);
        `labels`, `train_loss`, `test_loss`, `train_accuracy`, `test_accuracy` and `metadata` (a
        JSON text) may be there. Other keys are ignored. With numpy alone:

            np.savez("measurement.npz", outputs=outputs, epochs=epochs)

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or its content is not a measurement; names the file.
        """
        return cls.from_arrays(read_npz(path, required=("outputs", "epochs")), path)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], path: str | Path) -> Measurement:
        """Builds a measurement from a file's arrays; errors name the file."""
        known = {f.name for f in dataclasses.fields(cls)} - {"metadata"}
        try:
            metadata = json.loads(str(arrays.get("metadata", "{}")))
            if not isinstance(metadata, dict):
                raise ValueError("`metadata` must be a JSON object.")
            return cls(**{k: v for k, v in arrays.items() if k in known}, metadata=metadata)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def log_odds(logits: np.ndarray, label: int | None) -> np.ndarray:
    """Log-odds log p/(1−p) of a class from logits, finite even where p rounds to 1.

    Args:
        logits: (batch, classes), or (batch,) for one output a sample.
        label: the class; None passes a single output through as it is. With a single logit the
            classes are 1 (the logit) and 0 (its negative).

    Returns:
        (batch,), float64.

    Example:
        >>> log_odds(np.array([[2.0, 0.0, 0.0], [1000.0, 0.0, 0.0]]), 0).round(4).tolist()
        [1.3069, 999.3069]
    """
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim == 2 and logits.shape[1] == 1:
        logits = logits[:, 0]
    if logits.ndim == 1:
        return logits if label is None or label == 1 else -logits
    if label is None:
        raise ValueError(
            f"Scores with several classes, here of shape {logits.shape}, need `labels`: the class "
            f"whose log-odds are the output."
        )
    others = np.delete(logits, label, axis=1)
    top = others.max(axis=1)
    return logits[:, label] - top - np.log(np.exp(others - top[:, None]).sum(axis=1))


def measure_outputs(
    score: Callable[[np.ndarray], Any],
    inputs: np.ndarray,
    masking: Masking,
    labels: np.ndarray | None = None,
    *,
    batch_size: int = 4096,
    progress: Progress | None = None,
) -> np.ndarray:
    """A network's output v(S) on every masked version of every input, for one checkpoint.

    Args:
        score: from a batch of masked inputs (m, *shape) to logits (m, classes), or to single
            outputs (m,) or (m, 1). Anything that `numpy.asarray` reads will do.
        inputs: (samples, *shape).
        masking: the players and their baseline.
        labels: (samples,) the class of each input; None takes single outputs as they are.
        batch_size: most masked inputs at a time; bounds the memory.
        progress: called after every batch.

    Returns:
        (samples, 2^n), float64.

    Raises:
        ValueError: scores of the wrong shape, or not finite (names the sample).
    """
    inputs = np.asarray(inputs)
    if inputs.shape[1:] != masking.shape:
        raise ValueError(
            f"Argument `inputs` must have shape (samples, *{masking.shape}), but has shape "
            f"{inputs.shape}."
        )
    if labels is not None and len(labels) != len(inputs):
        raise ValueError(
            f"Argument `labels` must have one entry for each of the {len(inputs)} inputs, but has "
            f"{len(labels)}."
        )
    size = 2**masking.n
    step = min(size, 1 << max(0, int(batch_size).bit_length() - 1))
    outputs = np.empty((len(inputs), size))
    for sample in range(len(inputs)):
        label = None if labels is None else int(labels[sample])
        for start in range(0, size, step):
            sets = np.arange(start, start + step)
            scores = np.asarray(score(masking.masked(inputs, sample, sets)))
            outputs[sample, sets] = _checked_scores(scores, step, label, sample)
            if progress is not None:
                progress(sample * size + start + step, len(inputs) * size)
    return outputs


def _checked_scores(scores: np.ndarray, batch: int, label: int | None, sample: int) -> np.ndarray:
    if scores.ndim not in (1, 2) or len(scores) != batch:
        raise ValueError(
            f"`score` must return logits of shape ({batch}, classes) or ({batch},) for a batch of "
            f"{batch} masked inputs, but returned shape {scores.shape}."
        )
    classes = scores.shape[1] if scores.ndim == 2 else 1
    if label is not None and not 0 <= label < max(classes, 2):
        raise ValueError(f"The label of sample {sample} must be a class below {classes}, but is "
                         f"{label}.")  # fmt: skip
    if not np.isfinite(scores).all():
        raise ValueError(f"`score` must return finite logits, but sample {sample} has a NaN or "
                         f"infinite one.")  # fmt: skip
    return log_odds(scores, label)
