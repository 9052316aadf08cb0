"""Figures of fits: theory beside null models, phases beside the loss gap, schedules, noise laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sim.figures.epochs import epoch_axis
from sim.figures.orders import MEASURED, PREDICTED
from sim.fitting import NoiseFit
from sim.noise_law import NoiseLaw
from sim.noise_profile import NoiseProfile
from sim.phases import Phases

GREY = "#666666"
NULL_COLOURS = {"frozen": "#000000", "tilt": "#0072B2", "binomial": "#009E73", "cut_off": "#CC79A7"}
NULL_MARKS = {"frozen": "s", "tilt": "^", "binomial": "v", "cut_off": "D"}


def noise_levels(ax: Axes, fit: NoiseFit, label: str | None = None, color: str = PREDICTED) -> Axes:
    """Fitted σ² against the epoch, with its interval; mere bounds are left out."""
    inside = np.flatnonzero(fit.inside)
    ax.plot(fit.epochs[inside], fit.sigma2[inside], "o-", color=color, label=label)
    if fit.comparison is not None and inside.size:
        low, high = (end[inside] for end in fit.comparison.sigma2_interval)
        ax.fill_between(fit.epochs[inside], low, high, color=color, alpha=0.18, lw=0)
        lowest = max(low.min(), 1e-3 * fit.sigma2[inside].min())
        bottom, top = ax.get_ylim() if ax.get_yscale() == "log" else (np.inf, 0.0)
        ax.set_yscale("log")
        ax.set_ylim(min(bottom, 0.5 * lowest), max(top, 2 * high.max()))
    ax.set_yscale("log")
    ax.set_ylabel("noise variance σ²")
    return epoch_axis(ax, fit.epochs)


def model_distances(ax: Axes, fit: NoiseFit) -> Axes:
    """Total variation of the theory and of every null model, against the epoch.

    A filled mark is a null model from which the bootstrap tells the theory apart at that
    checkpoint; a hollow one is not distinguishable from it.
    """
    epochs = fit.epochs[:-1]
    for name, null in fit.nulls.items():
        colour, values = NULL_COLOURS[name], null.total_variation[:-1]
        ax.plot(epochs, values, color=colour, lw=0.9, alpha=0.7)
        told = np.zeros(len(epochs), dtype=bool)
        if fit.comparison is not None:
            verdict = fit.comparison.differences[name].verdict[:-1]
            told = np.array([word in ("better", "worse") for word in verdict])
        style: dict[str, Any] = {"ls": "none", "marker": NULL_MARKS[name], "color": colour}
        ax.plot(epochs[told], values[told], **style)
        ax.plot(epochs[~told], values[~told], mfc="white", **style)
        ax.plot([], [], marker=NULL_MARKS[name], color=colour, lw=0.9, label=name.replace("_", "-"))
    ax.plot(epochs, fit.total_variation[:-1], "o-", color=PREDICTED, label="theory")
    ax.set_ylabel("total variation")
    ax.set_ylim(bottom=0)
    return epoch_axis(ax, fit.epochs)


def phase_curve(ax: Axes, phases: Phases) -> Axes:
    """Mean order against the epoch with its standard error, and the boundary's interval."""
    ax.fill_between(
        phases.epochs,
        phases.mean_order - phases.spread,
        phases.mean_order + phases.spread,
        color=MEASURED,
        alpha=0.2,
        lw=0,
    )
    ax.plot(phases.epochs, phases.mean_order, "o-", color=MEASURED)
    ax.set_ylabel("mean order")
    return _boundary(epoch_axis(ax, phases.epochs), phases)


