"""Bars over orders: the one way in which every figure draws a distribution of strength."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from sim.checks import ArgumentError
from sim.figures.style import MEASURED, PREDICTED


def order_axis(ax: Axes, n: int, ylabel: str | None = "share of strength") -> Axes:
    """Labels an axis that runs over the orders 1..n; thins the ticks where they would crowd."""
    step = 1 if n <= 12 else 2 if n <= 20 else 4
    ax.set_xticks(range(1, n + 1, step))
    ax.set_xlim(0.3, n + 0.7)
    ax.set_xlabel("order of interaction")
    if ylabel is not None:
        ax.set_ylabel(ylabel)
    ax.set_ylim(bottom=0)
    return ax


def order_bars(
    ax: Axes,
    distribution: ArrayLike,
    *,
    label: str | None = None,
    color: str | None = None,
    spread: ArrayLike | None = None,
) -> Axes:
    """Draws a distribution over the orders 1..n as bars.

    Args:
        ax: where to draw.
        distribution: (n,), a share (or a strength) for each order 1..n.
        label: name in a legend.
        color: of the bars; the colour of measured values by default.
        spread: (n,) half-lengths of error bars, or (2, n) lengths below and above.

    Returns:
        `ax`.

    Raises:
        ValueError: a distribution that is not of shape (n,), or a spread that does not fit it.
    """
    values = _shares(distribution, "distribution")
    _bars(ax, values, 0.0, 0.8, label, color or MEASURED, spread)
    return order_axis(ax, values.size)


def paired_order_bars(
    ax: Axes,
    measured: ArrayLike,
    predicted: ArrayLike,
    *,
    labels: tuple[str | None, str | None] = ("measured", "theory"),
    spread: ArrayLike | None = None,
) -> Axes:
    """Draws two distributions over the orders 1..n side by side, measured left of predicted.

    Args:
        ax: where to draw.
        measured: (n,), a share for each order 1..n.
        predicted: (n,), the same for the theory.
        labels: names of the two in a legend.
        spread: error bars of the measured bars, as in `order_bars`.

    Returns:
        `ax`.

    Raises:
        ValueError: the two differ in shape, or are not of shape (n,).
    """
    left, right = _shares(measured, "measured"), _shares(predicted, "predicted")
    if left.shape != right.shape:
        raise ValueError(
            f"Arguments `measured` and `predicted` must have the same shape, but have shapes "
            f"{left.shape} and {right.shape}."
        )
    _bars(ax, left, -0.2, 0.4, labels[0], MEASURED, spread)
    _bars(ax, right, 0.2, 0.4, labels[1], PREDICTED, None)
    return order_axis(ax, left.size)


def label_lowest(axes: Iterable[Axes], count: int, columns: int) -> None:
    """Leaves the order's axis to the lowest panel of each column, and hides panels past `count`."""
    for at, ax in enumerate(axes):
        ax.set_visible(at < count)
        ax.label_outer()
        if at < count <= at + columns:
            ax.set_xlabel("order of interaction")
            ax.tick_params(labelbottom=True)


def _shares(values: ArrayLike, name: str) -> np.ndarray:
    array = np.asarray(values, float)
    if array.ndim != 1 or array.size == 0:
        raise ArgumentError(
            name, "have shape (n,), one entry for each order 1..n", f"has shape {array.shape}"
        )
    return array


def _bars(
    ax: Axes,
    values: np.ndarray,
    shift: float,
    width: float,
    label: str | None,
    color: str,
    spread: ArrayLike | None,
) -> None:
    error: dict[str, Any] = {}
    if spread is not None:
        yerr = np.asarray(spread, float)
        if yerr.shape not in (values.shape, (2, *values.shape)):
            raise ArgumentError(
                "spread",
                f"have shape {values.shape} or {(2, *values.shape)}",
                f"has shape {yerr.shape}",
            )
        error = {"yerr": yerr, "error_kw": {"elinewidth": 0.8, "ecolor": "#333333"}}
    orders = np.arange(1, values.size + 1)
    ax.bar(orders + shift, values, width=width, label=label, color=color, **error)
