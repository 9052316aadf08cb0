"""Where overfitting shows: the gap between test and training loss, and its onset."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError

ROUGH = 7  # fewest checkpoints from which their common jitter can be told from curvature
MAD = 1.482602218505602  # standard deviation of a normal variable with median size 1
ROUNDING = 1e-9  # values nearer than this are the same


def loss_gap(
    train_loss: ArrayLike | None, test_loss: ArrayLike | None, checkpoints: int
) -> np.ndarray | None:
    """Test loss − training loss, (checkpoints,); None where neither is known."""
    if train_loss is None and test_loss is None:
        return None
    if train_loss is None or test_loss is None:
        raise ValueError("Arguments `train_loss` and `test_loss` must be given together.")
    curves = [np.asarray(curve, dtype=np.float64) for curve in (train_loss, test_loss)]
    for name, curve in zip(("train_loss", "test_loss"), curves, strict=True):
        if curve.shape != (checkpoints,) or not np.isfinite(curve).all():
            raise ArgumentError(
                name,
                f"be one finite number for each of the {checkpoints} checkpoints",
                f"is of shape {curve.shape}: {curve.tolist()}",
            )
    return curves[1] - curves[0]


def gap_onset(epochs: np.ndarray, gap: np.ndarray, deviations: float = 3.0) -> float | None:
    """First epoch from which the gap stays above its smallest value by more than its noise.

    The noise is that of the gap about a smooth curve through its neighbours in log(1 + epoch): the
    cubic through two on either side, or with few checkpoints the line through one. The median over
    the checkpoints is taken; what curvature is left can only enlarge it.
    """
    if len(gap) < 3:
        return None
    time = np.log1p(epochs)
    reach = 2 if len(gap) >= ROUGH else 1
    strays = []
    for at in range(reach, len(gap) - reach):
        near = np.array([i for i in range(at - reach, at + reach + 1) if i != at])
        others = [near[near != i] for i in near]
        shares = [
            np.prod((time[at] - time[rest]) / (time[i] - time[rest]))
            for i, rest in zip(near, others, strict=True)
        ]
        strays.append((gap[at] - shares @ gap[near]) / np.sqrt(1 + np.square(shares).sum()))
    noise = MAD * np.median(np.abs(strays))
    lowest = int(np.argmin(gap))
    above = gap > gap[lowest] + deviations * np.sqrt(2) * noise + ROUNDING
    stays = np.flip(np.cumprod(np.flip(above))).astype(bool)
    stays[: lowest + 1] = False
    return float(epochs[np.argmax(stays)]) if stays.any() else None
