"""Between which checkpoints the minimum of the mean order lies."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

COVERAGE = "95 %"
"""How much the boundary's interval covers at least, as it is written in texts: measured, by
`make calibrate`, on minima that are found."""
WIDE = 1.3  # of how far m(t) may have wandered: what covers round valleys under a random walk
ONE = ndtr(1.0)  # chance that a normal variable exceeds its mean by less than one deviation


def lowest_checkpoint(mean: np.ndarray) -> int:
    """The interior checkpoint of the smallest mean order."""
    return 1 + int(np.argmin(mean[1:-1]))


def boundary_ends(
    mean: np.ndarray, influence: np.ndarray, noise: np.ndarray | None
) -> tuple[int, int]:
    """Checkpoints between which the minimum lies.

    These are the neighbours of all checkpoints within one standard error of the lowest, since a
    minimum is known no better than the checkpoints are spaced: m(t) − m(lowest) ≤ se, with the
    largest of the standard error over the units (inputs or runs), that from the noise of the two
    checkpoints, and how far m(t) may have wandered between them. (Ours; the neighbours are what
    makes one standard error enough.)

    Args:
        mean: (checkpoints,), m(t).
        influence: (checkpoints, units), what each unit contributes to m(t).
        noise: (checkpoints,), standard deviation of m(t) about a smooth course; None leaves the
            standard error to the units alone, widened as Student's t is.
    """
    lowest = lowest_checkpoint(mean)
    error = paired_error(influence, lowest)
    if noise is None:
        error = float(stdtrit(influence.shape[1] - 1, ONE)) * error
    else:
        error = np.maximum(error, np.hypot(noise, noise[lowest]))
        error = np.maximum(error, WIDE * _wandering(mean, lowest))
    near = 1 + np.flatnonzero((mean - mean[lowest] <= error)[1:-1])
    return int(near.min() - 1), int(near.max() + 1)


def _wandering(mean: np.ndarray, at: int) -> np.ndarray:
    """How far m(t) may have wandered between t and one checkpoint: the root of the sum of squares
    of the increments between them, (checkpoints,).
    """
    squares = np.concatenate([[0.0], np.cumsum(np.diff(mean) ** 2)])
    return np.sqrt(np.abs(squares - squares[at]))


def paired_error(influence: np.ndarray, at: int) -> np.ndarray:
    """Standard error of m(t) − m(t at), of the same units at both, (checkpoints,)."""
    units = influence.shape[1]
    return np.sqrt(((influence - influence[at, None]) ** 2).mean(axis=1) / max(units - 1, 1))
