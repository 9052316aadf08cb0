"""A measurement under way, on disk: one file a checkpoint, and what training goes on from."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from sim.experiments._registry import Experiment, State
from sim.files import move, read_npz, write_npz
from sim.measurement import CURVES, Measurement
from sim.unfinished import Unfinished, content_of, note_damage

STATE = "state{}.npz"  # of process 0, and of others with their number
WHOLE = "measurement.npz"


def identity(experiment: Experiment, metadata: Mapping[str, Any]) -> str:
    """A digest of all that decides what is measured; equal for the same run, started again."""
    digest = hashlib.sha256()
    words = [
        dict(experiment.origin),
        experiment.metadata,
        dict(metadata),
        list(experiment.epochs),
    ]
    try:
        digest.update(json.dumps(words, sort_keys=True).encode())
    except TypeError as error:
        raise ValueError(f"`metadata` must be what JSON can hold ({error}).") from None
    masking = experiment.masking
    arrays = (experiment.inputs, experiment.labels, masking.regions, masking.baseline)
    for array in (*arrays, experiment.sets):
        digest.update(content_of(() if array is None else array))
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Checkpoints(Unfinished):
    """The checkpoints of an unfinished measurement, in a folder of their own.

    The state that training goes on from is written after the checkpoint it belongs to. What is
    damaged all the same counts as not there, with a warning. Of several training runs, each has a
    folder of its own inside.
    """

    what: str = "measurement"

    AGAIN = "every checkpoint is measured again"
    KEEPS = ("epoch-*.npz",)
    ASIDE = (STATE.format("*"), WHOLE)

    def of_seed(self, seed: int) -> Checkpoints:
        """The checkpoints of one of several training runs."""
        return Checkpoints(self.folder / f"seed-{seed}")

    def claim_part(self, epoch: int, part: int | None) -> contextlib.AbstractContextManager[bool]:
        """`claim` of a checkpoint, or of one part of its samples."""
        return self.claim(_name(epoch, part))

    def read(
        self, epoch: int, shape: tuple[int, int], part: int | None = None
    ) -> dict[str, np.ndarray] | None:
        """Outputs and those curves that are known, or None where they are still to be measured.

        Args:
            epoch: when.
            shape: of the outputs, (samples, sets).
            part: of the samples, where several processes share them.
        """
        path = self.folder / f"{_name(epoch, part)}.npz"
        if not path.exists():
            return None
        shapes = {"outputs": shape} | dict.fromkeys(CURVES, ())
        try:
            piece = read_npz(path, ("outputs",), optional=CURVES)
            whole = all(
                array.shape == shapes[name] and np.isfinite(array).all()
                for name, array in piece.items()
            )
        except (ValueError, TypeError, OSError):
            whole = False
        if not whole:
            note_damage(path, "its checkpoint is measured again")
            return None
        return piece

    def write(self, epoch: int, arrays: Mapping[str, ArrayLike], part: int | None = None) -> None:
        """Keeps a checkpoint, or a part of it."""
        write_npz(self.folder / f"{_name(epoch, part)}.npz", arrays)

    def write_state(self, state: State | None, process: int = 0) -> None:
        """Keeps what a process's training goes on from, where this is offered."""
        if state is not None:
            leaves = {f"array{i}": array for i, array in enumerate(state.arrays)}
            path = self.folder / STATE.format(process or "")
            write_npz(path, {"epoch": state.epoch, **leaves})

    def state(self, before: int) -> State | None:
        """What training goes on from to come to an epoch, or None to begin with."""
        states = [_state(path) for path in sorted(self.folder.glob(STATE.format("*")))]
        earlier = [state for state in states if state is not None and state.epoch < before]
        return max(earlier, key=lambda state: state.epoch, default=None)

    def clear(self) -> None:
        """Deletes what the run keeps here, and nothing else."""
        for part in self.folder.glob("seed-*"):
            Checkpoints(part).forget()
        super().clear()


def _name(epoch: int, part: int | None) -> str:
    return f"epoch-{epoch}" if part is None else f"epoch-{epoch}-part-{part}"


def _state(path: Path) -> State | None:
    try:
        arrays = read_npz(path, ("epoch",))
        leaves = tuple(arrays[f"array{i}"] for i in range(len(arrays) - 1))
        return State(int(arrays["epoch"]), leaves)
    except (ValueError, TypeError, KeyError, OSError):
        note_damage(path, "the network is trained again from the beginning")
        return None


def save_recording(
    measurement: Measurement,
    path: str | Path,
    folder: str | Path,
    dtype: DTypeLike = np.float64,
) -> None:
    """Saves what was recorded, and deletes the checkpoints that `record` kept in a folder.

    Killed at any moment, the folder holds all of the measurement, or `path` does; which of them,
    `forget_saved` can tell.

    Args:
        measurement: which `record` returned.
        path: of the measurement's file, on the same disk as the folder.
        folder: that `record` was given.
        dtype: of the outputs in the file; see `Measurement.save`.

    Raises:
        ValueError: outputs too large for `dtype`.
        OSError: the disk is full, or the place cannot be written.

    Example:
        >>> import tempfile
        >>> from sim.experiments import Settings, prepare, record
        >>> experiment = prepare("breast-cancer-mlp", Settings((0, 1), samples=2, players=3))
        >>> with tempfile.TemporaryDirectory() as runs:
        ...     parts = Path(runs, "parts")
        ...     measurement = record(experiment, {}, folder=parts)
        ...     save_recording(measurement, Path(runs, "measurement.npz"), parts)
        ...     [path.name for path in Path(runs).iterdir()]
        ['measurement.npz']
    """
    checkpoints = Checkpoints(Path(folder))
    whole = checkpoints.folder / WHOLE
    measurement.save(whole, dtype, overwrite=True)
    checkpoints.note_saved([whole])
    move(whole, path)
    checkpoints.forget()


def forget_saved(path: str | Path, folder: str | Path) -> None:
    """Deletes the checkpoints of a run that was killed after it had saved its measurement.

    Checkpoints of anything else than the measurement at `path` are left as they are.

    Args:
        path: of the measurement's file.
        folder: of its checkpoints.
    """
    Checkpoints(Path(folder)).forget_saved([Path(path)])