def loss_gap_curve(ax: Axes, phases: Phases) -> Axes:
    """Test loss − training loss against the epoch, with its onset and the phases' boundary."""
    if phases.loss_gap is not None:
        ax.plot(phases.epochs, phases.loss_gap, "o-", color=GREY)
    if phases.onset is not None and phases.loss_gap is not None:
        at = int(np.flatnonzero(phases.epochs == phases.onset)[0])
        ax.plot(
            phases.onset, phases.loss_gap[at], "*", ms=11, color=PREDICTED, label="onset of the gap"
        )
    ax.axhline(0, color=GREY, lw=0.5)
    ax.set_ylabel("loss gap (nats)")
    return _boundary(epoch_axis(ax, phases.epochs), phases)


def _boundary(ax: Axes, phases: Phases) -> Axes:
    if phases.boundary is not None and phases.low is not None and phases.high is not None:
        ax.axvspan(phases.low, phases.high, color="#999999", alpha=0.18, lw=0)
        ax.axvline(phases.boundary, color=GREY, lw=0.9, ls=(0, (4, 2)))
    return ax


def profile_map(ax: Axes, profile: NoiseProfile) -> Axes:
    """Distance of the best fit under each noise law, with the paper's and Lemma 1's laws marked."""
    rows, columns = np.arange(profile.growth.size), np.arange(profile.correlation.size)
    image = ax.imshow(profile.distance, origin="lower", aspect="auto", cmap="cividis_r",
                      vmax=float(np.quantile(profile.distance, 0.95)))  # fmt: skip
    ax.set_xticks(columns, [f"{c:.2f}" for c in profile.correlation])
    ax.set_yticks(rows, [f"{g:g}" for g in profile.growth])
    marks = {"paper": (2.0, 0.0, "o"), "Lemma 1": (2.0, -(0.5**0.5), "s")}
    best = float(profile.best.growth), float(profile.best.correlation)
    for name, (growth, correlation, mark) in {**marks, "best": (*best, "*")}.items():
        y = np.interp(np.log(growth), np.log(profile.growth), rows)
        x = np.interp(correlation, profile.correlation, columns)
        ax.plot(x, y, mark, mfc="none", mec="black", mew=1.6, ms=10, ls="none", label=name)
    ax.set_xlabel("correlation c of the noise")
    ax.set_ylabel("growth g of its variance per order")
    ax.figure.colorbar(image, ax=ax, label="mean distance", extend="max")
    return ax


def law_scatter(ax: Axes, law: NoiseLaw, fit: NoiseFit) -> Axes:
    """Fitted σ² of each checkpoint beside the one observed directly, both on log axes."""
    at = [int(np.argmin(abs(fit.epochs - epoch))) for epoch in law.epochs]
    fitted = np.where(fit.inside[at], fit.sigma2[at], np.nan)
    ax.errorbar(law.sigma2, fitted, xerr=law.sigma2_error, fmt="o", color=PREDICTED, ms=4)
    for x, y, epoch in zip(law.sigma2, fitted, law.epochs, strict=True):
        if np.isfinite(y):
            ax.annotate(f"{epoch:g}", (x, y), textcoords="offset points", xytext=(5, 3), size=7.5)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("observed σ², relative to (v(N) − v(∅))²")
    ax.set_ylabel("fitted σ²")
    return ax


def held_out_bars(ax: Axes, distances: Mapping[str, tuple[float, float]], free: float) -> Axes:
    """Distance of each schedule where it was fitted and where it was not.

    Args:
        ax: where to draw.
        distances: by name of the family, (fitted, held out).
        free: distance with one free σ² for each checkpoint.
    """
    at = np.arange(len(distances))
    fitted, held_out = np.array(list(distances.values())).T
    ax.bar(at - 0.2, fitted, 0.4, color=MEASURED, label="fitted checkpoints")
    ax.bar(at + 0.2, held_out, 0.4, color=PREDICTED, label="left-out checkpoints")
    ax.axhline(free, color=GREY, lw=0.9, ls="--", label="σ² free at each checkpoint")
    ax.set_xticks(at, [name.replace("_", " ") for name in distances])
    ax.set_ylabel("mean total variation")
    return ax
