"""Where over-fitting shows in the losses: the least test loss, and a gap that leaves its noise."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError

ROUGH = 7  # fewest checkpoints from which noise is told from cubics; lines below
MAD = 1.482602218505602  # standard deviation of a normal variable with median size 1
ROUNDING = 1e-9  # values nearer than this are the same


def checked_losses(
    train_loss: ArrayLike | None, test_loss: ArrayLike | None, checkpoints: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Both losses, (checkpoints,) each, averaged over runs; None where neither is known."""
    if train_loss is None and test_loss is None:
        return None
    if train_loss is None or test_loss is None:
        raise ValueError("Arguments `train_loss` and `test_loss` must be given together.")
    curves = [np.asarray(curve, dtype=np.float64) for curve in (train_loss, test_loss)]
    for name, curve in zip(("train_loss", "test_loss"), curves, strict=True):
        if (
            curve.ndim not in (1, 2)
            or curve.shape[-1] != checkpoints
            or not np.isfinite(curve).all()
        ):
            raise ArgumentError(
                name,
                f"be one finite number for each of the {checkpoints} checkpoints, of one run or "
                "for each run",
                f"is of shape {curve.shape}: {curve.tolist()}",
            )
    train, test = (curve.reshape(-1, checkpoints).mean(axis=0) for curve in curves)
    return train, test


def gap_onset(epochs: np.ndarray, gap: np.ndarray, deviations: float = 3.0) -> float | None:
    """First epoch from which the gap stays above its smallest value by more than its noise.

    The noise is that of the gap about a smooth curve through its neighbours in log(1 + epoch); the
    median over the checkpoints is taken. What curvature is left can only enlarge it.
    """
    _, away = strays(np.log1p(epochs), gap)
    if not len(away):
        return None
    noise = MAD * np.median(np.abs(away))
    lowest = int(np.argmin(gap))
    above = gap > gap[lowest] + deviations * np.sqrt(2) * noise + ROUNDING
    stays = np.flip(np.cumprod(np.flip(above))).astype(bool)
    stays[: lowest + 1] = False
    return float(epochs[np.argmax(stays)]) if stays.any() else None


def strays(time: np.ndarray, curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far a curve strays from a smooth one through its neighbours, as if it were all noise.

    The smooth one is the cubic through two neighbours on either side, or with few checkpoints the
    line through one; the difference is divided by what unit noise in all of them would make it.

    Args:
        time: (checkpoints,), increasing.
        curve: (checkpoints,).

    Returns:
        The checkpoints that have such neighbours, and how far each strays.
    """
    reach = 2 if len(curve) >= ROUGH else 1
    inner = np.arange(reach, len(curve) - reach)
    away = np.empty(len(inner))
    for i, at in enumerate(inner):
        near = np.array([j for j in range(at - reach, at + reach + 1) if j != at])
        others = [near[near != j] for j in near]
        shares = [
            np.prod((time[at] - time[rest]) / (time[j] - time[rest]))
            for j, rest in zip(near, others, strict=True)
        ]
        away[i] = (curve[at] - shares @ curve[near]) / np.sqrt(1 + np.square(shares).sum())
    return inner, away
