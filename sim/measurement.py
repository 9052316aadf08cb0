"""Measuring a network: its output on every masked version of some inputs, at every checkpoint."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.files import read_npz, write_npz
from sim.masking import Masking
from sim.memory import check_memory

BATCH, BATCH_BYTES = 4096, 2**26

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


def as_array(values: Any, name: str) -> np.ndarray:
    """Returns values as a numpy array; says what to do where a library refuses."""
    try:
        return np.asarray(values)
    except (RuntimeError, TypeError, ValueError) as error:  # a torch tensor with a gradient, say
        raise ValueError(
            f"`{name}` must be an array that numpy can read (for a torch tensor: "
            f"tensor.detach().cpu().numpy()), but {type(values).__name__} refused: {error}"
        ) from error


def check_outputs(outputs: Any, name: str = "outputs") -> np.ndarray:
    """Returns outputs as float64 (checkpoints, samples, 2^n); refuses any other shape or a NaN."""
    array = as_array(outputs, name)
    if array.dtype == np.float16:
        raise ValueError(
            f"`{name}` must be float32 or float64, but is float16: interactions are differences of "
            f"many outputs, and three digits do not survive that."
        )
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ValueError(
            f"`{name}` must be an array of real numbers, but is of type {type(outputs).__name__} "
            f"and dtype {array.dtype}."
        )
    size = array.shape[-1] if array.ndim else 0
    if array.ndim != 3 or 0 in array.shape:
        hint = f"; for a single checkpoint give {name}[None]" if array.ndim == 2 else ""
        raise ValueError(
            f"`{name}` must have shape (checkpoints, samples, 2^n), but has shape "
            f"{array.shape}{hint}."
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
    array = as_array(epochs, "epochs")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"`epochs` must be numbers, but has dtype {array.dtype}.")
    if array.shape != (checkpoints,):
        raise ValueError(
            f"`epochs` must have one entry for each of the {checkpoints} checkpoints (the first "
            f"axis of the outputs), but has shape {array.shape}."
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


def check_labels(labels: Any, samples: int) -> np.ndarray:
    """Returns labels as integers (samples,)."""
    array = as_array(labels, "labels")
    if array.shape != (samples,) or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"`labels` must be one integer for each of the {samples} samples, but has shape "
            f"{array.shape} and dtype {array.dtype}."
        )
    return array


class ProbabilityWarning(UserWarning):
    """Outputs look like probabilities, where log-odds are wanted."""


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

    Warns:
        ProbabilityWarning: all outputs lie between 0 and 1.

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
            object.__setattr__(self, "labels", check_labels(self.labels, outputs.shape[1]))
        for name in CURVES:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._curve(name))
        self._check_metadata()
        if outputs.min() >= 0 and outputs.max() <= 1 and np.ptp(outputs) > 0:
            warnings.warn(PROBABILITIES, ProbabilityWarning, stacklevel=3)

    def _curve(self, name: str) -> np.ndarray:
        curve = np.asarray(getattr(self, name), dtype=np.float64)
        if curve.shape != self.epochs.shape:
            raise ValueError(
                f"`{name}` must have one entry for each of the {len(self.epochs)} checkpoints, but "
                f"has shape {curve.shape}."
            )
        if not np.isfinite(curve).all():
            raise ValueError(f"`{name}` must be finite, but is {curve.tolist()}.")
        if name.endswith("accuracy") and not ((curve >= 0) & (curve <= 1)).all():
            raise ValueError(f"`{name}` must be fractions from 0 to 1, but is {curve.tolist()}.")
        return curve

    def _check_metadata(self) -> None:
        if not isinstance(self.metadata, Mapping):
            raise ValueError(
                f'`metadata` must be a dictionary, such as {{"network": "MLP"}}, but is '
                f"{self.metadata!r}."
            )
        try:
            json.dumps(dict(self.metadata))
        except TypeError as error:
            raise ValueError(f"`metadata` must be what JSON can hold ({error}).") from None

    def __repr__(self) -> str:
        return (
            f"Measurement({self.checkpoints} checkpoints × {self.samples} samples × 2^{self.n} "
            f"masked inputs, epochs {self.epochs[0]:g} to {self.epochs[-1]:g})"
        )

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

    def arrays(self, dtype: Any = np.float64) -> dict[str, np.ndarray]:
        """The file's content: one array for each attribute that is there, metadata as JSON."""
        present = {
            name: getattr(self, name)
            for name in ("outputs", "epochs", "labels", *CURVES)
            if getattr(self, name) is not None
        }
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(
                f"Argument `dtype` must be float32 or float64, but is {np.dtype(dtype)}."
            )
        if np.dtype(dtype) != np.float64:
            with np.errstate(over="ignore"):
                present["outputs"] = self.outputs.astype(dtype)
            if not np.isfinite(present["outputs"]).all():
                raise ValueError(f"`outputs` are too large for {np.dtype(dtype)}.")
        return present | {"metadata": np.array(json.dumps(dict(self.metadata)))}

    def save(self, path: str | Path, dtype: Any = np.float64) -> None:
        """Writes one `.npz` with a key for each attribute; see `Measurement.load`.

        Args:
            path: of the file; it is there whole or not at all.
            dtype: of the outputs in the file; float32 halves it.

        Raises:
            ValueError: outputs too large for `dtype`.
            OSError: the disk is full, or the place cannot be written.
        """
        write_npz(path, self.arrays(dtype))

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
            _check_keys(arrays, known | {"metadata"})
            metadata = _read_metadata(arrays.get("metadata", "{}"))
            return cls(**{k: v for k, v in arrays.items() if k in known}, metadata=metadata)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _check_keys(arrays: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises where a key that would be ignored looks like a slip of the pen."""
    for name in arrays:
        meant = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if name not in known and meant:
            raise ValueError(f"There is no key `{name}`; `{meant[0]}` is meant, it seems.")


def _read_metadata(text: Any) -> dict[str, Any]:
    try:
        metadata = json.loads(str(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"`metadata` must be a JSON text, but {error}.") from None
    if not isinstance(metadata, dict):
        raise ValueError(f"`metadata` must be a JSON object, but is {text}.")
    return metadata


PROBABILITIES = (
    "All outputs lie between 0 and 1, like probabilities; the theory is about log-odds ln(p/(1-p))."
)
CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def check_outputs_fit(shape: tuple[int, ...]) -> None:
    """Raises ValueError where outputs (checkpoints, samples, 2^n) would not fit into memory."""
    size = 8 * math.prod(shape)
    each = " × ".join(map(str, shape[:-1])) + f" × 2^{shape[-1].bit_length() - 1}"
    check_memory(2 * size, f"Measuring {each} outputs")  # twice: gathered, then checked and kept


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
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """A network's output v(S) on every masked version of every input, for one checkpoint.

    Args:
        score: from a batch of masked inputs (m, *shape) to logits (m, classes), or to single
            outputs (m,) or (m, 1). Anything that `numpy.asarray` reads will do: a JAX function, a
            numpy one, or `torch_score(module)`.
        inputs: (samples, *shape).
        masking: the players and their baseline.
        labels: (samples,) the class of each input; None takes single outputs as they are.
        batch_size: most masked inputs at a time, whatever 2^n is; rounded down to a power of two.
            By default as many as fit into 64 MiB, and at most 4096.
        progress: called after every batch with (outputs done, outputs in all).

    Returns:
        (samples, 2^n), float64.

    Raises:
        ValueError: scores of the wrong shape, or not finite (names the sample), or that look like
            probabilities or numbers of classes; inputs that the masking does not fit or does not
            change; outputs that do not fit into memory (says how much they need).

    Example:
        >>> from sim.masking import tabular_features
        >>> measure_outputs(lambda x: x @ [2.0, 3.0], [[1.0, 1.0]], tabular_features(2, 2))
        array([[0., 2., 3., 5.]])
    """
    inputs = as_array(inputs, "inputs")
    if not isinstance(masking, Masking):
        raise TypeError(
            f"Argument `masking` must be a Masking, such as sim.tabular_features(features, "
            f"players), but is of type {type(masking).__name__}."
        )
    masking.check(inputs)
    if labels is not None:
        labels = check_labels(labels, len(inputs))
    if not callable(score):
        raise TypeError(
            f"Argument `score` must be a function from masked inputs to logits, but is {score!r}."
        )
    if any(base.__module__.startswith("torch.nn") for base in type(score).__mro__):
        raise TypeError(
            "Argument `score` must be a function of numpy arrays, but is a torch module; wrap it: "
            "sim.torch_score(module)."
        )
    if batch_size is None:
        batch_size = min(BATCH, max(1, BATCH_BYTES // max(1, inputs[0].nbytes)))
    if batch_size < 1:
        raise ValueError(f"Argument `batch_size` must be at least 1, but is {batch_size}.")
    size = 2**masking.n
    step = min(size, 1 << int(batch_size).bit_length() - 1)
    check_outputs_fit((len(inputs), size))
    outputs = np.empty((len(inputs), size))
    for sample in range(len(inputs)):
        label = None if labels is None else int(labels[sample])
        for start in range(0, size, step):
            sets = np.arange(start, start + step)
            scores = score(masking.masked(inputs, sample, sets))
            outputs[sample, sets] = _checked_scores(scores, step, label, sample)
            if progress is not None:
                progress(sample * size + start + step, len(inputs) * size)
    return outputs


def _checked_scores(returned: Any, batch: int, label: int | None, sample: int) -> np.ndarray:
    scores = as_array(returned, "score(inputs)")
    if scores.ndim not in (1, 2) or len(scores) != batch or not scores.size:
        raise ValueError(
            f"`score` must return logits of shape ({batch}, classes) or ({batch},) for a batch of "
            f"{batch} masked inputs, but returned shape {scores.shape}."
        )
    if scores.dtype.kind not in "fiub":
        try:
            scores = scores.astype(np.float64, casting="safe")  # bfloat16 and its like
        except TypeError:
            raise ValueError(
                f"`score` must return real numbers, but returned dtype {scores.dtype}."
            ) from None
    classes = scores.shape[1] if scores.ndim == 2 else 1
    if label is not None and scores.dtype.kind != "f":
        raise ValueError(
            f"`score` must return logits, but returned {scores.dtype}, like numbers of classes."
        )
    if label is not None and not 0 <= label < max(classes, 2):
        raise ValueError(
            f"The label of sample {sample} must be a class below {max(classes, 2)}, but is {label}."
        )
    if not np.isfinite(scores).all():
        kind = "a NaN" if np.isnan(scores).any() else "an infinite one"
        raise ValueError(
            f"`score` must return finite logits, but sample {sample} has {kind} among them."
        )
    if classes > 1 and scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            "`score` must return logits, but its values are nonnegative and sum to 1, like "
            "probabilities; return what comes before the softmax, or the logarithms."
        )
    return log_odds(scores, label)
