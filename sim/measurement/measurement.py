"""Measuring a network: its output on every masked version of some inputs, at every checkpoint."""

from __future__ import annotations

import dataclasses
import difflib
import json
import warnings
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sim.checks import ArgumentError, check_epochs, check_finite, check_labels, check_outputs
from sim.files import read_npz, write_npz


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
            raise ArgumentError(
                name,
                f"have one entry for each of the {len(self.epochs)} checkpoints",
                f"has shape {curve.shape}",
                opening="",
            )
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

    def arrays(self, dtype: DTypeLike = np.float64) -> dict[str, np.ndarray]:
        """The file's content: one array for each attribute that is there, metadata as JSON."""
        present = {
            name: getattr(self, name)
            for name in ("outputs", "epochs", "labels", *CURVES)
            if getattr(self, name) is not None
        }
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ArgumentError("dtype", "be float32 or float64", f"is {np.dtype(dtype)}")
        if np.dtype(dtype) != np.float64:
            with np.errstate(over="ignore"):
                present["outputs"] = self.outputs.astype(dtype)
            if not np.isfinite(present["outputs"]).all():
                raise ValueError(f"`outputs` are too large for {np.dtype(dtype)}.")
        return present | {"metadata": np.array(json.dumps(dict(self.metadata)))}

    def save(self, path: str | Path, dtype: DTypeLike = np.float64) -> None:
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
            metadata = _read_metadata(str(arrays.get("metadata", "{}")))
            return cls(**{k: v for k, v in arrays.items() if k in known}, metadata=metadata)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _check_keys(names: Iterable[str], known: Collection[str]) -> None:
    """Raises where a key that would be ignored looks like a slip of the pen."""
    for name in names:
        meant = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if name not in known and meant:
            raise ValueError(f"There is no key `{name}`; `{meant[0]}` is meant, it seems.")


def _read_metadata(text: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except json.JSONDecodeError as error:
        raise ArgumentError("metadata", "be a JSON text", f"{error}", opening="") from None
    if not isinstance(metadata, dict):
        raise ArgumentError("metadata", "be a JSON object", f"is {text}", opening="")
    return metadata


PROBABILITIES = (
    "All outputs lie between 0 and 1, like probabilities; the theory is about log-odds ln(p/(1-p))."
)
CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
