"""A measurement under way, on disk: one file a checkpoint, and what training goes on from."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from sim.experiments._registry import Experiment, State
from sim.files import PART, move, read_json, read_npz, write_json, write_npz
from sim.measurement import CURVES, Measurement

RUN = "run.json"
STATE = "state.npz"
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


def content_of(array: ArrayLike) -> bytes:
    """An array's dtype, shape and values: what a digest of it is made of."""
    whole = np.ascontiguousarray(array)
    return f"{whole.dtype}{whole.shape}".encode() + whole.tobytes()


@dataclasses.dataclass(frozen=True)
class Unfinished:
    """The checkpoints of an unfinished measurement, in a folder of their own.

    Every file is written whole or not at all, and the state after the checkpoint it belongs to, so
    a run that is killed at any moment can go on from what is there. What is damaged all the same
    counts as not there, with a warning. Of several training runs, each has a folder of its own
    inside.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path, run: str, *, discard: bool = False) -> Unfinished:
        """Opens the folder of the run with that identity, new or begun earlier.

        Args:
            folder: where; it is there, and the caller's alone.
            run: see `identity`.
            discard: throw away what another run left in the folder.

        Raises:
            ValueError: the folder holds another run's checkpoints, and they are to be kept.

        Warns:
            UserWarning: it is not to be known whose checkpoints the folder holds; they are
                measured again.
        """
        unfinished = cls(folder)
        found = unfinished._run()
        if found != run:
            if any(folder.rglob("epoch-*.npz")) and not discard:
                if found is not None:
                    raise ValueError(
                        f"{folder.parent}: holds an unfinished measurement with other settings; "
                        f"finish it by the command that began it, choose another --out, or add "
                        f"--overwrite to throw it away."
                    )
                _note_damage(folder / RUN, "every checkpoint is measured again")
            unfinished.clear()
            write_json(folder / RUN, {"run": run})
        return unfinished

    def of_seed(self, seed: int) -> Unfinished:
        """The checkpoints of one of several training runs."""
        return Unfinished(self.folder / f"seed-{seed}")

    def _run(self) -> str | None:
        """Identity of the run whose folder it is; None where that is not to be known."""
        try:
            content = read_json(self.folder / RUN)
        except (ValueError, OSError):
            return None
        run = content.get("run") if isinstance(content, dict) else None
        return run if isinstance(run, str) else None

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}.npz"

    def read(self, epoch: int, shape: tuple[int, int]) -> dict[str, np.ndarray] | None:
        """Outputs and those curves that are known, or None where they are still to be measured.

        Args:
            epoch: when.
            shape: of the outputs, (samples, sets).
        """
        path = self._path(epoch)
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
            _note_damage(path, "its checkpoint is measured again")
            return None
        return piece

    def write(self, epoch: int, arrays: Mapping[str, ArrayLike], state: State | None) -> None:
        """Keeps a checkpoint, and the state that training goes on from."""
        write_npz(self._path(epoch), arrays)
        if state is not None:
            leaves = {f"array{i}": array for i, array in enumerate(state.arrays)}
            write_npz(self.folder / STATE, {"epoch": state.epoch, **leaves})

    def state(self, before: int) -> State | None:
        """What training goes on from to come to an epoch, or None to begin with."""
        path = self.folder / STATE
        if not path.exists():
            return None
        try:
            arrays = read_npz(path, ("epoch",))
            leaves = tuple(arrays[f"array{i}"] for i in range(len(arrays) - 1))
            state = State(int(arrays["epoch"]), leaves)
        except (ValueError, TypeError, KeyError, OSError):
            _note_damage(path, "the network is trained again from the beginning")
            return None
        return state if state.epoch < before else None

    def clear(self) -> None:
        """Deletes what the run keeps here, and nothing else.

        Its identity goes last, so that nobody takes for their own what a killed deletion left.
        """
        for part in self.folder.glob("seed-*"):
            Unfinished(part).clear()
            with contextlib.suppress(OSError):  # somebody else keeps something there
                part.rmdir()
        for pattern in ("epoch-*.npz", STATE, WHOLE, f".*{PART}", RUN):
            for path in self.folder.glob(pattern):
                path.unlink()


def _note_damage(path: Path, follows: str) -> None:
    warnings.warn(f"{path}: is damaged; {follows}.", stacklevel=2)


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
    unfinished = Unfinished(Path(folder))
    whole = unfinished.folder / WHOLE
    measurement.save(whole, dtype, overwrite=True)
    saved = {"run": unfinished._run(), "saved": _digest(whole)}
    write_json(unfinished.folder / RUN, saved)
    move(whole, path)
    _forget(unfinished)


def forget_saved(path: str | Path, folder: str | Path) -> None:
    """Deletes the checkpoints of a run that was killed after it had saved its measurement.

    Checkpoints of anything else than the measurement at `path` are left as they are.

    Args:
        path: of the measurement's file.
        folder: of its checkpoints.
    """
    path, unfinished = Path(path), Unfinished(Path(folder))
    try:
        saved = read_json(unfinished.folder / RUN)["saved"]
    except (ValueError, TypeError, KeyError, OSError):
        saved = None
    if saved is not None and path.is_file() and _digest(path) == saved:
        _forget(unfinished)


def _forget(unfinished: Unfinished) -> None:
    unfinished.clear()
    with contextlib.suppress(OSError):  # somebody else keeps something there
        unfinished.folder.rmdir()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
