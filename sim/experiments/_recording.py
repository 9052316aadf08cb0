"""Recording a training run: an experiment trains, and every checkpoint is measured."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.checks import ArgumentError, check_seed
from sim.experiments._piece import Piece, check_differ, measured_piece
from sim.experiments._registry import Experiment, Train
from sim.experiments._shared import shared_runs
from sim.experiments._unfinished import Checkpoints, identity
from sim.files import only_writer
from sim.measurement import CURVES, Measurement, check_memory_for_outputs
from sim.processes import SharedWork
from sim.progress import NamedProgress

COPIES = 3.2  # of the outputs at the end: as measured, joined, and checked and kept


def record(
    experiment: Experiment,
    metadata: Mapping[str, Any],
    progress: NamedProgress | None = None,
    *,
    seeds: Sequence[int] | None = None,
    folder: str | Path | None = None,
    discard: bool = False,
    keep_inputs: bool = False,
    work: SharedWork | None = None,
) -> Measurement:
    """Trains the experiment's network and measures it at each of its checkpoints.

    With seeds, it trains once from each of them, in turn: initial parameters and the order of the
    data are others, the data with their label noise, the measured inputs and the players are not.

    With a folder, every checkpoint is kept there as soon as it is measured. The same call, made
    again after the first was killed, goes on from the last of them, and ends with the same result
    to the last bit. The folder is the caller's to delete once the measurement is safe.

    Args:
        experiment: what trains, and on which inputs it is measured.
        metadata: added to the experiment's own, such as versions.
        progress: called with ("train", epochs done, epochs) and ("measure", inputs done, …), where
            every input counts at each checkpoint; with seeds, with ("run 2 of 3: train", …).
        seeds: of the training runs, all different; the metadata keep them. None is one run, the
            experiment's own.
        folder: for the checkpoints of an unfinished run; made if it is not there.
        discard: throw away the checkpoints of a run with other settings.
        keep_inputs: whether the measurement holds the inputs too, so that interactions can be drawn
            on them.
        work: the same recording by several processes, begun by `recording_identity`, in place of a
            folder. Each of them trains, and the checkpoints of every training run are measured by
            one or another.

    Raises:
        ValueError: a score that is not finite or of the wrong shape (names epoch and sample); the
            outputs do not fit into memory; the folder holds a run with other settings, or another
            run is writing there; training skips a checkpoint; seeds that are given twice, that the
            experiment cannot train from, or that make no difference.
        Finished: another process has saved the measurement meanwhile.
        OSError: the disk is full, or the folder cannot be written.

    Warns:
        UserWarning: a file in the folder is damaged; what it held is measured again.

    Example:
        >>> from sim.experiments import Settings, prepare
        >>> experiment = prepare("breast-cancer-mlp", Settings((0, 1), samples=2, players=3))
        >>> measurement = record(experiment, {}, seeds=[7, 8])
        >>> measurement.runs, measurement.input_count, measurement.metadata["seeds"]
        (2, 2, [7, 8])
    """
    count = 1 if seeds is None else len(seeds)
    shape = (len(experiment.epochs), count * len(experiment.inputs), experiment.mask_count)
    check_memory_for_outputs(shape, COPIES)
    chosen = [] if seeds is None else _checked_seeds(seeds, experiment)
    added = _added(metadata, None if seeds is None else chosen)
    with contextlib.nullcontext() if folder is None else only_writer(folder):
        unfinished = None
        if folder is not None:
            run = identity(experiment, added)
            unfinished = Checkpoints(Path(folder))
            unfinished.open(run, discard=discard)
        if work is not None:
            runs = shared_runs(experiment, chosen, work, progress)
        elif experiment.seeded is None or seeds is None:
            runs = [_run(experiment, experiment.train, unfinished, progress)]
        else:
            runs = _runs(experiment, experiment.seeded, chosen, unfinished, progress)
    curves: dict[str, Any] = {
        name: np.array([[float(piece[name]) for piece in run] for run in runs])
        for name in CURVES
        if all(name in piece for run in runs for piece in run)
    }
    return Measurement(
        outputs=np.concatenate([[piece["outputs"] for piece in run] for run in runs], axis=1),
        epochs=np.array(experiment.epochs),
        labels=None if experiment.labels is None else np.tile(experiment.labels, count),
        **{name: curve if count > 1 else curve[0] for name, curve in curves.items()},
        metadata=experiment.metadata | added,
        runs=count,
        sets=experiment.sets,
        **_shown(experiment, keep_inputs),
    )


def recording_identity(
    experiment: Experiment, metadata: Mapping[str, Any], seeds: Sequence[int] | None
) -> str:
    """What tells a recording from others; see `record`."""
    return identity(experiment, _added(metadata, seeds))


def _added(metadata: Mapping[str, Any], seeds: Sequence[int] | None) -> dict[str, Any]:
    return dict(metadata) | ({} if seeds is None else {"seeds": [int(seed) for seed in seeds]})


def _shown(experiment: Experiment, keep_inputs: bool) -> dict[str, Any]:
    """What the measurement keeps for people to look at."""
    shown = experiment.masking.keys(experiment.inputs) | dict(experiment.shown)
    if not keep_inputs:
        del shown["inputs"]
    return shown


def _checked_seeds(seeds: Sequence[int], experiment: Experiment) -> list[int]:
    if experiment.seeded is None:
        raise ArgumentError(
            "seeds",
            "be left out for an experiment that does not say how to train from another seed (its "
            "`seeded` is None)",
            f"is {list(seeds)}",
        )
    chosen = [check_seed(seed, "seeds") for seed in seeds]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ArgumentError("seeds", "be at least one, and each another", f"is {chosen}")
    return chosen


def _runs(
    experiment: Experiment,
    seeded: Callable[[int], Train],
    seeds: Sequence[int],
    unfinished: Checkpoints | None,
    progress: NamedProgress | None,
) -> list[list[Piece]]:
    """One training run from each seed, in turn.

    Side by side, under `jax.vmap`, three or five digits MLPs took 1.05 times as long on two cores.
    """
    runs: list[list[Piece]] = []
    for at, seed in enumerate(seeds):

        def named(what: str, done: int, total: int, run: int = at + 1) -> None:
            if progress is not None:
                progress(f"run {run} of {len(seeds)}: {what}", done, total)

        part = None if unfinished is None else unfinished.of_seed(seed)
        runs.append(_run(experiment, seeded(seed), part, named))
        if at:
            check_differ(runs[0], runs[at], (seeds[0], seed))
    return runs


def _run(
    experiment: Experiment,
    train: Train,
    unfinished: Checkpoints | None,
    progress: NamedProgress | None,
) -> list[Piece]:
    """One training run, checkpoint by checkpoint."""
    pieces = dict(_pieces(experiment, train, unfinished, progress))
    missing = [epoch for epoch in experiment.epochs if epoch not in pieces]
    if missing or len(pieces) > len(experiment.epochs):
        raise ValueError(
            f"Training must yield a checkpoint at each of the epochs {list(experiment.epochs)}, but"
            f" yielded {sorted(pieces)}."
        )
    return [pieces[epoch] for epoch in experiment.epochs]


def _pieces(
    experiment: Experiment,
    train: Train,
    unfinished: Checkpoints | None,
    progress: NamedProgress | None,
) -> Iterator[tuple[int, Piece]]:
    """Outputs and curves by epoch: first those that are on disk, then the newly measured."""
    inputs, size = len(experiment.inputs), experiment.mask_count
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
        read = None if unfinished is None else unfinished.read(epoch, (inputs, size))
        if read is not None:
            kept.add(epoch)
            checkpoints += 1
            measured(0)
            yield epoch, read
    missing = [epoch for epoch in experiment.epochs if epoch not in kept]
    if not missing:
        return
    state = None if unfinished is None else unfinished.state(before=missing[0])
    for checkpoint in train(trained, state):
        if checkpoint.epoch in kept:
            continue
        piece = measured_piece(experiment, checkpoint, measured)
        checkpoints += 1
        if unfinished is not None:
            unfinished.write(checkpoint.epoch, piece)
            unfinished.write_state(checkpoint.state)
        yield checkpoint.epoch, piece
