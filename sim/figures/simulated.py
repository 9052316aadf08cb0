"""Figures of a simulated trajectory: both phases, order by order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from sim.figures.orders import order_bars
from sim.figures.style import GREY, MEASURED, ORDERS, PREDICTED, STYLE, dense_epoch_axis
from sim.simulation import Trajectory
from theory import learning_thresholds


def two_phases(
    trajectory: Trajectory, epochs: Sequence[float] | None = None, panels: int = 5
) -> Figure:
    """Distribution over orders at a row of epochs, from the start through the minimum to the end.

    Args:
        trajectory: what to draw.
        epochs: which epochs to show, the nearest recorded ones; by default some before and some
            after the epoch of the smallest mean order.
        panels: how many, where `epochs` are not given.
    """
    shown = _nearest(trajectory, epochs) if epochs is not None else _around(trajectory, panels)
    shares = np.asarray(trajectory.distribution)[shown]
    spread = np.asarray(trajectory.distribution_spread)[shown]
    several = trajectory.members.shape[1] > 1
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            1, len(shown), figsize=(2.1 * len(shown), 2.3), sharey=True, squeeze=False
        )
        for i, (ax, at) in enumerate(zip(axes[0], shown, strict=True)):
            order_bars(ax, shares[i], spread=spread[i] if several else None)
            order = f"mean order {float(trajectory.mean_order[at]):.2f}"
            ax.set_title(
                f"epoch {float(trajectory.epochs[at]):g}\n"
                f"{order if shares[i].any() else 'no interactions'}"
            )
            ax.label_outer()
        axes[0, 0].set_ylim(0, 1.08 * float(np.max(shares + spread * several)))
    return figure


def phase_map(trajectory: Trajectory) -> Figure:
    """A heat map of each order's share, and below it mean order and σ² with the thresholds."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            3, 1, figsize=(6.4, 6.6), sharex=True, height_ratios=(1.35, 1, 1.2)
        )
        order_map(axes[0], trajectory)
        simulated_mean_order(axes[1], trajectory)
        schedule_curve(axes[2], trajectory)
        for ax in axes[:2]:
            ax.set_xlabel("")
    return figure


def order_map(ax: Axes, trajectory: Trajectory) -> Axes:
    """Heat map of the share of strength over order × epoch; dark means none."""
    epochs = np.asarray(trajectory.epochs)
    middles = (epochs[1:] + epochs[:-1]) / 2
    first, last = (epochs[0], epochs[-1]) if epochs.size > 1 else (epochs[0] - 0.5, epochs[0] + 0.5)
    edges = np.concatenate([[first], middles, [last]])
    shares = np.asarray(trajectory.distribution).T
    mesh = ax.pcolormesh(
        edges,
        np.arange(trajectory.n + 1) + 0.5,
        shares,
        norm=PowerNorm(0.5, vmin=0, vmax=float(shares.max())),
        rasterized=True,
    )
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.01)
    bar.set_label("share of strength")
    bar.outline.set_visible(False)
    ax.set_yticks(range(1, trajectory.n + 1, 1 if trajectory.n <= 12 else 2))
    ax.set_ylabel("order of interaction")
    return dense_epoch_axis(ax)


def simulated_mean_order(
    ax: Axes, trajectory: Trajectory, *, label: str | None = None, color: str | None = None
) -> Axes:
    """Mean order against the epoch; the band is one standard deviation over members."""
    some = np.asarray(trajectory.strength).any(axis=-1)
    epochs, middle = np.asarray(trajectory.epochs), np.where(some, trajectory.mean_order, np.nan)
    spread = np.asarray(trajectory.mean_order_spread)
    color = color or MEASURED
    ax.plot(epochs, middle, color=color, label=label)
    if np.any(spread > 0):
        ax.fill_between(epochs, middle - spread, middle + spread, color=color, alpha=0.2, lw=0)
    low = trajectory.lowest
    ax.plot(epochs[low], middle[low], "o", color=color, clip_on=False)
    ax.set_ylabel("mean order")
    return dense_epoch_axis(ax)


