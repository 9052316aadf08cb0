"""Curves against the epoch of a fit: noise level, distance of each model, mean order, losses.

Each draws a `Document`, or the plain values that make one (those of a `fit.json`, or of
`sim.document.findings`), so that a saved fit and a new one look the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.path import Path

from sim.dilution import Retention
from sim.document import Checkpoint, Document, FoundPhases, as_document, short_label
from sim.figures.retention import retention_curves
from sim.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    MEASURED,
    PREDICTED,
    PURPLE,
    epoch_axis,
    order_colors,
)
from sim.fitting import BETTER, SHARES, WORSE
from sim.phases import Phases

NULLS = {
    "frozen": (BLACK, "s"),
    "tilt": (BLUE, "^"),
    "binomial": (GREEN, "v"),
    "cut_off": (PURPLE, "D"),
}

DOWNWARDS = np.array(  # an arrow with its tip at the origin
    [(0, 0), (0.75, 1), (0.25, 1), (0.25, 2), (-0.25, 2), (-0.25, 1), (-0.75, 1), (0, 0)]
)
UPWARDS = DOWNWARDS * [1, -1]

SYMBOLS = {
    None: ("o", 4.0, "fitted σ²"),
    "at_most": ("v", 5.0, "σ² at most"),
    "at_least": ("^", 5.0, "σ² at least"),
    "zero": (Path(DOWNWARDS), 16.0, "σ² → 0"),
    "infinite": (Path(UPWARDS), 16.0, "σ² → ∞"),
}
"""Mark, its size and its name, by what σ² is (`NoiseFit.bound`); nothing marks an open one."""


def noise_curve(ax: Axes, document: Document | Mapping[str, Any], color: str = PREDICTED) -> Axes:
    """Fitted σ² against the epoch, with its bootstrap interval where there is one.

    Where the data give a bound only (`NoiseFit.bound`), triangles stand for σ² at most or at least
    what is drawn, and arrows at the axis's edge for σ² → 0 or → ∞. Hollow marks are those of the
    first phase. Crosses are σ² at the other end of the preference, where it was fitted too.
    """
    document = as_document(document)
    records = [r for r in document.checkpoints[:-1] if r.tested]
    boundary = document.phases.boundary
    bottom, top = _noise_limits(records)
    ax.set_yscale("log")
    ax.set_ylim(bottom, top)
    ax.set_ylabel("noise variance σ²")
    _fill_intervals(ax, [r for r in records if not r.bound], document.options.level, color)
    _mark_runs(ax, [r for r in records if not r.bound])
    levels = [np.nan if r.bound else r.sigma2 for r in records]
    ax.plot([r.epoch for r in records], levels, color=color)
    heights = {"zero": bottom, "infinite": top}
    marked = [r for r in records if r.bound != "any"]
    early = [r for r in marked if boundary is not None and r.epoch < boundary]
    for record in marked:
        symbol, size, _ = SYMBOLS[record.bound]
        ax.plot(
            record.epoch,
            heights.get(record.bound or "", record.sigma2),
            marker=symbol,
            ms=size,
            color=color,
            mfc="white" if record in early else color,
            clip_on=False,
        )
    found = {record.bound for record in marked}
    for bound, (symbol, size, name) in SYMBOLS.items():
        if bound in found:
            if isinstance(symbol, Path):
                vertices = np.asarray(symbol.vertices)
                symbol, size = Path(vertices - vertices[3] / 2), 9.0  # in the middle of its line
            ax.plot([], [], ls="none", marker=symbol, ms=size, color=color, label=name)
    if early:
        ax.plot([], [], "o", color=color, mfc="white", label="hollow: first phase")
    others = [(r.epoch, r.other.sigma2) for r in records if r.other and not r.other.bound]
    if others:
        ax.plot(*zip(*others, strict=True), "x", color=GREY, ms=5, label="other end of prefer")
    return _against_epochs(ax, document)


def _noise_limits(records: Sequence[Checkpoint]) -> tuple[float, float]:
    """Limits that hold every σ² with room for its interval, and bounds at either edge."""
    shown = [r for r in records if r.bound not in ("zero", "infinite", "any")]
    levels = [r.sigma2 for r in shown]
    levels += [r.other.sigma2 for r in records if r.other and not r.other.bound]
    lowest, highest = min(levels, default=1e-3), max(levels, default=1e-1)
    ends = [end for r in shown if not r.bound for end in r.sigma2_interval or ()]
    low = max(min(ends, default=lowest), lowest / 10)
    high = min(max(ends, default=highest), highest * 10)
    return min(low, lowest) / 3, max(high, highest) * 3


def _fill_intervals(ax: Axes, records: Sequence[Checkpoint], level: float, color: str) -> None:
    intervals = [(r.epoch, *r.sigma2_interval) for r in records if r.sigma2_interval]
    if intervals:
        at, low, high = zip(*intervals, strict=True)
        label = f"{100 * level:g} % interval over inputs"
        if len(at) > 1:
            ax.fill_between(at, low, high, color=color, alpha=0.2, lw=0, label=label)
        else:  # a band of no width would not be seen
            ax.vlines(at, low, high, color=color, lw=1.1, label=label)


def _mark_runs(ax: Axes, records: Sequence[Checkpoint]) -> None:
    """Intervals of σ² over training runs, as bars."""
    of_runs = [(r.epoch, *r.run_sigma2_interval) for r in records if r.run_sigma2_interval]
    if of_runs:
        at, low, high = zip(*of_runs, strict=True)
        ax.vlines(at, low, high, color=GREY, lw=1.1, label="interval over training runs")


def misfit_curves(ax: Axes, document: Document | Mapping[str, Any]) -> Axes:
    """Total variation between the measured and each fitted distribution, against the epoch.

    A filled mark is a null model from which the theory is told apart at that checkpoint; a hollow
    one is not, or not at both ends of the preference. Beside families of interactions those of
    shares are thin grey lines. What is much farther off than the theory (as the frozen target is)
    leaves the axis, and the legend says how far.
    """
    document = as_document(document)
    records = [r for r in document.checkpoints[:-1] if r.tested]
    if not records:
        ax.text(0.5, 0.5, "nothing is tested", ha="center", transform=ax.transAxes, color=GREY)
        return _against_epochs(ax, document)
    epochs = [r.epoch for r in records]
    names = list(records[0].nulls)
    of_shares = [name for name in names if name.startswith(SHARES)]
    if of_shares == names:  # a direct comparison has no others
        of_shares = []
    for name in of_shares:
        label = "families of shares" if name == of_shares[0] else None
        curve = [r.nulls[name].total_variation for r in records]
        ax.plot(epochs, curve, color=GREY, lw=0.6, ls=":", label=label)
    for name in [name for name in names if name not in of_shares]:
        color, mark = NULLS.get(name.removeprefix(SHARES), (GREY, "o"))
        nulls = [r.nulls[name] for r in records]
        ax.plot(epochs, [null.total_variation for null in nulls], color=color, lw=0.9, alpha=0.7)
        for told, face in ((True, color), (False, "white")):
            points = [
                (epoch, null.total_variation)
                for epoch, null in zip(epochs, nulls, strict=True)
                if (null.verdict in (BETTER, WORSE)) == told
            ]
            if points:
                ax.plot(*zip(*points, strict=True), mark, color=color, mfc=face)
        ax.plot([], [], marker=mark, color=color, lw=0.9, label=short_label(name))
    if any(null.verdict for record in records for null in record.nulls.values()):
        ax.plot([], [], "o", color=GREY, mfc="white", label="hollow: not told apart")
    ax.plot(epochs, [r.total_variation for r in records], "o-", color=PREDICTED, label="theory")
    others = [(r.epoch, r.other.total_variation) for r in records if r.other]
    if others:
        ax.plot(
            *zip(*others, strict=True), "--", color=PREDICTED, lw=0.9, label="theory, other end"
        )
    near = [
        null.total_variation
        for r in records
        for name, null in r.nulls.items()
        if name not in of_shares and name.removeprefix(SHARES) in ("tilt", "cut_off")
    ]
    ax.set_ylabel("total variation")
    top = 1.15 * max([*near, *(r.total_variation for r in records), 0.05])
    ax.set_ylim(0, top)
    _name_what_leaves(ax, records, [name for name in names if name not in of_shares], top)
    return _against_epochs(ax, document)


def _name_what_leaves(
    ax: Axes, records: Sequence[Checkpoint], names: Sequence[str], top: float
) -> None:
    """A line of the legend for each model that is farther off than the axis reaches."""
    for name in names:
        most = max(record.nulls[name].total_variation for record in records)
        if most > top:
            ax.plot([], [], " ", label=f"↑ {short_label(name)} up to {most:.2f}")


def scale_curve(ax: Axes, document: Document | Mapping[str, Any]) -> Axes:
    """How large the learned interactions are beside what the theory predicts, against the epoch.

    1 is the theory's own size at the fitted σ²; it predicts shares, and the size is read off.
    """
    document = as_document(document)
    points = [(r.epoch, r.scale) for r in document.checkpoints[1:] if r.scale]
    if points:
        ax.plot(*zip(*points, strict=True), "o-", color=PREDICTED)
    ax.axhline(1, color=GREY, lw=0.6, ls=":")
    ax.set_yscale("log")
    ax.set_ylabel("size / theory's size")
    return _against_epochs(ax, document)


def share_curves(ax: Axes, document: Document | Mapping[str, Any]) -> Axes:
    """Measured share of each order against the epoch, and its interval over inputs."""
    document = as_document(document)
    records = document.checkpoints
    epochs = [r.epoch for r in records]
    shares = np.array([r.measured for r in records])
    for k, color in enumerate(order_colors(shares.shape[1])):
        ax.plot(epochs, shares[:, k], color=color, lw=1.2, label=f"{k + 1}")
        if all(r.measured_interval for r in records):
            low, high = np.array([r.measured_interval for r in records])[:, :, k].T
            ax.fill_between(epochs, low, high, color=color, alpha=0.12, lw=0)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("share of strength")
    return _against_epochs(ax, document)


def kept_curves(ax: Axes, document: Document | Mapping[str, Any]) -> Axes:
    """Absolute size of each order's Möbius interactions relative to the start (`sim.retention`)."""
    document = as_document(document)
    kept = document.retention
    if kept is None:
        ax.text(0.5, 0.5, "not followed", ha="center", transform=ax.transAxes, color=GREY)
        return _against_epochs(ax, document)
    found = Retention(
        *(np.array(part, float) for part in (kept.size, kept.overlap, kept.effect)),
        *(
            None if part is None else np.array(part, float)
            for part in (kept.size_interval, kept.overlap_interval)
        ),
    )
    retention_curves(ax, [r.epoch for r in document.checkpoints], found, legend=False)
    return _against_epochs(ax, document)


