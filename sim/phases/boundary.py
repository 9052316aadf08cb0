"""Is there a boundary between two phases, and between which checkpoints does it lie?

Both answers come from mean orders m(t) that are drawn anew: without any phase, for the chance of a
pattern; and from other samples, for the interval. A sample's influence is what it contributes to
m(t), in a linear approximation.
"""

from __future__ import annotations

import numpy as np

from sim.phases.loss_gap import MAD, ROUGH, ROUNDING

TAIL = 0.025  # of the bootstrap's minima that the boundary's interval leaves out on either side
COVERAGE = f"{100 * (1 - 2 * TAIL):g} %"
"""How much the boundary's interval covers, as it is written in texts."""


def pattern_p_value(
    mean: np.ndarray, influence: np.ndarray, jitter: float, draws: int, rng: np.random.Generator
) -> float:
    """Chance of a fall and a rise as large as those of m(t) where there is noise alone.

    Args:
        mean: (checkpoints,), m(t).
        influence: (checkpoints, samples).
        jitter: standard deviation of m(t) that all samples share.
        draws: of the null distribution.
        rng: of the draws.
    """
    statistic = float(_changes(mean[None], np.zeros((1, len(mean))), influence).min(1).max())
    noise = _null_changes(influence, jitter, draws, rng)
    return float((1 + np.sum(noise >= statistic)) / (1 + draws)) if statistic > 0 else 1.0


def boundary_ends(
    moments: tuple[np.ndarray, np.ndarray],
    lowest: int,
    jitter: float,
    draws: int,
    rng: np.random.Generator,
) -> tuple[int, int]:
    """Checkpoints between which the boundary lies: those next to the bootstrap's minima.

    Args:
        moments: of each sample's distribution, Σ k·d and Σ d, (checkpoints, samples) each.
        lowest: checkpoint of the smallest mean order.
        jitter: standard deviation of m(t) that all samples share.
        draws: of the bootstrap.
        rng: of the draws.
    """
    minima = _bootstrap_minima(moments, jitter, draws, rng)
    first, last = np.quantile(minima, [TAIL, 1 - TAIL], method="nearest").astype(int)
    return int(min(first, lowest) - 1), int(max(last, lowest) + 1)


def shared_jitter(mean: np.ndarray, influence: np.ndarray) -> float:
    """Standard deviation of m(t) from checkpoint to checkpoint that all samples share."""
    return float(_jitter(mean[None], influence.mean(axis=1)[None], influence)[0])


def _changes(trajectories: np.ndarray, means: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """How far each trajectory lies below its ends, in standard errors.

    Args:
        trajectories: (draws, checkpoints), m(t).
        means: (draws, checkpoints), mean over samples of their signed influence in each draw.
        influence: (checkpoints, samples).

    Returns:
        (draws, 2, checkpoints − 2): below the first and below the last checkpoint.
    """
    samples = influence.shape[1]
    jitter = _jitter(trajectories, means, influence)
    changes = []
    for end in (0, -1):
        paired = influence[end] - influence[1:-1]
        drift = means[:, end, None] - means[:, 1:-1]
        squared_error = ((paired**2).mean(axis=1) - drift**2) / max(samples - 1, 1)
        squared_error = np.maximum(squared_error, 0) + 2 * jitter[:, None] ** 2 + ROUNDING**2
        changes.append(
            (trajectories[:, end, None] - trajectories[:, 1:-1]) / np.sqrt(squared_error)
        )
    return np.stack(changes, axis=1)


def _jitter(trajectories: np.ndarray, means: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """Standard deviation of each trajectory about the middle of its neighbours, (draws,).

    The part that differences between samples explain is taken off. The median over checkpoints
    passes over the few at which the trajectory bends.
    """
    if trajectories.shape[1] < ROUGH:
        return np.zeros(len(trajectories))

    def strays(x: np.ndarray, axis: int) -> np.ndarray:
        x = np.moveaxis(x, axis, 0)
        return x[1:-1] - 0.5 * (x[:-2] + x[2:])

    samples = influence.shape[1]
    explained = (strays(influence, 0) ** 2).mean(axis=1)[:, None] - strays(means, 1) ** 2
    explained = np.median(explained, axis=0) / max(samples - 1, 1)
    rough = MAD * np.median(np.abs(strays(trajectories, 1)), axis=0)
    return np.sqrt(np.maximum(rough**2 - explained, 0.0) / 1.5)


def _null_changes(
    influence: np.ndarray, jitter: float, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """The largest change of trajectories that have none: noise alone, (draws,)."""
    checkpoints, samples = influence.shape
    signs = rng.choice([-1.0, 1.0], size=(draws, samples))
    means = signs @ influence.T / samples
    trajectories = means + jitter * rng.normal(size=(draws, checkpoints))
    return _changes(trajectories, means, influence).max(axis=(1, 2))


def _bootstrap_minima(
    moments: tuple[np.ndarray, np.ndarray], jitter: float, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Interior checkpoint of the smallest mean order, when samples are drawn anew, (draws,)."""
    checkpoints, samples = moments[0].shape
    counts = rng.multinomial(samples, np.full(samples, 1 / samples), size=draws)
    weight = counts @ moments[1].T
    mean = counts @ moments[0].T / np.where(weight > 0, weight, 1)
    mean = np.where(weight > 0, mean, np.inf) + jitter * rng.normal(size=(draws, checkpoints))
    return 1 + np.argmin(mean[:, 1:-1], axis=1)
