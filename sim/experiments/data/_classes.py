"""Samples and their classes, as a file gives them."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class Samples:
    """Labelled inputs of one shape.

    Attributes:
        inputs: (samples, *shape), in the order of the file.
        labels: (samples,), whole numbers from 0 on.
        classes: names of the classes, by label.
        titles: a name for each sample, which tells its class and its place in the data.
        words: what the data are, for people.
    """

    inputs: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    titles: tuple[str, ...]
    words: str


def as_classes(
    values: Sequence[str] | np.ndarray,
    count: int,
    path: Path,
    name: str = "labels",
    lines: Sequence[int] | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels from 0 on, and the names of their classes: sorted, as numbers where all are numbers.

    Args:
        values: whole numbers or text, one for each sample.
        count: number of samples.
        path: of the file, for errors.
        name: of the key or column, for errors.
        lines: of the file, where each sample stands, for errors; None in an array.

    Raises:
        ValueError: something else than one class for each sample, a single class, or a class of
            one sample, which cannot be both learned and tested.
    """
    array = np.asarray(values)
    if array.ndim != 1 or len(array) != count:
        raise ValueError(
            f"{path}: `{name}` must be one class for each of the {count} samples, but has shape "
            f"{array.shape}."
        )
    if array.dtype.kind == "f":
        broken = np.flatnonzero(array % 1 != 0)  # of NaN too
        if broken.size:
            at = int(broken[0])
            raise ValueError(
                f"{path}: `{name}` must be whole numbers or text, but {name}[{at}] is {array[at]}."
            )
        array = array.astype(np.int64)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", errors="replace")
    if array.dtype.kind not in "iubU":
        raise ValueError(
            f"{path}: `{name}` must be whole numbers or text, but has dtype {array.dtype}."
        )
    texts = [str(value).strip() for value in array.tolist()]
    if "" in texts:
        at = texts.index("")
        if lines is not None:
            raise ValueError(
                f"{path}: line {lines[at]}, column '{name}' must name a class, but is empty."
            )
        raise ValueError(
            f"{path}: `{name}` must name a class for every sample, but {name}[{at}] is empty."
        )
    members = collections.Counter(texts)
    if len(members) < 2:
        raise ValueError(
            f"{path}: `{name}` must hold at least two classes, but all are '{texts[0]}'."
        )
    lonely = [text for text in members if members[text] == 1]
    if len(lonely) > len(texts) / 2:
        raise ValueError(
            f"{path}: `{name}` must be classes that samples share, but has {len(members)} different"
            f" values for {len(texts)} samples, such as '{lonely[0]}'."
        )
    if lonely:
        raise ValueError(
            f"{path}: every class must have at least two samples, one to learn from and one to "
            f"test, but '{lonely[0]}' has one."
        )
    classes = _sorted(members)
    places = {name: label for label, name in enumerate(classes)}
    return np.array([places[text] for text in texts], np.int32), classes


def _sorted(names: collections.Counter[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    except ValueError:
        return tuple(sorted(names))