def mean_order_curve(ax: Axes, document: Document | Mapping[str, Any]) -> Axes:
    """Mean order of the measured distribution against the epoch, with its standard error over
    inputs; thin lines are single training runs.
    """
    document = as_document(document)
    records, spread = document.checkpoints, document.phases.spread
    epochs = [r.epoch for r in records]
    means = [np.nan if r.mean_order is None else r.mean_order for r in records]
    if spread:
        low, high = zip(*((m - s, m + s) for m, s in zip(means, spread, strict=True)), strict=True)
        ax.fill_between(epochs, low, high, color=MEASURED, alpha=0.2, lw=0)
    for course in document.phases.run_mean_order or ():
        ax.plot(epochs, course, color=MEASURED, lw=0.7, alpha=0.6)
    ax.plot(epochs, means, "o-", color=MEASURED)
    ax.set_ylabel("mean order")
    return _against_epochs(ax, document)


def pattern_title(phases: FoundPhases | Phases) -> str:
    """The pattern of the mean order in a few words; in brackets the boundary's interval."""
    if phases.boundary is not None:
        return f"orders rise from epoch {phases.boundary:g} ({phases.low:g}–{phases.high:g})"
    return {"rises": "rises throughout", "falls": "falls throughout"}.get(
        phases.pattern or "", phases.pattern or ""
    )


