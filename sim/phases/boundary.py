"""Between which checkpoints the minimum of the mean order lies."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from sim.phases.loss_gap import strays

COVERAGE = "95 %"
"""How much the boundary's interval covers at least, as it is written in texts: measured, by
`make calibrate`, on minima that are found."""
NEAR = 2  # checkpoints on either side whose strays tell a checkpoint's own noise
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
    standard error over the units (inputs or runs) or from the noise of the two checkpoints,
    whichever is larger. (Ours; the neighbours are what makes one standard error enough.)

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
    near = 1 + np.flatnonzero((mean - mean[lowest] <= error)[1:-1])
    return int(near.min() - 1), int(near.max() + 1)


def paired_error(influence: np.ndarray, at: int) -> np.ndarray:
    """Standard error of m(t) − m(t at), of the same units at both, (checkpoints,)."""
    units = influence.shape[1]
    return np.sqrt(((influence - influence[at, None]) ** 2).mean(axis=1) / max(units - 1, 1))


def local_noise(time: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Standard deviation of m(t) about a smooth course near each checkpoint, (checkpoints,).

    The root mean square of how far the checkpoint and those near it stray from the cubic (or, with
    few checkpoints, the line) through their neighbours. Curvature can only enlarge it.
    """
    at, away = strays(time, mean)
    if not len(at):
        return np.zeros(len(mean))
    noise = np.empty(len(mean))
    for t in range(len(mean)):
        near = np.abs(at - t) <= NEAR
        if not near.any():
            near = np.abs(at - t) == np.abs(at - t).min()
        noise[t] = np.sqrt(np.mean(away[near] ** 2))
    return noise
