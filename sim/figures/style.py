"""What every figure shares: style sheet, saving, colours and their meaning, axes of epochs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from sim.files import atomic_path

STYLE = "sim.interdyn"
"""The style sheet of every figure, for `plt.style.use`."""

BLACK, BLUE, VERMILLION = "#000000", "#0072B2", "#D55E00"  # Okabe and Ito's palette
GREEN, PURPLE = "#009E73", "#CC79A7"
GREY = "#666666"
"""Colour of marks and guides."""

ORDERS = "cividis_r"  # light to dark with the order, legible in grey and to the colour-blind

MEASURED = BLUE
"""Colour of what was measured or simulated."""

PREDICTED = VERMILLION
"""Colour of what the theory predicts."""

FORMATS = ("png", "svg", "pdf")
"""The formats that a figure can have, by the ends of their files' names."""

USUAL = ("png", "svg")
"""The formats that are written where nobody asks for others."""

TICKS = 6  # at most, besides those of epoch 0 and of the first checkpoint after it


def figure_paths(folder: str | Path, name: str, formats: Sequence[str] = USUAL) -> list[Path]:
    """The files that `save_figure` writes."""
    return [Path(folder) / f"{name}.{suffix}" for suffix in formats]


def save_figure(
    figure: Figure, folder: str | Path, name: str, formats: Sequence[str] = USUAL
) -> list[Path]:
    """Writes a figure in each of the formats, closes it, and returns the paths."""
    paths = figure_paths(folder, name, formats)
    for path in sorted(paths, key=lambda path: path.suffix != ".svg"):
        # The layout is settled at the first drawing: an SVG is the same whatever comes with it.
        with atomic_path(path) as temporary:
            _draw(figure, temporary, path.suffix[1:])
    plt.close(figure)
    return paths


def figure_bytes(figure: Figure, suffix: str = "svg") -> bytes:
    """A figure as the content of a file in one of `FORMATS`; closes it."""
    buffer = io.BytesIO()
    _draw(figure, buffer, suffix)
    plt.close(figure)
    return buffer.getvalue()


def _draw(figure: Figure, file: Path | io.BytesIO, suffix: str) -> None:
    changing = {"svg": "Date", "pdf": "CreationDate", "png": "Software"}[suffix]
    with plt.style.context(STYLE):  # resolution and SVG identifiers are read on saving
        figure.savefig(file, format=suffix, metadata={changing: None})


def order_colors(n: int) -> np.ndarray:
    """A colour for each of the orders 1..n, (n, 4)."""
    return plt.get_cmap(ORDERS)(np.linspace(0.15, 1, n))


def epoch_axis(ax: Axes, epochs: ArrayLike) -> Axes:
    """An epoch axis, logarithmic with 0 on it where the epochs span more than a factor of 30."""
    values = np.asarray(epochs, float)
    positive = values[values > 0]
    if positive.size and positive[-1] / positive[0] > 30:
        ax.set_xscale("symlog", linthresh=positive[0])
        powers = int(np.log(positive[-1] / positive[0]) / np.log(4) + 1e-9)  # of 4, on the axis
        ticks = positive[0] * 4.0 ** np.arange(0, powers + 1, 1 + powers // TICKS)
        ax.set_xticks([*([0.0] if values[0] == 0 else []), *ticks])
        ax.set_xticks([], minor=True)
        ax.xaxis.set_major_formatter("{x:g}")
        left = -0.3 * positive[0] if values[0] == 0 else 0.8 * positive[0]
        ax.set_xlim(left, 1.3 * positive[-1])
    elif np.array_equal(values, np.rint(values)):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    return ax


def dense_epoch_axis(ax: Axes) -> Axes:
    """An epoch axis of all that is drawn, linear, with ticks at whole epochs."""
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")
    ax.margins(x=0)
    return ax
