"""Figures of schedules: how well each predicts checkpoints that it was not fitted to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from sim.figures.style import GREY, MEASURED, PREDICTED


def held_out_bars(ax: Axes, distances: Mapping[str, tuple[float, float]], free: float) -> Axes:
    """Distance of each schedule where it was fitted and where it was not.

    Args:
        ax: where to draw.
        distances: by name of the family, (fitted, held out).
        free: distance with one free σ² for each checkpoint.
    """
    at = np.arange(len(distances))
    fitted, held_out = np.array(list(distances.values())).T
    ax.bar(at - 0.2, fitted, 0.4, color=MEASURED, label="fitted checkpoints")
    ax.bar(at + 0.2, held_out, 0.4, color=PREDICTED, label="left-out checkpoints")
    ax.axhline(free, color=GREY, lw=0.9, ls="--", label="σ² free at each checkpoint")
    ax.set_xticks(at, [name.replace("_", " ") for name in distances])
    ax.set_ylabel("mean total variation")
    return ax
