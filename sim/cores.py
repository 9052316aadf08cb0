"""Independent tasks on every core: what runs in threads, and how it is told to stop."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax

from sim.progress import Progress

Result = TypeVar("Result")


class Stopped(Exception):
    """Nobody waits for the rest any more."""


@dataclasses.dataclass(frozen=True)
class Errand:
    """What a task says while it works, and what it is told.

    Attributes:
        finished: called with the number of steps done since the last call.
        stop: set where another task has failed, or the user has had enough.
    """

    finished: Callable[[int], None]
    stop: threading.Event

    def check(self) -> None:
        """Raises where nobody waits any more; to be called now and then."""
        if self.stop.is_set():
            raise Stopped


def cores() -> int:
    """Threads that help: arrays as small as these keep one core of a CPU busy, not all of them."""
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_every_core(
    tasks: Sequence[Callable[[Errand], Result]], total: int, progress: Progress | None
) -> list[Result]:
    """Runs independent tasks side by side, and returns their results in order.

    Args:
        tasks: each is called with its errand, in a thread of its own.
        total: steps in all tasks together.
        progress: called from this thread with (steps done, total).

    Example:
        >>> def task(errand):
        ...     errand.finished(1)
        ...     return 3
        >>> on_every_core([task, task], 2, None)
        [3, 3]
    """
    ticks: queue.SimpleQueue[int] = queue.SimpleQueue()
    errand = Errand(ticks.put, threading.Event())
    with concurrent.futures.ThreadPoolExecutor(max(1, min(cores(), len(tasks)))) as pool:
        running = [pool.submit(task, errand) for task in tasks]
        try:
            _wait(set(running), ticks, total, progress)
        except BaseException:
            errand.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [task.result() for task in running]


def _wait(
    waiting: set[concurrent.futures.Future[Result]],
    ticks: queue.SimpleQueue[int],
    total: int,
    progress: Progress | None,
) -> None:
    """Passes on the progress until all tasks are done; raises what one of them raises."""
    done = 0
    while waiting:
        ended, waiting = concurrent.futures.wait(
            waiting, timeout=0.05, return_when=concurrent.futures.FIRST_COMPLETED
        )
        before = done
        while not ticks.empty():
            done += ticks.get()
        if progress is not None and done > before:
            progress(done, total)
        for task in ended:
            task.result()
