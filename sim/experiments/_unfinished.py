"""A measurement under way, on disk: one file a checkpoint, and what training goes on from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.experiments._registry import Experiment, State
from sim.files import read_json, read_npz, write_json, write_npz
from sim.measurement import CURVES

RUN = "run.json"
STATE = "state.npz"


def identity(experiment: Experiment, metadata: Mapping[str, Any]) -> str:
    """A digest of all that decides what is measured; equal for the same run, started again."""
    digest = hashlib.sha256()
    words = [experiment.metadata, dict(metadata), list(experiment.epochs)]
    digest.update(json.dumps(words, sort_keys=True).encode())
    masking = experiment.masking
    for array in (experiment.inputs, experiment.labels, masking.regions, masking.baseline):
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Unfinished:
    """The checkpoints of an unfinished measurement, in a folder of their own.

    Every file is written whole or not at all, and the state after the checkpoint it belongs to, so
    a run that is killed at any moment can go on from what is there. Of several training runs,
    each has a folder of its own inside.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path, run: str, *, discard: bool = False) -> Unfinished:
        """Opens the folder of the run with that identity, new or begun earlier.

        Args:
            folder: where; made if it is not there.
            run: see `identity`.
            discard: throw away what another run left in the folder.

        Raises:
            ValueError: the folder holds another run's checkpoints, and they are to be kept.
        """
        unfinished = cls(folder)
        if folder.exists() and unfinished._run() != run:
            if not discard and any(folder.rglob("epoch-*.npz")):
                raise ValueError(
                    f"{folder.parent}: holds an unfinished measurement with other settings; finish "
                    f"it by the command that began it, choose another --out, or add --overwrite to "
                    f"throw it away."
                )
            unfinished.remove()
        if not folder.exists():
            write_json(folder / RUN, {"run": run})
        return unfinished

    def of_seed(self, seed: int) -> Unfinished:
        """The checkpoints of one of several training runs."""
        return Unfinished(self.folder / f"seed-{seed}")

    def _run(self) -> str | None:
        """Identity of the run whose folder it is; None where that is not to be known."""
        path = self.folder / RUN
        return read_json(path).get("run") if path.exists() else None

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}.npz"

    def read(self, epoch: int) -> dict[str, np.ndarray] | None:
        """Outputs and curves at an epoch, or None where they are still to be measured."""
        path = self._path(epoch)
        return read_npz(path, ("outputs", *CURVES)) if path.exists() else None

    def write(self, epoch: int, arrays: Mapping[str, ArrayLike], state: State | None) -> None:
        """Keeps a checkpoint, and the state that training goes on from."""
        write_npz(self._path(epoch), arrays)
        if state is not None:
            leaves = {f"array{i}": array for i, array in enumerate(state.arrays)}
            write_npz(self.folder / STATE, {"epoch": state.epoch, **leaves})

    def state(self) -> State | None:
        """What training goes on from, or None to begin with."""
        path = self.folder / STATE
        if not path.exists():
            return None
        arrays = read_npz(path, ("epoch",))
        leaves = tuple(arrays[f"array{i}"] for i in range(len(arrays) - 1))
        return State(int(arrays["epoch"]), leaves)

    def remove(self) -> None:
        """Deletes the folder."""
        shutil.rmtree(self.folder)
