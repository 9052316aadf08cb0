"""Figures of noise laws: the fit under each of them, and the noise observed directly."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from sim.figures.style import PREDICTED
from sim.fitting import LEMMA1, PAPER, NoiseFit, NoiseLaw, NoiseProfile


def profile_map(ax: Axes, profile: NoiseProfile) -> Axes:
    """Distance of the best fit under each noise law, with the paper's and Lemma 1's laws marked.

    Laws outside the grid are not marked.
    """
    rows, columns = np.arange(profile.growth.size), np.arange(profile.correlation.size)
    most = float(np.quantile(profile.distance, 0.95))
    image = ax.imshow(profile.distance, origin="lower", aspect="auto", cmap="cividis_r", vmax=most)
    ax.set_xticks(columns, [f"{c:.2f}" for c in profile.correlation])
    ax.set_yticks(rows, [f"{g:g}" for g in profile.growth])
    laws = {"paper": (PAPER, "o"), "Lemma 1": (LEMMA1, "s"), "best": (profile.best, "*")}
    for name, (law, mark) in laws.items():
        y = np.interp(np.log(law.growth), np.log(profile.growth), rows, np.nan, np.nan)
        x = np.interp(law.correlation, profile.correlation, columns, np.nan, np.nan)
        if np.isfinite(x + y):
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
