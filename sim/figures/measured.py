"""Figures of a measured network beside the theory: dynamics, comparison, noise level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.figures.epochs import epoch_axis
from sim.figures.orders import MEASURED, PREDICTED, order_bars, paired_order_bars
from sim.summary import second_phase, short_label

STYLE = "sim.interdyn"
GREY = "#666666"


def dynamics(fit: Mapping[str, Any], panels: int = 6) -> Figure:
    """Distribution over orders at chosen checkpoints, with loss and mean order beside them.

    Bars are measured; in the second phase dots show what the theory predicts at the fitted σ².
    After [Ren24] Fig. 2 and 4.

    Args:
        fit: content of `fit.json`.
        panels: how many checkpoints to show.
    """
    records = fit["checkpoints"]
    chosen = _spread(records, panels, fit["phases"]["boundary"])
    predicted = second_phase(fit)
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(10.2, 4.4))
        left, right = figure.subfigures(1, 2, width_ratios=(3, 1.45), squeeze=False)[0]
        columns = (len(chosen) + 1) // 2
        axes = left.subplots(2, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for ax, record in zip(axes, chosen, strict=False):
            order_bars(ax, record["measured"], label="measured")
            if any(record is other for other in predicted):
                orders = range(1, len(record["predicted"]) + 1)
                ax.plot(orders, record["predicted"], "o", color=PREDICTED, label="theory")
            ax.set_title(epoch_title(record["epoch"]))
        for ax in axes[::-1]:
            if len(ax.get_legend_handles_labels()[1]) == 2:
                ax.legend(loc="upper right")
                break
        axes[0].set_ylim(0, 1.08 * max(max(record["measured"]) for record in chosen))
        for i, ax in enumerate(axes):
            ax.set_visible(i < len(chosen))
            ax.label_outer()
        upper, lower = right.subplots(2, 1, sharex=True)
        loss_curves(upper, fit)
        mean_order_curve(lower, fit)
        upper.set_xlabel("")
    return figure


def theory_vs_network(fit: Mapping[str, Any], panels: int = 3) -> Figure:
    """Measured and predicted distributions: early, middle and late in the second phase.

    After [Ren24] Fig. 4. Without a two-phase pattern, over all checkpoints.

    Args:
        fit: content of `fit.json`.
        panels: how many checkpoints to show.
    """
    chosen = _spread_evenly(second_phase(fit) or fit["checkpoints"], panels)
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, len(chosen), figsize=(2.9 * len(chosen), 2.7), sharey=True)
        for ax, record in zip(np.atleast_1d(axes), chosen, strict=True):
            paired_order_bars(ax, record["measured"], record["predicted"])
            ax.set_title(
                f"{epoch_title(record['epoch'])}\nσ² = {record['sigma2']:.1e},  "
                f"TV = {record['total_variation']:.3f}"
            )
            ax.label_outer()
        first = np.atleast_1d(axes)[0]
        first.set_ylim(0, 1.08 * max(max(r["measured"] + r["predicted"]) for r in chosen))
        first.legend(loc="upper right")
    return figure


def noise_level(fit: Mapping[str, Any]) -> Figure:
    """Fitted noise variance σ² against the epoch, and how far theory and nulls are off.

    Args:
        fit: content of `fit.json`.
    """
    with plt.style.context(STYLE):
        figure, (upper, lower) = plt.subplots(
            2, 1, figsize=(5.6, 5.4), sharex=True, height_ratios=(1.25, 1)
        )
        noise_curve(upper, fit)
        upper.set_xlabel("")
        misfit_curves(lower, fit)
    return figure


def noise_curve(ax: Axes, fit: Mapping[str, Any]) -> Axes:
    """Fitted σ² against the epoch, with its bootstrap interval where there is one.

    Triangles stand for checkpoints that no σ² inside the searched range fits best. Open symbols are
    those of the first phase, where the theory of the optimum under noise does not claim to hold.
    """
    records = fit["checkpoints"][:-1]  # the last checkpoint is the target itself
    boundary = fit["phases"]["boundary"]
    inside = [r for r in records if r.get("inside", True)]
    ax.set_yscale("log")
    ax.set_ylabel("noise variance σ²")
    intervals = [(r["epoch"], *r["sigma2_interval"]) for r in inside if r.get("sigma2_interval")]
    if intervals:
        at, low, high = zip(*intervals, strict=True)
        label = "95 % bootstrap interval"
        ax.fill_between(at, low, high, color=PREDICTED, alpha=0.2, lw=0, label=label)
    ax.plot([r["epoch"] for r in inside], [r["sigma2"] for r in inside], color=PREDICTED)
    if inside:
        smallest = min(r["sigma2"] for r in inside)
        ax.set_ylim(bottom=smallest / 30)
    names = {"o": "fitted σ²", "v": "σ² → 0", "^": "σ² → ∞", "open": "first phase"}
    for record in reversed(records):
        symbol, height = _noise_symbol(record, ax)
        early = boundary is not None and record["epoch"] < boundary
        face = "white" if early else PREDICTED
        name = names.pop("open" if early and symbol == "o" else symbol, None)
        ax.plot(
            record["epoch"], height, symbol, color=PREDICTED, mfc=face, clip_on=False, label=name
        )
    return _finish(ax, fit, legend=True)


def _noise_symbol(record: Mapping[str, Any], ax: Axes) -> tuple[str, float]:
    """A circle at σ², or a triangle at the edge of the axis where σ² is only a bound."""
    bottom, top = ax.get_ylim()
    if record.get("inside", True):
        return "o", record["sigma2"]
    return ("v", bottom) if record["sigma2"] < 1e-3 else ("^", top)


def misfit_curves(ax: Axes, fit: Mapping[str, Any]) -> Axes:
    """Total variation between the measured and each fitted distribution, against the epoch."""
    records = fit["checkpoints"][:-1]
    epochs = [r["epoch"] for r in records]
    colours = ("#000000", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
    styles = ("--", "-.", ":", (0, (5, 1, 1, 1)), (0, (3, 2)))
    for name, colour, style in zip(records[0]["nulls"], colours, styles, strict=False):
        values = [r["nulls"][name]["total_variation"] for r in records]
        ax.plot(epochs, values, ls=style, color=colour, lw=1.2, label=short_label(name))
    ax.plot(epochs, [r["total_variation"] for r in records], "o-", color=PREDICTED, label="theory")
    ax.set_ylabel("total variation")
    ax.set_ylim(bottom=0)
    return _finish(ax, fit, legend=True)


def loss_curves(ax: Axes, fit: Mapping[str, Any]) -> Axes:
    """Training and test loss, and the gap between them."""
    curves = fit["curves"]
    if not curves.get("train_loss") or not curves.get("test_loss"):
        ax.text(0.5, 0.5, "no loss was recorded", ha="center", transform=ax.transAxes, color=GREY)
        return _finish(ax, fit)
    epochs = [r["epoch"] for r in fit["checkpoints"]]
    train, test = np.array(curves["train_loss"]), np.array(curves["test_loss"])
    ax.plot(epochs, train, color=MEASURED, label="train")
    ax.plot(epochs, test, color=PREDICTED, ls="--", label="test")
    ax.plot(epochs, test - train, color=GREY, lw=1.1, ls=":", label="test − train")
    ax.axhline(0, color=GREY, lw=0.5)
    ax.set_ylabel("loss (nats)")
    return _finish(ax, fit, legend=True)


def mean_order_curve(ax: Axes, fit: Mapping[str, Any]) -> Axes:
    """Mean order of the measured distribution, with the boundary between the phases."""
    epochs = [r["epoch"] for r in fit["checkpoints"]]
    ax.plot(epochs, [r["mean_order"] for r in fit["checkpoints"]], "o-", color=MEASURED)
    ax.set_ylabel("mean order")
    phases = fit["phases"]
    if phases["boundary"] is not None:
        interval = f"95 % interval {phases['low']:g}–{phases['high']:g}"
        ax.set_title(f"boundary: epoch {phases['boundary']:g} ({interval})", loc="left")
    return _finish(ax, fit)


def epoch_title(epoch: float) -> str:
    """How a panel names its epoch."""
    return f"epoch {epoch:g}"


def _finish(ax: Axes, fit: Mapping[str, Any], legend: bool = False) -> Axes:
    """Epoch axis (logarithmic, with 0 on it), the phase boundary as a band, a legend above."""
    epoch_axis(ax, [r["epoch"] for r in fit["checkpoints"]])
    phases = fit["phases"]
    if phases["boundary"] is not None:
        ax.axvspan(phases["low"], phases["high"], color="#999999", alpha=0.18, lw=0)
        ax.axvline(phases["boundary"], color=GREY, lw=0.9, ls=(0, (4, 2)))
    if legend:
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=5, borderaxespad=0.2,
            handlelength=1.8, columnspacing=1.0, handletextpad=0.5,
        )  # fmt: skip
    return ax


def _spread(
    records: Sequence[Mapping[str, Any]], panels: int, boundary: float | None
) -> list[Mapping[str, Any]]:
    """First and last checkpoint, the boundary, and others evenly between them."""
    epochs = [r["epoch"] for r in records]
    if boundary is None or len(records) <= panels:
        return _spread_evenly(records, panels)
    at = int(np.argmin([abs(e - boundary) for e in epochs]))
    before = _spread_evenly(records[: at + 1], max(2, panels // 3 + 1))
    after = _spread_evenly(records[at:], panels - len(before) + 1)
    return [*before, *after[1:]]


def _spread_evenly(records: Sequence[Mapping[str, Any]], panels: int) -> list[Mapping[str, Any]]:
    index = np.unique(np.linspace(0, len(records) - 1, panels).round().astype(int))
    return [records[i] for i in index]


FIGURES = {
    "dynamics": dynamics,
    "theory_vs_network": theory_vs_network,
    "noise_level": noise_level,
}
