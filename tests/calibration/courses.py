"""Courses of a mean order over training, with their noise, and samples to measure them on.

A course is a function of the number of checkpoints and a random generator that returns m(t) −
MIDDLE, (checkpoints,), in orders. `NOTHING` holds those without two phases.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

ORDERS = 10
MIDDLE = 5.0  # what courses are about, far from the ends
EPOCHS = np.concatenate([[0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45], 2.0 ** np.arange(6, 60)])

Course = Callable[[int, np.random.Generator], np.ndarray]


def jitter(size: float, early: float = 1.0) -> Course:
    """Independent at each checkpoint; larger by a factor in the first third."""

    def course(checkpoints: int, rng: np.random.Generator) -> np.ndarray:
        factor = np.where(np.arange(checkpoints) < checkpoints // 3, early, 1.0)
        return size * factor * rng.normal(size=checkpoints)

    return course


def walk(size: float, early: float = 1.0) -> Course:
    """A random walk, whose steps are larger by a factor in the first third."""
    steps = jitter(size, early)
    return lambda checkpoints, rng: np.cumsum(steps(checkpoints, rng))


def autoregressive(size: float, memory: float = 0.7) -> Course:
    """AR(1) about a constant."""

    def course(checkpoints: int, rng: np.random.Generator) -> np.ndarray:
        x = size * rng.normal(size=checkpoints)
        x[0] /= np.sqrt(1 - memory**2)
        for t in range(1, checkpoints):
            x[t] += memory * x[t - 1]
        return x

    return course


def ramp(change: float, begin: float = 0.0, end: float = 1.0) -> Course:
    """Constant, a straight change between two shares of the checkpoints, and constant again."""

    def course(checkpoints: int, _: np.random.Generator) -> np.ndarray:
        t = np.arange(checkpoints) / (checkpoints - 1)
        return change * np.clip((t - begin) / (end - begin), 0, 1)

    return course


def valley(high: float, low: float, last: float, lowest: float = 0.4) -> Course:
    """A straight fall to a minimum, at a share of the checkpoints, and a straight rise after it."""

    def course(checkpoints: int, _: np.random.Generator) -> np.ndarray:
        at = bottom(checkpoints, lowest)
        return (
            np.interp(np.arange(checkpoints), [0, at, checkpoints - 1], [high, low, last]) - MIDDLE
        )

    return course


def round_valley(depth: float, lowest: float = 0.4) -> Course:
    """A parabola on either side of a minimum at a share of the checkpoints."""

    def course(checkpoints: int, _: np.random.Generator) -> np.ndarray:
        at = bottom(checkpoints, lowest)
        t = np.arange(checkpoints) - at
        return depth * (np.where(t < 0, t / at, t / (checkpoints - 1 - at)) ** 2 - 1)

    return course


def bottom(checkpoints: int, lowest: float = 0.4) -> int:
    """The checkpoint at which `valley` has its minimum."""
    return max(1, round(lowest * (checkpoints - 1)))


def together(*courses: Course) -> Course:
    return lambda checkpoints, rng: sum(course(checkpoints, rng) for course in courses)


NOTHING: dict[str, Course] = {
    "constant, jitter 0.1": jitter(0.1),
    "constant, jitter 0.3 in the first third, then 0.01": jitter(0.01, 30),
    "AR(1), φ = 0.7": autoregressive(0.1),
    "random walk": walk(0.1),
    "random walk, steps ten times as large in the first third": walk(0.03, 10),
    "rise to a plateau, early jitter 0.3": together(ramp(2.0, 0, 0.5), jitter(0.01, 30)),
    "fall to a plateau, jitter 0.1": together(ramp(-2.0, 0, 0.5), jitter(0.1)),
    "late rise, jitter 0.3": together(ramp(2.0, 0.5), jitter(0.3)),
    "late rise, AR(1)": together(ramp(0.6, 0.5), autoregressive(0.1)),
}
"""Courses without a second phase after a first, of which false alarms are promised to be rare."""

DRIFTING: dict[str, Course] = {
    "one late jump, random walk": together(ramp(2.0, 0.98), walk(0.1)),
    "late rise, random walk": together(ramp(0.6, 0.5), walk(0.1)),
    "early fall, random walk": together(ramp(-0.6, 0, 0.5), walk(0.1)),
}
"""Courses that drift one way and wander: chance has only one side of a valley to make."""


def measured(
    course: np.ndarray, samples: int, rng: np.random.Generator, noise: float = 0.3
) -> np.ndarray:
    """Shares (checkpoints, samples, orders) of samples about a course.

    Each sample has its own offset, its own noise at every checkpoint, and a smooth course of its
    own; the mean order of each is exact (a binomial distribution).

    Args:
        course: (checkpoints,), in orders.
        samples: how many.
        rng: of the noise.
        noise: standard deviation of each of the three.
    """
    checkpoints = len(course)
    t = np.linspace(0, np.pi, checkpoints)[:, None]
    own = rng.normal(size=(1, samples)) + rng.normal(size=(checkpoints, samples))
    own = own + np.sin(t) * rng.normal(size=(1, samples))
    return shares_about(MIDDLE + course[:, None] + noise * own)


def shares_about(centre: np.ndarray) -> np.ndarray:
    """Binomial shares (..., orders) with mean order `centre`, cut off at the first and the last."""
    share = (np.clip(centre, 1.0, float(ORDERS)) - 1) / (ORDERS - 1)
    k = np.arange(ORDERS)
    binomial = np.array([math.comb(ORDERS - 1, i) for i in k])
    return binomial * share[..., None] ** k * (1 - share[..., None]) ** (ORDERS - 1 - k)
