"""A recording that several processes share: all train, each measures checkpoints of its own.

Training is the same to the last bit wherever it runs on machines of one kind, so that it need not
be shared: a network is a function, which no file holds. Where there are as many training runs as
processes, each trains in its own only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from sim.experiments._piece import Piece, check_differ, measured_piece
from sim.experiments._registry import Experiment, State, Train
from sim.experiments._unfinished import Checkpoints
from sim.processes import PAUSE, SharedWork
from sim.progress import NamedProgress

Place = tuple[int, int]  # a training run, and an epoch


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
        work: the checkpoints that are done, and which process this is.
        progress: see `record`.
    """
    shared = _Shared(experiment, seeds, work, progress)
    found: dict[Place, Piece] = {}
    while True:
        work.check()
        shared.read(found)
        missing = [place for place in shared.order if place not in found]
        if not missing:
            break
        free = [place for place in missing if shared.is_free(place)]
        mine = [place for place in free if place in shared.own] or free
        for run in dict.fromkeys(run for run, _ in mine):
            found |= shared.measured(run, [epoch for of, epoch in mine if of == run], len(found))
        if not mine:
            time.sleep(PAUSE)  # others are at all that is left
    runs = [[found[run, epoch] for epoch in experiment.epochs] for run in range(len(shared.trains))]
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
        self.shape = len(experiment.inputs), experiment.mask_count
        places = [(run, epoch) for run in range(len(self.trains)) for epoch in experiment.epochs]
        self.order = [places[at] for at in work.share.order(len(places))]
        self.own = set(self.order[: work.share.own(len(places))])

    def read(self, found: dict[Place, Piece]) -> None:
        """Adds what is done."""
        for run, epoch in self.order:
            if (run, epoch) not in found:
                piece = self.kept[run].read(epoch, self.shape)
                if piece is not None:
                    found[run, epoch] = piece

    def is_free(self, place: Place) -> bool:
        """Whether no other process is measuring there."""
        run, epoch = place
        with self.kept[run].claim(f"epoch-{epoch}") as free:
            return free

    def measured(self, run: int, epochs: Sequence[int], there: int) -> dict[Place, Piece]:
        """Trains in one run up to the last of some epochs, and measures at those that are free."""
        pieces = self._along(run, sorted(epochs), there)
        return {(run, epoch): piece for epoch, piece in pieces}

    def _along(self, run: int, epochs: Sequence[int], there: int) -> Iterator[tuple[int, Piece]]:
        kept, inputs = self.kept[run], len(self.experiment.inputs)
        total = len(self.order) * inputs

        def trained(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress("train", done, total)

        def measured(done: int, _: int) -> None:
            if self.progress is not None:
                self.progress("measure", there * inputs + done // self.shape[1], total)

        state = kept.state(before=epochs[0])
        if self.experiment.saved:
            state = State(epochs[0] - 1, ())
        for checkpoint in self.trains[run](trained, state):
            epoch = checkpoint.epoch
            if epoch in epochs:
                piece = None
                with kept.claim(f"epoch-{epoch}") as free:
                    if free and kept.read(epoch, self.shape) is None:
                        piece = measured_piece(self.experiment, checkpoint, measured)
                        self.work.check()
                        kept.write(epoch, piece)
                if piece is not None:
                    there += 1
                    yield epoch, piece
            self.work.check()
            kept.write_state(checkpoint.state, self.work.share.process_id)
            if epoch == epochs[-1]:
                return
        raise ValueError(
            f"Training must yield a checkpoint at each of the epochs "
            f"{list(self.experiment.epochs)}, but yielded none at {epochs[-1]}."
        )
