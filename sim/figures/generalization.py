"""Figures of what generalizes: similarity by order, shared and own strength, the separation."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from sim.figures.orders import order_axis
from sim.figures.style import GREEN, PURPLE
from sim.generalization import Generalizable
from sim.separation import Separation

SHARED, OWN = GREEN, PURPLE


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
    order_axis(ax, n, ylabel or "strength (log-odds)")
    ax.set_ylim(auto=True)
    ax.autoscale(axis="y")
    ax.axhline(0, color="black", lw=0.6)
    return ax


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
