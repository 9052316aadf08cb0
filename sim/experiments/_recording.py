"""Recording a training run: an experiment trains, and every checkpoint is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.experiments._registry import Checkpoint, Experiment
from sim.experiments._unfinished import Unfinished, identity
from sim.measurement import CURVES, Measurement, check_memory_for_outputs, measure_outputs
from sim.progress import NamedProgress, Progress

Piece = Mapping[str, np.ndarray | float]
"""What is kept of a checkpoint: its outputs and its losses and accuracies by name."""


def record(
    experiment: Experiment,
    metadata: Mapping[str, Any],
    progress: NamedProgress | None = None,
    *,
    folder: str | Path | None = None,
    discard: bool = False,
) -> Measurement:
    """Trains the experiment's network and measures it at each of its checkpoints.

    With a folder, every checkpoint is kept there as soon as it is measured. The same call, made
    again after the first was killed, goes on from the last of them, and ends with the same result
    to the last bit. The folder is the caller's to delete once the measurement is safe.

    Args:
        experiment: what trains, and on which inputs it is measured.
        metadata: added to the experiment's own, such as versions.
        progress: called with ("train", epochs done, epochs) and ("measure", inputs done, …), where
            every input counts at each checkpoint.
        folder: for the checkpoints of an unfinished run; made if it is not there.
        discard: throw away the checkpoints of a run with other settings.

    Raises:
        ValueError: a score that is not finite or of the wrong shape (names epoch and sample); the
            outputs do not fit into memory; the folder holds a run with other settings; training
            skips a checkpoint.
    """
    shape = (len(experiment.epochs), len(experiment.inputs), 2**experiment.masking.n)
    check_memory_for_outputs(shape)
    unfinished = None
    if folder is not None:
        run = identity(experiment, metadata)
        unfinished = Unfinished.open(Path(folder), run, discard=discard)
    pieces = dict(_pieces(experiment, unfinished, progress))
    missing = [epoch for epoch in experiment.epochs if epoch not in pieces]
    if missing or len(pieces) > len(experiment.epochs):
        raise ValueError(
            f"Training must yield a checkpoint at each of the epochs {list(experiment.epochs)}, but"
            f" yielded {sorted(pieces)}."
        )
    ordered = [pieces[epoch] for epoch in experiment.epochs]
    return Measurement(
        outputs=np.array([piece["outputs"] for piece in ordered]),
        epochs=np.array(experiment.epochs),
        labels=experiment.labels,
        **{name: np.array([float(piece[name]) for piece in ordered]) for name in CURVES},
        metadata=experiment.metadata | dict(metadata),
    )


def _pieces(
    experiment: Experiment, unfinished: Unfinished | None, progress: NamedProgress | None
) -> Iterator[tuple[int, Piece]]:
    """Outputs and curves by epoch: first those that are on disk, then the newly measured."""
    inputs, size = len(experiment.inputs), 2**experiment.masking.n
    kept = set()
    checkpoints = 0  # done so far

    def trained(done: int, total: int) -> None:
        if progress is not None:
            progress("train", done, total)

    def measured(done: int, _: int = 0) -> None:
        if progress is not None:
            progress(
                "measure", checkpoints * inputs + done // size, len(experiment.epochs) * inputs
            )

    for epoch in experiment.epochs:
        read = None if unfinished is None else unfinished.read(epoch)
        if read is not None:
            kept.add(epoch)
            checkpoints += 1
            measured(0)
            yield epoch, read
    if len(kept) == len(experiment.epochs):
        return
    state = None if unfinished is None else unfinished.state()
    for checkpoint in experiment.train(trained, state):
        if checkpoint.epoch in kept:
            continue
        piece = _measured(experiment, checkpoint, measured)
        checkpoints += 1
        if unfinished is not None:
            unfinished.write(checkpoint.epoch, piece, checkpoint.state)
        yield checkpoint.epoch, piece


def _measured(experiment: Experiment, checkpoint: Checkpoint, progress: Progress) -> Piece:
    try:
        outputs = measure_outputs(
            checkpoint.score,
            experiment.inputs if checkpoint.inputs is None else checkpoint.inputs,
            experiment.masking,
            experiment.labels,
            progress=progress,
        )
    except ValueError as error:
        raise ValueError(f"At epoch {checkpoint.epoch}: {error}") from error
    return {"outputs": outputs} | {name: getattr(checkpoint, name) for name in CURVES}
