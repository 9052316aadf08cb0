"""Figures of what becomes of the initial interactions: absolute size by order, and overlap."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from sim.dilution import Retention
from sim.figures.style import GREY, STYLE, epoch_axis, order_colors


def retention_curves(
    ax: Axes, epochs: ArrayLike, found: Retention, quantity: str = "size", *, legend: bool = True
) -> Axes:
    """Size of each order's interactions relative to the start, or their overlap with it.

    Sizes are on a logarithmic axis; the dashed line is the mean effect |v(N) − v(∅)|. Bands are
    bootstrap intervals over inputs.

    Args:
        ax: where to draw.
        epochs: (checkpoints,).
        found: by `sim.retention`.
        quantity: `size` or `overlap`.
        legend: name the orders.
    """
    times = np.asarray(epochs, float)
    values, interval = getattr(found, quantity), getattr(found, f"{quantity}_interval")
    n = values.shape[1]
    for order, color in enumerate(order_colors(n), start=1):
        curve = np.where(np.isfinite(values[:, order - 1]), values[:, order - 1], np.nan)
        ax.plot(times, curve, color=color, lw=1.2, label=f"{order}")
        if interval is not None:
            low, high = interval[:, :, order - 1]
            ax.fill_between(times, low, high, color=color, alpha=0.12, lw=0)
    if quantity == "size":
        ax.plot(times, found.effect, color=GREY, lw=1.2, ls="--", label="|v(N) − v(∅)|")
        ax.set_yscale("log")
        ax.set_ylabel("size / initial size")
    else:
        ax.set_ylabel("overlap with the start")
    ax.axhline(1, color=GREY, lw=0.6, ls=":")
    if legend:
        ax.legend(title="order", loc="upper left", bbox_to_anchor=(1, 1.03), fontsize=7)
    return epoch_axis(ax, times)


def retention_figure(epochs: ArrayLike, found: Retention) -> Figure:
    """Size by order on the left, overlap with the start on the right."""
    with plt.style.context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2))
        retention_curves(left, epochs, found, "size", legend=False)
        retention_curves(right, epochs, found, "overlap", legend=False)
        handles = left.get_legend_handles_labels()
        figure.legend(*handles, title="order", loc="outside right upper", fontsize=7)
    return figure
