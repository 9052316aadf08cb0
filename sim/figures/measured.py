"""Figures of a measured network beside the theory: dynamics, comparison, noise level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from sim.checks import ArgumentError
from sim.document import (
    Checkpoint,
    Document,
    as_document,
    judged,
    noise_text,
    role,
)
from sim.figures.curves import (
    kept_curves,
    legend_above,
    loss_curves,
    mean_order_curve,
    misfit_curves,
    noise_curve,
    pattern_title,
    scale_curve,
    share_curves,
)
from sim.figures.explained import interactions, interactions_over_epochs, samples
from sim.figures.orders import label_lowest, order_bars, paired_order_bars
from sim.figures.style import PREDICTED, STYLE

ABREAST = 4  # panels in a row


def dynamics(
    document: Document | Mapping[str, Any],
    panels: int = 6,
    epochs: Sequence[float] | None = None,
) -> Figure:
    """Distribution over orders at chosen checkpoints, with loss and mean order beside them.

    Bars are measured; dots show what the theory predicts at the fitted σ², at every checkpoint that
    is tested. After [Ren24] Fig. 2 and 4.

    Args:
        document: content of `fit.json`.
        panels: how many checkpoints to show.
        epochs: those of the checkpoints to show, instead.

    Raises:
        ValueError: `epochs` holds one at which there is no checkpoint.
    """
    content = as_document(document)
    if epochs is None:
        chosen = _spread(content.checkpoints, panels, content.phases.boundary)
    else:
        chosen = _at_epochs(content, epochs)
    predicted = judged(content)
    columns = (len(chosen) + 1) // 2
    more = max(0, columns - 3)  # than there is room for in the usual width
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(10.2 + 2.3 * more, 4.4))
        widths = (3 + more, 1.45)
        left, right = figure.subfigures(1, 2, width_ratios=widths, squeeze=False)[0]
        highest = max(max(record.measured) for record in chosen)
        axes = left.subplots(2, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for ax, record in zip(axes, chosen, strict=False):
            order_bars(ax, record.measured, label="measured")
            if any(record is other for other in predicted):
                orders = range(1, len(record.predicted) + 1)
                ax.plot(orders, record.predicted, "o", color=PREDICTED, label="theory")
                highest = max(highest, *record.predicted)
            ax.set_title(_title(content, record))
        named = [ax.get_legend_handles_labels() for ax in axes]
        handles, labels = max(named, key=lambda pair: len(pair[1]))
        left.legend(handles[::-1], labels[::-1], loc="outside upper right", ncols=2)
        axes[0].set_ylim(0, 1.08 * highest)
        label_lowest(axes, len(chosen), columns)
        upper, lower = right.subplots(2, 1, sharex=True)
        loss_curves(upper, content)
        legend_above(upper, columns=2)
        mean_order_curve(lower, content).set_title(pattern_title(content.phases), loc="left")
        upper.set_xlabel("")
    return figure


def theory_vs_network(
    document: Document | Mapping[str, Any],
    panels: int = 3,
    epochs: Sequence[float] | None = None,
) -> Figure:
    """Measured and predicted distributions: early, middle and late among the tested checkpoints.

    After [Ren24] Fig. 4.

    Args:
        document: content of `fit.json`.
        panels: how many checkpoints to show.
        epochs: those of the checkpoints to show, instead.

    Raises:
        ValueError: `epochs` holds one at which there is no checkpoint.
    """
    content = as_document(document)
    if epochs is None:
        chosen = _spread_evenly(judged(content) or content.checkpoints, panels)
    else:
        chosen = _at_epochs(content, epochs)
    columns = min(len(chosen), ABREAST)
    rows = -(-len(chosen) // columns)
    with plt.style.context(STYLE):
        figure, grid = plt.subplots(
            rows, columns, figsize=(2.9 * columns, 2.7 * rows), sharey=True, squeeze=False
        )
        for ax, record in zip(grid.flat, chosen, strict=False):
            paired_order_bars(ax, record.measured, record.predicted)
            ax.set_title(
                f"{_title(content, record)}\n"
                f"σ² {_equals(noise_text(record))},  TV = {record.total_variation:.3f}"
            )
        label_lowest(grid.flat, len(chosen), columns)
        grid[0, 0].set_ylim(0, 1.08 * max(max(r.measured + r.predicted) for r in chosen))
        grid[0, 0].legend(loc="upper right")
    return figure


def theory_vs_networks(
    documents: Mapping[str, Document | Mapping[str, Any]],
    panels: int = 3,
    epochs: Mapping[str, Sequence[float]] | None = None,
) -> Figure:
    """Measured and predicted distributions of several networks, a row for each, early to late.

    Bars are measured, dots are what the theory predicts. After [Ren24] Fig. 4, 8 and 9.

    Args:
        documents: content of each network's `fit.json`, by its name.
        panels: how many of the tested checkpoints to show of each.
        epochs: those of the checkpoints to show of each network, by its name, instead.

    Raises:
        ValueError: no network; or `epochs` lacks one, or holds one at which there is no checkpoint.
    """
    if not documents:
        raise ArgumentError("documents", "hold at least one network", "holds none")
    if epochs is not None and (lacking := documents.keys() - epochs.keys()):
        raise ArgumentError("epochs", f"have an entry for {min(lacking)!r}", "has none")
    contents = {name: as_document(content) for name, content in documents.items()}
    shown = {
        name: _spread_evenly(judged(content) or content.checkpoints, panels)
        if epochs is None
        else _at_epochs(content, epochs[name])
        for name, content in contents.items()
    }
    rows, columns = len(shown), max(len(chosen) for chosen in shown.values())
    with plt.style.context(STYLE):
        figure, grid = plt.subplots(
            rows,
            columns,
            figsize=(0.6 + 2.5 * columns, 0.6 + 1.55 * rows),
            sharey="row",
            squeeze=False,
        )
        for axes, (name, chosen) in zip(grid, shown.items(), strict=True):
            for ax, record in zip(axes, chosen, strict=False):
                order_bars(ax, record.measured, label="measured").set_xlabel("")
                orders = range(1, len(record.predicted) + 1)
                dots = {
                    "color": PREDICTED,
                    "mec": "white",
                    "mew": 0.5,
                    "ms": 5,
                }  # told apart in grey
                ax.plot(orders, record.predicted, "o", label="theory", **dots)
                title = _title(contents[name], record)
                ax.set_title(f"{title}, TV = {record.total_variation:.3f}")
                ax.label_outer()
                ax.tick_params(labelbottom=True)
            for ax in axes[len(chosen) :]:
                ax.set_visible(False)
            axes[0].set(
                ylabel=f"{name}\nshare of strength",
                ylim=(0, 1.08 * max(max(r.measured + r.predicted) for r in chosen)),
            )
        figure.align_ylabels()
        figure.supxlabel("order of interaction", fontsize=9)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def noise_level(document: Document | Mapping[str, Any]) -> Figure:
    """Fitted noise variance σ² against the epoch, and how far theory and nulls are off.

    Args:
        document: content of `fit.json`.
    """
    content = as_document(document)
    with plt.style.context(STYLE):
        figure, (upper, lower) = plt.subplots(
            2, 1, figsize=(6.4, 6.0), sharex=True, height_ratios=(1.25, 1)
        )
        legend_above(noise_curve(upper, content), columns=3)
        upper.set_xlabel("")
        legend_above(misfit_curves(lower, content), columns=4)
    return figure


def size(document: Document | Mapping[str, Any]) -> Figure:
    """What shares do not show: absolute size by order since the start, and beside the theory's.

    Left: the measured shares of the orders. Middle: root mean square of the Möbius interactions of
    each order relative to the first checkpoint, and the mean effect |v(N) − v(∅)| (dashed). Right:
    how large the learned interactions are beside what the theory predicts.

    Args:
        document: content of `fit.json`.
    """
    content = as_document(document)
    with plt.style.context(STYLE):
        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10.4, 3.1))
        share_curves(left, content)
        kept_curves(middle, content)
        scale_curve(right, content)
        handles, labels = max(
            (ax.get_legend_handles_labels() for ax in (left, middle)),
            key=lambda named: len(named[0]),
        )
        if handles:
            figure.legend(handles, labels, title="order", loc="outside right upper", fontsize=7)
    return figure


def draw_figure(
    name: str, document: Document | Mapping[str, Any], epochs: Sequence[float] | None = None
) -> Figure:
    """One of `FIGURES`, with panels of the given epochs where it shows single checkpoints."""
    draw = FIGURES[name]
    return draw(document) if epochs is None or name not in PANELS else draw(document, epochs=epochs)


def _at_epochs(document: Document, epochs: Sequence[float]) -> list[Checkpoint]:
    """The checkpoints at these epochs, in the order of training."""
    held = {record.epoch: record for record in document.checkpoints}
    if missing := sorted(set(epochs) - held.keys()):
        there = ", ".join(f"{epoch:g}" for epoch in held)
        raise ArgumentError("epochs", f"be of {there}", f"holds {missing[0]:g}")
    if not epochs:
        raise ArgumentError("epochs", "name at least one checkpoint", "names none")
    return [held[epoch] for epoch in sorted(set(epochs))]


def _title(document: Document, record: Checkpoint) -> str:
    """How a panel names its checkpoint."""
    part = role(document, record)
    return f"epoch {record.epoch:g}" + (f" ({part})" if part else "")


def _equals(text: str) -> str:
    return f"= {text}" if text[0].isdigit() else text


def _spread(records: Sequence[Checkpoint], panels: int, boundary: float | None) -> list[Checkpoint]:
    """First and last checkpoint, the boundary, and others evenly between them."""
    epochs = [r.epoch for r in records]
    if boundary is None or len(records) <= panels:
        return _spread_evenly(records, panels)
    at = int(np.argmin([abs(e - boundary) for e in epochs]))
    before = _spread_evenly(records[: at + 1], max(2, panels // 3 + 1))
    after = _spread_evenly(records[at:], panels - len(before) + 1)
    return [*before, *after[1:]]


def _spread_evenly(records: Sequence[Checkpoint], panels: int) -> list[Checkpoint]:
    index = np.unique(np.linspace(0, len(records) - 1, panels).round().astype(int))
    return [records[i] for i in index]


FIGURES: dict[str, Callable[..., Figure]] = {
    "dynamics": dynamics,
    "theory_vs_network": theory_vs_network,
    "noise_level": noise_level,
    "size": size,
    "interactions": interactions,
    "interactions_over_epochs": interactions_over_epochs,
    "samples": samples,
}
"""What draws the figures of a fit, by name."""

PANELS = ("dynamics", "theory_vs_network")  # whose panels are single checkpoints
