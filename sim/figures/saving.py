"""Writing figures: PNG to look at, SVG to print, equal bytes for equal figures."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from sim.figures.palette import STYLE
from sim.files import atomic_path

FORMATS = ("png", "svg")


def figure_paths(folder: str | Path, name: str) -> list[Path]:
    """The files that `save_figure` writes."""
    return [Path(folder) / f"{name}.{suffix}" for suffix in FORMATS]


def save_figure(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Writes a figure as PNG and SVG, closes it, and returns the paths."""
    paths = figure_paths(folder, name)
    for path in paths:
        with atomic_path(path) as temporary:
            _draw(figure, temporary, path.suffix[1:])
    plt.close(figure)
    return paths


def figure_bytes(figure: Figure, suffix: str = "svg") -> bytes:
    """A figure as the content of a PNG or SVG file; closes it."""
    buffer = io.BytesIO()
    _draw(figure, buffer, suffix)
    plt.close(figure)
    return buffer.getvalue()


def _draw(figure: Figure, target: Path | io.BytesIO, suffix: str) -> None:
    metadata = {"Date": None} if suffix == "svg" else {"Software": None}
    with plt.style.context(STYLE):  # resolution and SVG identifiers are read on saving
        figure.savefig(target, format=suffix, metadata=metadata)
