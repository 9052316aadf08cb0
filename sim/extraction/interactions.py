"""A measurement together with the interactions extracted from it: one file, ready to be fitted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from sim.checks import ArgumentError, check_outputs
from sim.extraction.programme import Extraction
from sim.files import read_npz, refuse_existing, write_npz
from sim.measurement import KEYS, Measurement

SETS = ("i_and", "i_or", "multipliers")
FIRST = " A measurement becomes interactions by `interdyn extract`."
RESULTS = ("objective", "gap", "iterations", "converged")


@dataclasses.dataclass(frozen=True)
class Interactions:
    """AND and OR interactions of every checkpoint and sample, with their certificates.

    Of several training runs they are those of all of them, one run after the other: a sample is
    what it is in the measurement, which tells the runs apart (`measurement.runs`).

    Attributes:
        measurement: what they were extracted from.
        extraction: the interactions and the multipliers that certify them (checkpoints, samples,
            2^n), and for each (checkpoint, sample) the objective, the certified relative gap, the
            iterations, and whether the tolerance was met.
        settings: options of the extraction, for the record.

    Example:
        >>> from sim.extraction import extract_interactions
        >>> measurement = Measurement(np.array([[[0.0, 1.0, 1.0, 5.0]]]), [0])
        >>> found = Interactions(measurement, extract_interactions(measurement.outputs), {})
        >>> bool(found.extraction.converged.all())
        True
    """

    measurement: Measurement
    extraction: Extraction
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name, kind in (("measurement", Measurement), ("extraction", Extraction)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(
                    f"Argument `{name}` must be of type {kind.__name__}, but is of type "
                    f"{type(getattr(self, name)).__name__}."
                )
        if self.measurement.sets is not None:
            must = "hold all 2^n sets (those of some are SampledInteractions)"
            got = f"holds {len(self.measurement.sets)} of 2^{self.measurement.n}"
            raise ArgumentError("measurement", must, got)
        shape = self.measurement.outputs.shape
        for name in SETS:
            array = check_outputs(getattr(self.extraction, name), name)
            if array.shape != shape:
                raise ArgumentError(
                    name,
                    f"have the shape {shape} of `outputs`",
                    f"has shape {array.shape}",
                    opening="",
                )
        for name in RESULTS:
            array = np.asarray(getattr(self.extraction, name))
            if array.shape != shape[:2]:
                raise ArgumentError(
                    name,
                    f"have shape (checkpoints, samples) = {shape[:2]}",
                    f"has shape {array.shape}",
                    opening="",
                )

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Writes one `.npz`: the measurement's keys, `runs` among them, and the extraction's.

        Args:
            path: of the file; it is there whole or not at all.
            overwrite: replace a file that is there.

        Raises:
            FileExistsError: the file is there, and is to be kept.
        """
        refuse_existing(path, overwrite)
        extracted = {name: getattr(self.extraction, name) for name in (*SETS, *RESULTS)}
        write_extracted(path, self.measurement, extracted, self.settings)

    def without(self, epochs: Iterable[float]) -> Interactions:
        """The same without the checkpoints of some epochs.

        Raises:
            ArgumentError: an epoch that was not measured, or fewer than two checkpoints left.

        Example:
            >>> from sim.extraction import extract_interactions
            >>> measurement = Measurement(np.ones((4, 2, 8)) * np.arange(8), [0, 1, 5, 9])
            >>> found = Interactions(measurement, extract_interactions(measurement.outputs), {})
            >>> found.without([5]).measurement.epochs.tolist()
            [0.0, 1.0, 9.0]
        """
        dropped = sorted(set(epochs))
        if not dropped:
            return self
        measured = self.measurement.epochs
        if unknown := [epoch for epoch in dropped if epoch not in measured]:
            known = ", ".join(f"{epoch:g}" for epoch in measured)
            raise ArgumentError("drop_checkpoint", f"be of {known}", f"is {unknown[0]:g}")
        kept = np.flatnonzero(~np.isin(measured, dropped))
        if kept.size < 2:
            raise ArgumentError(
                "drop_checkpoint", "leave at least two checkpoints", f"leaves {kept.size}"
            )
        settings = dict(self.settings) | {"dropped_checkpoints": dropped}
        extraction = jax.tree.map(lambda part: np.asarray(part)[kept], self.extraction)
        return Interactions(self.measurement.at(kept), extraction, settings)

    @classmethod
    def load(cls, path: str | Path) -> Interactions:
        """Reads interactions; see `Measurement.load` for what else the file holds.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, its arrays do not fit together, or it comes from some
                of the masked inputs alone; names the file.
        """
        if is_sampled(path):
            raise ValueError(
                f"{path}: comes from some of the masked inputs, and this needs all 2^n: measure "
                f"without --masks, at most 14 players. What takes this file: interdyn figures "
                f"(orders and phases), explain and export."
            )
        names = (*SETS, *RESULTS)
        required = ("outputs", "epochs", *names)
        arrays = read_npz(path, required, FIRST, optional=KEYS, copies=0.5)  # of outputs, 2 of 4
        measurement, settings = split_settings(Measurement.from_arrays(arrays, path))
        try:
            fields: dict[str, Any] = {name: arrays[name] for name in names}
            return cls(measurement, Extraction(**fields), settings)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def write_extracted(
    path: str | Path,
    measurement: Measurement,
    extracted: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> None:
    """Writes a file of interactions: arrays by name, the extraction's settings in the metadata."""
    metadata = {**measurement.metadata, "extraction": dict(settings)}
    whole = dataclasses.replace(measurement, metadata=metadata)
    write_npz(path, whole.arrays() | {name: np.asarray(x) for name, x in extracted.items()})


def split_settings(measurement: Measurement) -> tuple[Measurement, dict[str, Any]]:
    """The measurement of a file of interactions, and the extraction's settings in its metadata."""
    metadata = dict(measurement.metadata)
    settings = metadata.pop("extraction", {})
    return dataclasses.replace(measurement, metadata=metadata), settings


def is_sampled(path: str | Path) -> bool:
    """Whether a file holds some of the sets alone."""
    return "sets" in read_npz(path, (), optional=("sets",))
