"""The axis of epochs, the same in every figure."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

TICKS = 6  # at most, besides those of epoch 0 and of the first checkpoint after it


def epoch_axis(ax: Axes, epochs: ArrayLike) -> Axes:
    """An epoch axis, logarithmic with 0 on it where the epochs span more than a factor of 30."""
    values = np.asarray(epochs, float)
    positive = values[values > 0]
    if positive.size and positive[-1] / positive[0] > 30:
        ax.set_xscale("symlog", linthresh=positive[0])
        powers = int(np.log(positive[-1] / positive[0]) / np.log(4) + 1e-9)  # of 4, on the axis
        ticks = positive[0] * 4.0 ** np.arange(0, powers + 1, 1 + powers // TICKS)
        ax.set_xticks([*([0.0] if values[0] == 0 else []), *ticks])
        ax.set_xticks([], minor=True)
        ax.xaxis.set_major_formatter("{x:g}")
        left = -0.3 * positive[0] if values[0] == 0 else 0.8 * positive[0]
        ax.set_xlim(left, 1.3 * positive[-1])
    elif np.array_equal(values, np.rint(values)):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    return ax
