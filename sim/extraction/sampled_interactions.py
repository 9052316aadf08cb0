"""Interactions extracted from sampled masks, with their measurement: one file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.checks import ArgumentError, as_numbers, check_finite
from sim.extraction.interactions import (
    FIRST,
    Interactions,
    is_sampled,
    split_settings,
    write_extracted,
)
from sim.extraction.sampled import SampledExtraction
from sim.files import read_npz, refuse_existing
from sim.measurement import KEYS, Measurement

HALVES = {"and_sets": "i_and", "or_sets": "i_or"}
RESULTS = ("objective", "gap", "converged", "held_out")
OWN = (*HALVES, *HALVES.values(), *RESULTS, "fitted")
MOST = 0.9
"""Share of a checkpoint's samples for which the masks must be enough to speak of its orders."""


@dataclasses.dataclass(frozen=True)
class SampledInteractions:
    """Interactions of every checkpoint and sample where some of the masked inputs were measured.

    What `Interactions` are where all 2^n were.

    Attributes:
        measurement: what they were extracted from, with its `sets`.
        extraction: the interactions in sparse form (checkpoints, samples, k), with their objective,
            gap and held-out R² (checkpoints, samples).
        settings: options of the extraction, for the record.

    Example:
        >>> from sim.extraction import extract_sampled
        >>> from sim.measurement import sample_masks
        >>> sets = sample_masks(9, 128)
        >>> v = 2.0 * (np.bitwise_count(sets & 0b11) == 2) - ((sets & 0b1100) != 0)
        >>> measurement = Measurement(v[None, None], [8], sets=sets)
        >>> extraction = extract_sampled(sets, measurement.outputs, 9)
        >>> found = SampledInteractions(measurement, extraction, {})
        >>> found.known, found.extraction.and_sets
        (array([ True]), array([3]))
    """

    measurement: Measurement
    extraction: SampledExtraction
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name, kind in (("measurement", Measurement), ("extraction", SampledExtraction)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(
                    f"Argument `{name}` must be of type {kind.__name__}, but is of type "
                    f"{type(getattr(self, name)).__name__}."
                )
        if self.measurement.sets is None:
            must = "hold `sets`, those that were measured"
            raise ArgumentError("measurement", must, "holds all 2^n")
        n, batch = self.measurement.n, self.measurement.outputs.shape[:2]
        for name, values in HALVES.items():
            sets = as_numbers(getattr(self.extraction, name), name)
            if sets.ndim != 1 or sets.dtype.kind not in "iu":
                got = f"has shape {sets.shape} and dtype {sets.dtype}"
                raise ArgumentError(name, "be integers (k,)", got, opening="")
            if sets.size and not 0 < sets.min() <= sets.max() < 2**n:
                must = f"lie from 1 to 2^n − 1 = {2**n - 1}"
                raise ArgumentError(name, must, "does not", opening="")
            array = as_numbers(getattr(self.extraction, values), values)
            _check_shape(array, values, (*batch, len(sets)))
            check_finite(array, values, opening="")
        for name in RESULTS:
            _check_shape(np.asarray(getattr(self.extraction, name)), name, batch)

    @property
    def known(self) -> np.ndarray:
        """At which checkpoints the masks were enough to speak of orders, bool (checkpoints,).

        Enough for nine samples in ten, see `SampledExtraction.enough`. Elsewhere interactions
        explain the masks that were measured and no others.
        """
        known: np.ndarray = self.extraction.enough.mean(axis=1) >= MOST
        return known

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Writes one `.npz`: the measurement's keys, `sets` among them, and the extraction's.

        Args:
            path: of the file; it is there whole or not at all.
            overwrite: replace a file that is there.

        Raises:
            FileExistsError: the file is there, and is to be kept.
        """
        refuse_existing(path, overwrite)
        extracted = {name: getattr(self.extraction, name) for name in OWN}
        write_extracted(path, self.measurement, extracted, self.settings)

    @classmethod
    def load(cls, path: str | Path) -> SampledInteractions:
        """Reads interactions; see `Measurement.load` for what else the file holds.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or its arrays do not fit together; names the file.
        """
        required = ("outputs", "epochs", "sets", *OWN)
        arrays = read_npz(path, required, FIRST, optional=KEYS)
        measurement, settings = split_settings(Measurement.from_arrays(arrays, path))
        try:
            fields: dict[str, Any] = {name: arrays[name] for name in OWN}
            extraction = SampledExtraction(
                n=measurement.n,
                empty=measurement.outputs[..., 0],
                **fields | {"fitted": int(arrays["fitted"])},
            )
            return cls(measurement, extraction, settings)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error


def _check_shape(array: np.ndarray, name: str, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ArgumentError(name, f"have shape {shape}", f"has shape {array.shape}", opening="")


def load_interactions(path: str | Path) -> Interactions | SampledInteractions:
    """Reads interactions of all masked inputs, or of some, whichever the file holds.

    Args:
        path: of a file that `interdyn extract` or `save` of either kind wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or its arrays do not fit together; names the file.

    Example:
        >>> import tempfile
        >>> from sim.extraction import extract_sampled
        >>> measurement = Measurement([[[0.0, 1.0, 1.0, 4.0]]], [8], sets=[0, 1, 2, 7])
        >>> extraction = extract_sampled(measurement.sets, measurement.outputs, 3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "interactions.npz")
        ...     SampledInteractions(measurement, extraction, {}).save(path)
        ...     load_interactions(path).extraction
        SampledExtraction(1 × 1 samples, 4 of 2^3 sets)
    """
    return SampledInteractions.load(path) if is_sampled(path) else Interactions.load(path)
