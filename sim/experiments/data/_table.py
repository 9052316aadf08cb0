"""A table in a CSV file: numbers, and texts as one-hot codes."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from sim.experiments.data._classes import Samples, as_classes
from sim.experiments.data._rows import Rows, read_rows

MISSING = ("", "na", "n/a", "nan", "null", "?")


@dataclasses.dataclass(frozen=True)
class Table(Samples):
    """Samples that are rows of a table.

    Attributes:
        columns: names of the columns.
        groups: which features are each column's: one of a column of numbers, several of a text's.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]


def read_table(path: Path) -> Table:
    """Rows (m, features) float32: a number a column, or a 0 or 1 for each value of a text.

    Args:
        path: a CSV file with a column `label`; all the others are the inputs.

    Raises:
        ValueError: no such table, a missing value, something else than a number among numbers, or
            a text that is different in more than half of the rows; names line and column.
        FileNotFoundError: nothing is there.
    """
    rows = read_rows(path, ("label",))
    labels, classes = as_classes(rows.column("label"), len(rows.rows), path, "label", rows.lines)
    names = tuple(name for name in rows.columns if name != "label")
    if not names:
        raise ValueError(f"{path}: must have columns beside 'label', but has none.")
    features: list[np.ndarray] = []
    groups = []
    for name in names:
        own = _features(rows, name)
        groups.append(tuple(range(len(features), len(features) + len(own))))
        features += own
    titles = tuple(
        f"{classes[label]}, line {line}" for label, line in zip(labels, rows.lines, strict=True)
    )
    words = f"{len(labels)} rows of {len(names)} columns, {len(classes)} classes{rows.note}"
    inputs = np.stack(features, axis=1).astype(np.float32)
    return Table(inputs, labels, classes, titles, words, names, tuple(groups))


def _features(rows: Rows, name: str) -> list[np.ndarray]:
    """A column as features (m,): its numbers, or a 0 or 1 for each of its texts."""
    texts = rows.column(name)
    for line, text in zip(rows.lines, texts, strict=True):
        if text.lower() in MISSING:
            shown = f"'{text}'" if text else "empty"
            raise ValueError(
                f"{rows.path}: line {line}, column '{name}' must have a value, but is {shown}; "
                f"fill it in, or leave the row or the column out."
            )
    numbers = [_number(text, decimal_comma=rows.separator == ";") for text in texts]
    strange = [at for at, number in enumerate(numbers) if number is None]
    if not strange:
        return [np.array(numbers, float)]
    if len(strange) <= len(texts) / 2:
        at = strange[0]
        raise ValueError(
            f"{rows.path}: line {rows.lines[at]}, column '{name}' must be a finite number as in "
            f"other lines, but is '{texts[at][:40]}'."
        )
    values = sorted(set(texts))
    if len(values) > len(texts) / 2:
        raise ValueError(
            f"{rows.path}: column '{name}' must be numbers, or texts that rows share, but has "
            f"{len(values)} different texts in {len(texts)} rows, such as '{texts[0][:40]}'."
        )
    return [np.array([text == value for text in texts], float) for value in values]


def _number(text: str, decimal_comma: bool) -> float | None:
    """The number that a text is; where semicolons separate columns, 1,5 is one too."""
    for written in (text, text.replace(",", ".") if decimal_comma else text):
        try:
            number = float(written)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None
