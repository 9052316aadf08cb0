"""The figure of orders over training where some of the masked inputs were measured."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from sim.checks import ArgumentError
from sim.explanation import spread_checkpoints
from sim.figures.curves import mark_boundary, pattern_title
from sim.figures.orders import label_lowest, order_bars
from sim.figures.style import GREY, MEASURED, STYLE, epoch_axis
from sim.phases import Phases
from theory import mean_order


def sampled_figure(
    epochs: ArrayLike,
    shares: ArrayLike,
    held_out: ArrayLike,
    enough: float,
    phases: Phases | None = None,
    *,
    panels: int = 6,
    chosen: Sequence[float] | None = None,
) -> Figure:
    """Shares of the orders, the mean order, and how well masks that were kept aside are predicted.

    Checkpoints at which the masks were not enough have no bars and no mean order.

    Args:
        epochs: (checkpoints,).
        shares: (checkpoints, n), NaN where the masks were not enough.
        held_out: (checkpoints, samples), R² on the masks kept aside.
        enough: the R² from which on they were.
        phases: over the other checkpoints, or None.
        panels: how many checkpoints have bars.
        chosen: epochs of those, instead.

    Raises:
        ValueError: one of the chosen is no checkpoint, or one at which the masks were not enough.
    """
    times, rows = np.asarray(epochs, float), np.asarray(shares, float)
    known = np.flatnonzero(np.isfinite(rows).all(axis=1))
    if chosen is None:
        shown = known[spread_checkpoints(len(known), panels)] if known.size else known
    else:
        shown = known[np.isin(times[known], chosen)]
        if missing := sorted(set(chosen) - set(times[shown].tolist())):
            there = ", ".join(f"{epoch:g}" for epoch in times[known])
            must = f"be of {there or 'none'}, where the masks were enough"
            raise ArgumentError("epochs", must, f"holds {missing[0]:g}")
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(10.2, 4.4))
        left, right = figure.subfigures(1, 2, width_ratios=(3, 1.45), squeeze=False)[0]
        columns = max(1, (len(shown) + 1) // 2)
        axes = left.subplots(2, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for ax, at in zip(axes, shown, strict=False):
            order_bars(ax, rows[at]).set_title(f"epoch {times[at]:g}")
        axes[0].set_ylim(0, 1.08 * rows[shown].max(initial=0.0) or 1.0)
        label_lowest(axes, len(shown), columns)
        upper, lower = right.subplots(2, 1, sharex=True)
        _fits(upper, times, np.asarray(held_out, float), enough)
        lower.plot(times, mean_order(rows), "o-", color=MEASURED)
        lower.set_ylabel("mean order")
        if phases is not None:
            lower.set_title(pattern_title(phases), loc="left")
            mark_boundary(lower, phases)
        epoch_axis(lower, times)
    return figure


def _fits(ax: Axes, epochs: np.ndarray, held_out: np.ndarray, enough: float) -> None:
    """R² of every sample, and that of the median sample; below 0 as 0."""
    fits = np.clip(np.nan_to_num(held_out), 0.0, 1.0)
    ax.plot(epochs, fits, color=GREY, lw=0.6, alpha=0.5)
    ax.plot(epochs, np.median(fits, axis=1), "o-", color=MEASURED)
    ax.axhline(enough, color=GREY, lw=0.8, ls="--")
    ax.set_ylim(-0.05, 1.05)
    ax.set_ylabel("R² kept aside")
