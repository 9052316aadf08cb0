"""Writing figures: PNG to look at, SVG to print, equal bytes for equal figures."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from sim.files import atomic_path

FORMATS = ("png", "svg")


def figure_paths(folder: str | Path, name: str) -> list[Path]:
    """The files that `save_figure` writes."""
    return [Path(folder) / f"{name}.{suffix}" for suffix in FORMATS]


def save_figure(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Writes a figure as PNG and SVG, closes it, and returns the paths."""
    paths = figure_paths(folder, name)
    with plt.style.context("sim.interdyn"):  # resolution and SVG identifiers are read on saving
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            with atomic_path(path) as temporary:
                figure.savefig(temporary, metadata=metadata)
    plt.close(figure)
    return paths
