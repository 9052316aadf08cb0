"""What a run will take, told before it: its size, its memory, and its time from a short trial.

The trial is the beginning of the run itself, with nothing kept: the same work, until its progress
says how fast it goes on. Memory is what the run asks for before it makes its arrays.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from sim.cli._console import err
from sim.machine import memory_asked, readable
from sim.measurement import Measurement
from sim.progress import NamedProgress

Plan = Annotated[
    bool,
    typer.Option(
        "--plan", help="Say what it will take, from a short trial, and stop; writes nothing."
    ),
]

LONG = 2**17
"""Outputs from which on a run is long enough to be told of unasked."""

TRIED = 1.5  # seconds from the first step on
COMPILED = 20.0  # seconds for a first step, of which compilation is a small part
MINUTE, HOUR, DAY = 60, 3600, 86400


class Cost(NamedTuple):
    """What some work will take."""

    seconds: float
    memory: float  # bytes

    def times(self, count: float) -> Cost:
        """The same again and again, in the same memory."""
        return Cost(count * self.seconds, self.memory)

    def then(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(self.seconds + other.seconds, max(self.memory, other.memory))


class _Enough(Exception):
    """The trial has seen how fast it goes."""


def trial(work: Callable[[NamedProgress], Any]) -> Cost:
    """Runs the beginning of some work, and says what all of it will take.

    Args:
        work: is given the progress to call; it is stopped there.
    """
    begun = before = time.monotonic()
    first: dict[str, int] = {}
    spent: dict[str, float] = {}
    seconds: dict[str, float] = {}
    unsettled: set[str] = set()

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal begun, before
        now = time.monotonic()
        took, before = now - before, now
        if not first:
            begun = now
        if stage not in first:
            first[stage], spent[stage] = done, 0.0
            if done:
                seconds[stage] = took / done * total
            if not done or took < COMPILED:  # it may be compilation for the most part
                unsettled.add(stage)
        else:
            spent[stage] += took
            if done > first[stage]:
                seconds[stage] = spent[stage] / (done - first[stage]) * total
                unsettled.discard(stage)
        if now - begun > TRIED and not unsettled:
            raise _Enough

    with memory_asked() as asked, contextlib.suppress(_Enough):
        work(progress)
    total = sum(seconds.values()) or time.monotonic() - begun  # or it is silent, and done
    return Cost(total, max(asked, default=0.0))


def in_no_order(measurement: Measurement) -> Measurement:
    """All checkpoints' samples as one's, mixed: for a trial, since some checkpoints cost more."""
    outputs = measurement.outputs
    samples = outputs.reshape(1, -1, outputs.shape[-1])
    mixed = samples[:, np.random.default_rng(0).permutation(samples.shape[1])]
    return Measurement(mixed, measurement.epochs[:1], sets=measurement.sets)


def tell(what: str, outputs: int, plan: bool, cost: Callable[[], Cost]) -> None:
    """Prints in one line on stderr what a long run will take; with --plan ends there.

    Args:
        what: the size of the work, in words.
        outputs: how many numbers it is about.
        plan: whether --plan was given.
        cost: makes the trial; called for long runs and for --plan alone.

    Raises:
        typer.Exit: with --plan.
    """
    if outputs >= LONG or plan:
        found = cost()
        took, held = duration(found.seconds), readable(found.memory)
        err.print(f"interdyn: {what}: about {took} and {held} of memory.", markup=False)
    if plan:
        raise typer.Exit


def duration(seconds: float) -> str:
    """A time in the unit that suits it, to two digits or so.

    Example:
        >>> duration(0.2), duration(75), duration(4000), duration(1e6)
        ('1 s', '75 s', '67 min', '278 h')
    """
    if seconds < 2 * MINUTE:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 20 * DAY:
        return f"{seconds / HOUR:.0f} h"
    return f"{seconds / DAY:.0f} days"
