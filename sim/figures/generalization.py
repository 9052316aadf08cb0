"""Figures of what generalizes: similarity, shared and own strength, levels, groups, separation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from sim.checks import ArgumentError
from sim.figures.orders import order_axis
from sim.figures.style import BLACK, BLUE, GREEN, PURPLE, STYLE, VERMILLION, epoch_axis
from sim.generalization import GROUPS, Generalizable, InteractionGroups, OverfittingLevel
from sim.separation import Separation

SHARED, OWN = GREEN, PURPLE

SIDE_BY_SIDE = (BLUE, "#E69F00", BLACK, "#56B4E9")  # next to each other told apart in grey too

GROUP_MARKS = {
    "reliable": ("#00513B", ""),
    "withdrawn": ("#F2F2F2", "\\\\"),
    "forgotten": ("#E3C7D8", "...."),
    "betraying": ("#D55E00", "////"),
    "fluctuating": ("#56B4E9", "xxxx"),
}
"""Fill and hatch of each group: told apart without colour too."""


def similarity_map(ax: Axes, epochs: ArrayLike, similarity: ArrayLike) -> AxesImage:
    """Similarity of training and testing interactions: order upwards, checkpoints to the right.

    Args:
        ax: where to draw.
        epochs: (checkpoints,).
        similarity: (checkpoints, n); NaN is left blank.

    Returns:
        The image, for a colour bar.
    """
    values, labels = np.asarray(similarity, float), [f"{e:g}" for e in np.asarray(epochs, float)]
    image = ax.imshow(values.T, origin="lower", aspect="auto", vmin=0, vmax=1)
    ax.set_xticks(range(len(labels)), labels)
    ax.set_yticks(range(values.shape[1]), [str(k) for k in range(1, values.shape[1] + 1)])
    ax.set_xlabel("epoch")
    ax.set_ylabel("order of interaction")
    return image


def split_bars(ax: Axes, found: Generalizable, checkpoint: int, ylabel: str | None = None) -> Axes:
    """Strength by order: positive upwards, negative downwards, generalizable next to zero.

    Args:
        ax: where to draw.
        found: the split strength.
        checkpoint: which one.
        ylabel: of the axis; strength in log-odds by default.
    """
    n = found.shared.shape[-1]
    k = np.arange(1, n + 1)
    for sign, shared, own in (
        (1, found.shared_positive, found.own_positive),
        (-1, found.shared_negative, found.own_negative),
    ):
        near, far = sign * shared[checkpoint], sign * own[checkpoint]
        names = ("generalizable", "not generalizable") if sign > 0 else (None, None)
        ax.bar(k, near, color=SHARED, width=0.8, label=names[0])
        ax.bar(k, far, bottom=near, color=OWN, width=0.8, label=names[1])
    return _about_zero(order_axis(ax, n, ylabel or "strength (log-odds)"))


def signed_bars(
    ax: Axes,
    strengths: Mapping[str, tuple[ArrayLike, ArrayLike]],
    ylabel: str | None = "strength (log-odds)",
) -> Axes:
    """Strength by order of several groups of samples side by side, by the sign of the effects.

    After [Zhang24] Fig. 6.

    Args:
        ax: where to draw.
        strengths: by the group's name, the strength (n,) of its positive interactions, drawn
            upwards, and that of its negative ones (as positive numbers), drawn downwards.
        ylabel: of the axis.

    Raises:
        ValueError: strengths that are not all of one shape (n,).
    """
    groups = {
        name: [np.asarray(part, float) for part in signs] for name, signs in strengths.items()
    }
    shapes = {part.shape for signs in groups.values() for part in signs}
    if len(shapes) != 1 or len(n := min(shapes)) != 1:
        must = "hold arrays of one shape (n,), an entry for each order 1..n"
        raise ArgumentError("strengths", must, f"holds shapes {sorted(shapes)}")
    k, width = np.arange(1, n[0] + 1), 0.8 / len(groups)
    colors = itertools.cycle(SIDE_BY_SIDE)
    for at, (name, (positive, negative)) in enumerate(groups.items()):
        places, color = k + (at - (len(groups) - 1) / 2) * width, next(colors)
        ax.bar(places, positive, width, color=color, label=name)
        ax.bar(places, -negative, width, color=color)
    return _about_zero(order_axis(ax, len(k), ylabel))


def _about_zero(ax: Axes) -> Axes:
    """Opens an axis of strengths downwards, and marks the zero."""
    ax.set_ylim(auto=True)
    ax.autoscale(axis="y")
    ax.axhline(0, color="black", lw=0.6)
    return ax


def overfitting_curves(
    ax: Axes, epochs: ArrayLike, found: OverfittingLevel, chosen: ArrayLike | None = None
) -> Axes:
    """Over-fitting level over the epochs: a thin line for each input, their means thick.

    Args:
        ax: where to draw.
        epochs: (checkpoints,).
        found: by `sim.overfitting_level`; of several runs their mean is drawn.
        chosen: bool (inputs,), to be drawn apart from the others, dashed; without it the band is
            the interval of the mean over inputs.
    """
    times = np.asarray(epochs, float)
    each = found.inputs
    which = np.zeros(each.shape[1], dtype=bool) if chosen is None else np.asarray(chosen)
    sides = [("others" if which.any() else None, ~which, BLUE, "-")]
    if which.any():
        sides.insert(0, ("chosen", which, VERMILLION, "--"))
    for label, side, color, style in sides:
        lines = each[:, side]
        ax.plot(times, lines, color=color, lw=0.4, ls=style, alpha=0.3)
        mean = np.ma.masked_invalid(lines).mean(axis=1).filled(np.nan)
        ax.plot(times, mean, color=color, lw=1.5, ls=style, label=label)
    if chosen is None and found.interval is not None:
        ax.fill_between(times, *found.interval, color=BLUE, alpha=0.4, lw=0)
    ax.set_ylim(0, 1)
    ax.set_ylabel("over-fitting level")
    return epoch_axis(ax, times)


def group_strengths(
    ax: Axes,
    epochs: ArrayLike,
    found: InteractionGroups,
    *,
    share: bool = False,
    legend: bool = True,
) -> Axes:
    """Strength of the five groups of interactions over the epochs, one on the other.

    Args:
        ax: where to draw.
        epochs: (checkpoints,).
        found: by `sim.interaction_groups`, a reconstruction; say so where the figure is shown.
        share: draw each group's part of the strength; blank where nothing is salient.
        legend: name the groups, beside the axes.
    """
    times = np.asarray(epochs, float)
    heights = found.share if share else found.strength.sum(axis=-1)
    tops = np.cumsum(heights, axis=1)
    below = np.where(np.isfinite(tops[:, 0]), 0.0, np.nan)
    for name, top in zip(GROUPS, tops.T, strict=True):
        fill, hatch = GROUP_MARKS[name]
        ax.fill_between(
            times, below, top, facecolor=fill, edgecolor=BLACK, hatch=hatch, lw=0.5, label=name
        )
        below = top
    ax.set_ylim(0, 1 if share else None)
    ax.set_ylabel("share of strength" if share else "strength (log-odds)")
    if legend:
        handles, names = ax.get_legend_handles_labels()
        ax.legend(handles[::-1], names[::-1], loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
    return epoch_axis(ax, times)


def generalization_figure(
    epochs: ArrayLike, level: OverfittingLevel, groups: InteractionGroups
) -> Figure:
    """Over-fitting levels on the left, the strength of the five groups and their shares beside."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(10.8, 3.0), layout="constrained")
        overfitting_curves(axes[0], epochs, level).set_title(f"references: {level.rule}")
        group_strengths(axes[1], epochs, groups, legend=False)
        group_strengths(axes[2], epochs, groups, share=True)
        axes[1].set_title("groups (reconstructed)")
    return figure


def separation_bars(
    ax: Axes,
    found: Separation,
    checkpoint: int,
    strength: ArrayLike,
    *,
    ylabel: str | None = "strength (log-odds)",
) -> Axes:
    """The measured strength as steps, and the decay and the spindle stacked below it.

    The separation is a reconstruction; say so where the figure is shown.

    Args:
        ax: where to draw.
        found: the separation.
        checkpoint: which one.
        strength: (checkpoints, n), what was separated.
        ylabel: of the axis.
    """
    decay, spindle = found.decay[checkpoint], found.spindle[checkpoint]
    k = np.arange(1, decay.size + 1)
    ax.bar(k, decay, color=SHARED, width=0.8, label="decay")
    ax.bar(k, spindle, bottom=decay, color=OWN, width=0.8, label="spindle")
    ax.stairs(
        np.asarray(strength)[checkpoint],
        np.arange(0.5, decay.size + 1),
        color="black",
        lw=1.2,
        label="measured",
    )
    return order_axis(ax, decay.size, ylabel)