def loss_curves(ax: Axes, document: Document | Mapping[str, Any]) -> Axes:
    """Training and test loss against the epoch, and the gap between them."""
    document = as_document(document)
    train, test = (document.curves.get(name) for name in ("train_loss", "test_loss"))
    if not train and not test:
        ax.text(0.5, 0.5, "no loss was recorded", ha="center", transform=ax.transAxes, color=GREY)
        return _against_epochs(ax, document)
    epochs = [r.epoch for r in document.checkpoints]
    if train:
        ax.plot(epochs, train, color=MEASURED, label="train")
    if test:
        ax.plot(epochs, test, color=PREDICTED, ls="--", label="test")
        least = int(np.argmin(test))
        ax.plot(epochs[least], test[least], "v", ms=6, color=PREDICTED, label="least test loss")
    if train and test:
        gap = [b - a for a, b in zip(train, test, strict=True)]
        ax.plot(epochs, gap, color=GREY, lw=1.1, ls=":", label="test − train")
        onset = document.phases.gap_onset
        if onset is not None:
            height = gap[epochs.index(onset)]
            ax.plot(onset, height, "*", ms=9, color=GREY, label="leaves its noise")
    ax.axhline(0, color=GREY, lw=0.5)
    ax.set_ylabel("loss (nats)")
    return _against_epochs(ax, document)


def loss_gap_curve(ax: Axes, document: Document | Mapping[str, Any]) -> Axes:
    """Test loss − training loss against the epoch, and where it leaves its own noise."""
    document = as_document(document)
    epochs = [r.epoch for r in document.checkpoints]
    gap, onset = document.phases.loss_gap, document.phases.gap_onset
    if gap:
        ax.plot(epochs, gap, "o-", color=GREY)
        if onset is not None:
            height = gap[epochs.index(onset)]
            ax.plot(onset, height, "*", ms=11, color=PREDICTED, label="leaves its noise")
    ax.axhline(0, color=GREY, lw=0.5)
    ax.set_ylabel("loss gap (nats)")
    return _against_epochs(ax, document)


def _against_epochs(ax: Axes, document: Document) -> Axes:
    """Epoch axis (logarithmic, with 0 on it), and the phase boundary with its interval."""
    mark_boundary(ax, document.phases)
    return epoch_axis(ax, [r.epoch for r in document.checkpoints])


def mark_boundary(ax: Axes, phases: FoundPhases | Phases) -> None:
    """The phase boundary, if there is one, with its interval."""
    if phases.boundary is not None:
        if phases.low is not None and phases.high is not None:
            ax.axvspan(phases.low, phases.high, color="#999999", alpha=0.18, lw=0)
        ax.axvline(phases.boundary, color=GREY, lw=0.9, ls=(0, (4, 2)))


def legend_above(ax: Axes, columns: int = 5) -> None:
    """A legend in one row above the axes, where it hides nothing; none where nothing is named."""
    if not ax.get_legend_handles_labels()[0]:
        return
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.02),
        ncols=columns,
        borderaxespad=0.2,
        handlelength=1.8,
        columnspacing=1.0,
        handletextpad=0.5,
    )
