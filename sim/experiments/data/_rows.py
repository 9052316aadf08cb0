"""Rows of a CSV file, with the lines that they stand in."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path

from sim.files import existing_file

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SHOWN = 40  # letters of a column's name, which is a whole sentence where the names are missing


@dataclasses.dataclass(frozen=True)
class Rows:
    """A table of texts.

    Attributes:
        path: of the file.
        columns: their names.
        rows: texts by column, stripped.
        lines: of the file, counted from 1, where each row ends.
        separator: between two columns.
    """

    path: Path
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]
    separator: str

    def column(self, name: str) -> list[str]:
        """The texts of a column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    @property
    def note(self) -> str:
        """Which separator it is, where it is not the usual one."""
        if self.separator == ",":
            return ""
        return f", columns separated by {SEPARATORS[self.separator]}s"


def read_rows(path: Path, required: tuple[str, ...]) -> Rows:
    """Reads a CSV file in UTF-8 whose first line names the columns.

    The separator is the comma, or else the semicolon, tab or bar by which the first line holds the
    required columns.

    Raises:
        ValueError: a column is missing or there twice, a line has more or fewer fields than the
            first, or it is no such text; names the line.
        FileNotFoundError: nothing is there.
    """
    path = existing_file(path)
    wanted = " and ".join(f"'{name}'" for name in required)
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise ValueError(f"{path}: must be a .csv file with the columns {wanted}.")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}: line {line} must be text in UTF-8, but is in another encoding; save the file "
            f"as UTF-8."
        ) from None
    if not text.strip():
        raise ValueError(f"{path}: must be a CSV file with the columns {wanted}, but is empty.")
    separator, columns = _header(text.lstrip("\r\n"), required)
    missing = [name for name in required if name not in columns]
    if missing:
        has = ", ".join(name if len(name) <= SHOWN else f"{name[:SHOWN]}…" for name in columns[:8])
        raise ValueError(
            f"{path}: has no column '{missing[0]}', but has {has}{' …' if len(columns) > 8 else ''}"
            f"; the first line must name the columns."
        )
    twice = [name for name in columns if columns.count(name) > 1 or not name]
    if twice:
        raise ValueError(
            f"{path}: every column must have a name of its own, but the name '{twice[0]}' is "
            f"{'empty' if not twice[0] else 'there twice'}."
        )
    rows, lines = _rows(path, text, separator, len(columns))
    if not rows:
        raise ValueError(f"{path}: must have a line for each sample, but has only column names.")
    return Rows(path, columns, rows, lines, separator)


def _header(text: str, required: tuple[str, ...]) -> tuple[str, list[str]]:
    """The separator by which the first line holds what is required, and the names in it."""
    first = io.StringIO(text).readline()
    found = {
        separator: [name.strip() for name in next(csv.reader([first], delimiter=separator))]
        for separator in SEPARATORS
    }
    for separator, columns in found.items():
        if set(required) <= set(columns):
            return separator, columns
    separator = max(found, key=lambda each: len(found[each]))
    return separator, found[separator]


def _rows(path: Path, text: str, separator: str, width: int) -> tuple[list[list[str]], list[int]]:
    """The rows after the first; lines without any text count as not there."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            if len(row) != width:
                raise ValueError(
                    f"{path}: line {reader.line_num} must have {width} fields like the first, but "
                    f"has {len(row)}; a field that holds a {SEPARATORS[separator]} needs quotes."
                )
            rows.append([field.strip() for field in row])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num} must be CSV, but: {error}.") from error
    return rows[1:], lines[1:]
