"""Where over-fitting shows in the losses: the least test loss, and a gap that leaves its noise."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError

ROUGH = 7  # fewest checkpoints from which noise is told from cubics; lines below
MAD = 1.482602218505602  # standard deviation of a normal variable with median size 1
FEW = 3  # strays nearest to the smallest value that tell its noise
NEAR = 2  # checkpoints on either side whose strays tell a checkpoint's own noise
ROUNDING = 1e-9  # values nearer than this are the same


def checked_losses(
    train_loss: ArrayLike | None, test_loss: ArrayLike | None, checkpoints: int, runs: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Both losses, (checkpoints,) each, averaged over runs; None where neither is known."""
    if train_loss is None and test_loss is None:
        return None
    if train_loss is None or test_loss is None:
        raise ValueError("Arguments `train_loss` and `test_loss` must be given together.")
    curves = []
    for name, given in (("train_loss", train_loss), ("test_loss", test_loss)):
        must = f"be one finite number for each of the {checkpoints} checkpoints"
        if runs > 1:
            must += f", as (checkpoints,) or (runs, checkpoints) = {(runs, checkpoints)}"
        try:
            curve = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(name, must, f"is {given!r}") from None
        if curve.shape not in ((checkpoints,), (runs, checkpoints)) or not np.isfinite(curve).all():
            raise ArgumentError(name, must, f"is of shape {curve.shape}: {curve.tolist()}")
        curves.append(curve)
    train, test = (curve.reshape(-1, checkpoints).mean(axis=0) for curve in curves)
    return train, test


def gap_onset(epochs: np.ndarray, gap: np.ndarray, deviations: float = 3.0) -> float | None:
    """First epoch from which a curve stays above its smallest value by more than its noise.

    The noise is that about a smooth curve through its neighbours in log(1 + epoch): its median over
    the checkpoints, and near the smallest value what it is there, if that is more. What curvature
    is left can only enlarge it. This is a rule and no test: a curve that wanders, or jitters early,
    leaves its noise without a cause (`make calibrate` measures how often).
    """
    at, away = strays(np.log1p(epochs), gap)
    if not len(at):
        return None
    lowest = int(np.argmin(gap))
    near = np.argsort(np.abs(at - lowest), kind="stable")[:FEW]
    noise, there = MAD * np.median(np.abs(away)), np.sqrt(np.mean(away[near] ** 2))
    error = np.hypot(noise, max(noise, there))
    above = gap > gap[lowest] + deviations * error + ROUNDING
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
