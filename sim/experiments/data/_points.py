"""Clouds of points in an `.npz` file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sim.experiments.data._arrays import read_arrays
from sim.experiments.data._classes import Samples, as_classes

LAYOUT = "(m, points, 3)"


def read_points(path: Path) -> Samples:
    """Clouds (m, points, 3) float32.

    Args:
        path: an `.npz` with `points` (m, points, 3) and `labels` (m,).

    Raises:
        ValueError: something else; names the key.
        FileNotFoundError: nothing is there.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file.")
    points, given = read_arrays(path, "points", LAYOUT)
    if points.ndim != 3 or points.shape[2] != 3:
        hint = "; save numpy.moveaxis(points, 1, 2)" if points.shape[1:2] == (3,) else ""
        raise ValueError(
            f"{path}: `points` must have shape {LAYOUT}, but has shape {points.shape}{hint}."
        )
    labels, classes = as_classes(given, len(points), path)
    titles = tuple(f"{classes[label]}, cloud {at}" for at, label in enumerate(labels))
    words = f"{len(points)} clouds of {points.shape[1]} points, {len(classes)} classes"
    return Samples(points.astype(np.float32), labels, classes, titles, words)
