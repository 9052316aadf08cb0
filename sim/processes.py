"""Independent tasks that several processes share, on one machine or on many.

The processes meet in a folder, not over a network: each begins at another place in the list of
tasks, writes what it has done as files of their own, and reads what the others have. So one that is
killed takes no other down, and goes on from the files when it is started again; and whoever has
done its own share takes over what nobody is at.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from sim.checks import ArgumentError, check_whole
from sim.cores import Errand, on_every_core
from sim.files import has_writer, read_npz, write_npz
from sim.progress import Progress
from sim.unfinished import Finished, Unfinished, note_damage

Arrays = Mapping[str, np.ndarray]
"""What a task returns, by name."""

Result = TypeVar("Result")

PAUSE = 0.5  # seconds until a process looks again for what others are at


@dataclasses.dataclass(frozen=True)
class Share:
    """Which of several processes this is, as `jax.distributed.initialize` counts them.

    Attributes:
        process_id: from 0 on; process 0 saves the result.
        num_processes: how many there are.

    Example:
        >>> Share(1, 4).order(8)
        [2, 3, 4, 5, 6, 7, 0, 1]
    """

    process_id: int
    num_processes: int

    def __post_init__(self) -> None:
        check_whole(self.num_processes, "num_processes", 1)
        check_whole(self.process_id, "process_id", 0)
        if self.process_id >= self.num_processes:
            raise ArgumentError(
                "process_id",
                f"be from 0 to {self.num_processes - 1}, one for each of {self.num_processes} "
                "processes",
                f"is {self.process_id}",
            )

    @property
    def first(self) -> bool:
        """Whether this is the process that saves the result."""
        return self.process_id == 0

    def order(self, tasks: int) -> list[int]:
        """The tasks in the order of this process: its own, and then those of the next ones."""
        start = self.process_id * tasks // self.num_processes
        return [*range(start, tasks), *range(start)]

    def own(self, tasks: int) -> int:
        """How many tasks, at the beginning of its order, are this process's own."""
        before, after = (
            at * tasks // self.num_processes for at in (self.process_id, self.process_id + 1)
        )
        return after - before


@dataclasses.dataclass(frozen=True)
class SharedWork:
    """One piece of work, as one of the processes sees it that share it.

    Attributes:
        unfinished: what is done of it.
        run: its identity.
        share: which process this is.
        stage: of the work, by which its tasks are told from those of others.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> def task(errand):
        ...     errand.finished(1)
        ...     return {"answer": np.array(3)}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     unfinished = Unfinished(Path(folder))
        ...     unfinished.open("a run")
        ...     work = SharedWork(unfinished, "a run", Share(0, 1))
        ...     work.results("think", [task, task], [1, 1], None)
        [{'answer': array(3)}, {'answer': array(3)}]
    """

    unfinished: Unfinished
    run: str
    share: Share
    stage: str = ""

    def within(self, stage: str) -> SharedWork:
        """The same work, at a stage of it."""
        return dataclasses.replace(self, stage=f"{stage}-{self.stage}")

    def results(
        self,
        name: str,
        tasks: Sequence[Callable[[Errand], Arrays]],
        steps: Sequence[int],
        progress: Progress | None,
    ) -> list[Arrays]:
        """What the tasks return, in order, whichever processes did them.

        Args:
            name: of these tasks, another one for each list of the same stage.
            tasks: see `on_every_core`; the same list in every process.
            steps: of each.
            progress: called with (steps done by all, steps in all).

        Raises:
            Finished: another process has saved the result of the whole work meanwhile.
            ValueError: another run has thrown it away.
        """
        parts = [f"{self.stage}{name}-{i}" for i in range(len(tasks))]
        found: dict[int, Arrays] = {}
        while True:
            self.check()
            for i, part in enumerate(parts):
                if i not in found and (kept := self._read(part)) is not None:
                    found[i] = kept
            missing = [i for i in self.share.order(len(tasks)) if i not in found]
            if not missing:
                return [found[i] for i in range(len(tasks))]
            attempts = [self._attempt(parts[i], tasks[i]) for i in missing]
            there = sum(steps[i] for i in found)
            if not any(on_every_core(attempts, sum(steps), _further(progress, there))):
                time.sleep(PAUSE)  # others are at all that is left

    def check(self) -> None:
        """Raises where the work is no longer to be done; see `Unfinished.check`."""
        self.unfinished.check(self.run)

    def leave_saving(self) -> None:
        """Ends the work of all processes but the first, which saves the result.

        They wait for it as long as it is there: what comes next may need the result.

        Raises:
            Finished: it is not this one.
        """
        if self.share.first:
            return
        while has_writer(self.unfinished.folder.parent):
            self.check()
            time.sleep(PAUSE)
        raise Finished

    def _attempt(self, part: str, task: Callable[[Errand], Arrays]) -> Callable[[Errand], bool]:
        """The task, unless it is done or another process is at it; says whether there was one."""

        def attempt(errand: Errand) -> bool:
            path = self.unfinished.folder / f"{part}.npz"
            with self.unfinished.claim(part) as free:
                if not free or path.exists():
                    return free
                self.check()
                arrays = task(errand)
                self.check()
                write_npz(path, arrays)
                return True

        return attempt

    def _read(self, part: str) -> Arrays | None:
        path = self.unfinished.folder / f"{part}.npz"
        if not path.exists():
            return None
        try:
            return read_npz(path, ())
        except FileNotFoundError:  # the work has just been finished
            return None
        except (ValueError, OSError):
            note_damage(path, "it is done again")
            path.unlink(missing_ok=True)
            return None


def on_every_process(
    tasks: Sequence[Callable[[Errand], Result]],
    steps: Sequence[int],
    progress: Progress | None,
    work: SharedWork | None,
    name: str,
    *,
    pack: Callable[[Result], Arrays],
    unpack: Callable[[Arrays], Result],
) -> list[Result]:
    """Runs independent tasks on every core of every process that shares the work, in order.

    Args:
        tasks: see `on_every_core`.
        steps: of each.
        progress: called with (steps done, steps in all).
        work: which processes share; None for this one alone, which keeps nothing in files.
        name: of the tasks, in the work.
        pack: from a result to arrays that a file can hold.
        unpack: and back.

    Example:
        >>> def task(errand):
        ...     errand.finished(1)
        ...     return 3
        >>> of_array = {"pack": lambda x: {"x": np.array(x)}, "unpack": lambda kept: int(kept["x"])}
        >>> on_every_process([task, task], [1, 1], None, None, "think", **of_array)
        [3, 3]
    """
    if work is None:
        return on_every_core(tasks, sum(steps), progress)

    def packed(task: Callable[[Errand], Result]) -> Callable[[Errand], Arrays]:
        return lambda errand: pack(task(errand))

    kept = work.results(name, [packed(task) for task in tasks], steps, progress)
    return [unpack(arrays) for arrays in kept]


def _further(progress: Progress | None, there: int) -> Progress | None:
    """The progress from where others have brought it."""
    if progress is None:
        return None
    return lambda done, total: progress(there + done, total)
