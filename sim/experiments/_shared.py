"""A recording that several processes share: all train, each measures samples of its own.

Training is the same to the last bit wherever it runs on machines of one kind, so that it need not
be shared: a network is a function, which no file holds. What is shared are the checkpoints, and of
few checkpoints the samples. Where there are as many training runs as processes, each trains in its
own only.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sim.experiments._piece import Piece, check_differ, measured_piece
from sim.experiments._registry import Checkpoint, Experiment, State, Train
from sim.experiments._unfinished import Checkpoints
from sim.processes import PAUSE, SharedWork
from sim.progress import NamedProgress

PARTS = 32  # at least, as far as there are samples, that processes share


class Place(NamedTuple):
    """What one process measures at a time."""

    run: int  # of training
    epoch: int
    part: int  # of the samples


def shared_runs(
    experiment: Experiment,
    seeds: Sequence[int],
    work: SharedWork,
    progress: NamedProgress | None,
) -> list[list[Piece]]:
    """Every training run's checkpoints, whichever processes measured them.

    Args:
        experiment: what trains.
        seeds: of the training runs; none for the experiment's own.
        work: what is done, and which process this is.
        progress: see `record`.
    """
    shared = _Shared(experiment, seeds, work, progress)
    while True:
        work.check()
        shared.read()
        missing = [place for place in shared.order if place not in shared.found]
        if not missing:
            break
        free = [place for place in missing if shared.is_free(place)]
        mine = [place for place in free if place in shared.own] or free
        for run in dict.fromkeys(place.run for place in mine):
            shared.measure(run, [place for place in mine if place.run == run])
        if not mine:
            time.sleep(PAUSE)  # others are at all that is left
    runs = [[shared.joined(run, e) for e in experiment.epochs] for run in range(len(shared.trains))]
    for at in range(1, len(runs)):
        check_differ(runs[0], runs[at], (seeds[0], seeds[at]))
    return runs


class _Shared:
    """The training runs, with what is done of each."""

    def __init__(
        self,
        experiment: Experiment,
        seeds: Sequence[int],
        work: SharedWork,
        progress: NamedProgress | None,
    ) -> None:
        self.experiment, self.work, self.progress = experiment, work, progress
        whole = Checkpoints(work.unfinished.folder)
        self.trains: list[Train] = [experiment.train]
        self.kept = [whole]
        if experiment.seeded is not None and seeds:
            self.trains = [experiment.seeded(seed) for seed in seeds]
            self.kept = [whole.of_seed(seed) for seed in seeds]
        for kept in self.kept:
            kept.folder.mkdir(exist_ok=True)
        inputs, runs = len(experiment.inputs), range(len(self.trains))
        count = min(inputs, -(-PARTS // (len(runs) * len(experiment.epochs))))
        self.parts = np.array_split(np.arange(inputs), count)
        every = itertools.product(runs, experiment.epochs, range(count))
        places = [Place(*place) for place in every]
        self.order = [places[at] for at in work.share.order(len(places))]
        self.own = set(self.order[: work.share.own(len(places))])
        self.found: dict[Place, Piece] = {}

    def read(self) -> None:
        """Finds what is done."""
        for place in self.order:
            if place not in self.found:
                piece = self._read(place)
                if piece is not None:
                    self.found[place] = piece

    def _read(self, place: Place) -> Piece | None:
        kept, samples = self.kept[place.run], self.parts[place.part]
        piece = kept.read(place.epoch, (len(samples), self.experiment.mask_count), place.part)
        if piece is not None:
            return piece
        whole = kept.read(place.epoch, (len(self.experiment.inputs), self.experiment.mask_count))
        if whole is None:  # or one process alone has begun, and measured all of them
            return None
        return {**whole, "outputs": whole["outputs"][samples]}

    def is_free(self, place: Place) -> bool:
        """Whether no other process is measuring there."""
        with self.kept[place.run].claim_part(place.epoch, place.part) as free:
            return free

    def joined(self, run: int, epoch: int) -> Piece:
        """A checkpoint of all its parts."""
        pieces = [self.found[Place(run, epoch, part)] for part in range(len(self.parts))]
        return {**pieces[0], "outputs": np.concatenate([piece["outputs"] for piece in pieces])}

    def measure(self, run: int, places: Sequence[Place]) -> None:
        """Trains in one run up to the last of some places, and measures at those that are free."""
        kept, epochs = self.kept[run], sorted({place.epoch for place in places})

        def trained(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress("train", done, total)

        state = kept.state(before=epochs[0])
        if self.experiment.saved:
            state = State(epochs[0] - 1, ())
        for checkpoint in self.trains[run](trained, state):
            for place in places:
                if place.epoch == checkpoint.epoch:
                    self._measure_if_free(place, checkpoint)
            self.work.check()
            kept.write_state(checkpoint.state, self.work.share.process_id)
            if checkpoint.epoch == epochs[-1]:
                return
        raise ValueError(
            f"Training must yield a checkpoint at each of the epochs "
            f"{list(self.experiment.epochs)}, but yielded none at {epochs[-1]}."
        )

    def _measure_if_free(self, place: Place, checkpoint: Checkpoint) -> None:
        there = sum(len(self.parts[other.part]) for other in self.found)
        total = len(self.order) // len(self.parts) * len(self.experiment.inputs)

        def measured(done: int, _: int) -> None:
            if self.progress is not None:
                self.progress("measure", there + done // self.experiment.mask_count, total)

        kept, samples = self.kept[place.run], self.parts[place.part].tolist()
        with kept.claim_part(place.epoch, place.part) as free:
            if free and self._read(place) is None:
                piece = measured_piece(self.experiment, checkpoint, measured, samples)
                self.work.check()
                kept.write(place.epoch, piece, place.part)
                self.found[place] = piece