def schedule_curve(ax: Axes, trajectory: Trajectory) -> Axes:
    """σ² against the epoch, each learning threshold θ_k marked where σ² first crosses it."""
    epochs, sigma2 = np.asarray(trajectory.epochs), np.asarray(trajectory.sigma2)
    positive = sigma2 > 0
    ax.set_yscale("log")
    if np.ptp(sigma2) == 0 < sigma2[0]:  # one level lies in the middle of its axis
        ax.set_ylim(sigma2[0] / 10, sigma2[0] * 10)
    ax.plot(epochs[positive], sigma2[positive], color=PREDICTED)
    marks = []
    thresholds = np.asarray(learning_thresholds(trajectory.n, trajectory.noise))
    for order, theta in enumerate(thresholds):
        at = crossing(epochs, sigma2, float(theta))
        if at is None:
            continue
        marks += ax.plot(at, theta, "o", color=GREY, markersize=3)
        ax.annotate(
            f"θ$_{{{order}}}$",
            (at, theta),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=8,
            color=GREY,
        )
    if marks:
        ax.legend(marks[:1], ["learning threshold θ$_k$ of order $k$"], loc="best")
    ax.set_ylabel("noise variance σ²")
    return dense_epoch_axis(ax)


def order_curves(ax: Axes, trajectory: Trajectory, orders: Sequence[int] | None = None) -> Axes:
    """Strength of each order against the epoch, as a share of its own final strength."""
    n = trajectory.n
    chosen = list(orders or range(1, n + 1))
    epochs, strength = np.asarray(trajectory.epochs), np.asarray(trajectory.strength)
    colors = plt.get_cmap(ORDERS)(np.linspace(0.15, 1, n))
    for order in chosen:
        final = strength[-1, order - 1]
        if final > 0:
            ax.plot(
                epochs, strength[:, order - 1] / final, color=colors[order - 1], label=f"{order}"
            )
    ax.axhline(1, color=GREY, lw=0.6, ls=":")
    ax.set_ylim(0, 1.5)
    ax.set_ylabel("strength / final strength")
    ax.legend(title="order", ncols=2, loc="upper left", bbox_to_anchor=(1, 1))
    return dense_epoch_axis(ax)


def compare_mean_orders(trajectories: Mapping[str, Trajectory]) -> Figure:
    """Mean order of several trajectories against the epoch, their σ² below."""
    with plt.style.context(STYLE):
        figure, (upper, lower) = plt.subplots(2, 1, figsize=(6.0, 4.6), sharex=True)
        colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
        for (name, trajectory), color in zip(trajectories.items(), colors, strict=False):
            simulated_mean_order(upper, trajectory, label=name, color=color)
            lower.plot(trajectory.epochs, trajectory.sigma2, color=color)
        lower.set_yscale("log")
        dense_epoch_axis(lower)
        lower.set_ylabel("noise variance σ²")
        upper.set_xlabel("")
        upper.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def crossing(epochs: ArrayLike, sigma2: ArrayLike, level: float) -> float | None:
    """The epoch at which σ² first crosses a level, on straight lines of ln σ²; or None."""
    times, values = np.asarray(epochs, float), np.asarray(sigma2, float)
    above = values > level
    changes = np.flatnonzero(above[:-1] != above[1:])
    if changes.size == 0:
        return None
    i = changes[0]
    if values[i] == 0 or values[i + 1] == 0:  # a straight line of ln σ² from or to −∞ is a jump
        return float(times[i + 1])
    share = np.log(values[i] / level) / np.log(values[i] / values[i + 1])
    return float(times[i] + share * (times[i + 1] - times[i]))


def _nearest(trajectory: Trajectory, epochs: Sequence[float]) -> list[int]:
    recorded = np.asarray(trajectory.epochs)
    return [int(np.argmin(np.abs(recorded - epoch))) for epoch in epochs]


def _around(trajectory: Trajectory, panels: int) -> list[int]:
    """The start, the end, the smallest mean order, and epochs evenly spread in mean order."""
    some = np.asarray(trajectory.strength).any(axis=-1)
    order = np.where(some, trajectory.mean_order, trajectory.mean_order[int(some.argmax())])
    low, last = trajectory.lowest, order.size - 1
    fallen, risen = np.minimum.accumulate(order[: low + 1]), np.maximum.accumulate(order[low:])
    before = max(0, (panels - 2) // 2) if low > 0 else 0
    after = max(0, panels - 2 - before) if low < last else 0
    chosen = {0, low, last}
    for i in range(1, before + 1):
        level = order[0] + (order[low] - order[0]) * i / (before + 1)
        chosen.add(int(np.argmax(fallen <= level)))
    for i in range(1, after):
        level = order[low] + (order[last] - order[low]) * i / after
        chosen.add(low + int(np.argmax(risen >= level)))
    return sorted(chosen)
