"""Schedules as text: what the command line and the config file take."""

from __future__ import annotations

import csv
from collections.abc import Mapping

from sim.files import existing_file, read_text
from sim.simulation.schedules import SIGNATURES, Schedule

_OPTIONAL = {"power_law": {"scale"}, "piecewise": {"boundaries"}}


def parse_schedule(text: str, epochs: float | None = None) -> Schedule:
    """Reads a schedule from one line of text, as the command line takes it.

    `family:name=value,name=value`; the values of a list are separated by `/`:

    - `constant:sigma2=0.1` or just `0.1`
    - `exponential:start=10,end=1e-6` (with `epochs=300`, the run's length if left out)
    - `power_law:start=10,exponent=3,scale=5`
    - `logistic:start=10,end=1e-6,middle=100,width=20`
    - `piecewise:boundaries=50/100,values=10/0.1/1e-3`
    - `table:epochs=0/50/300,values=10/0.1/1e-6`, or `table:file=noise.csv`, two columns of
      numbers: epoch, σ²

    Args:
        text: the schedule.
        epochs: the run's last epoch, for a schedule that needs its length.

    Raises:
        ValueError: an unknown family, a missing or unknown parameter, a value out of range.

    Example:
        >>> print(parse_schedule("exponential:start=10,end=0.1", epochs=100))
        exponential:start=10,end=0.1,epochs=100
    """
    kind, _, inside = text.strip().partition(":")
    if not inside and _is_number(kind):
        kind, inside = "constant", f"sigma2={kind}"
    kind = kind.replace("-", "_")
    if kind not in SIGNATURES:
        raise ValueError(
            f"A schedule must be a number or start with one of {', '.join(SIGNATURES)}, "
            f"but is '{text}'."
        )
    given: dict[str, str] = {}
    for entry in filter(None, inside.split(",")):
        name, equals, value = entry.partition("=")
        if not equals or not value.strip():
            raise ValueError(f"Schedule '{text}': '{entry}' must have the form name=value.")
        if name.strip() in given:
            raise ValueError(f"Schedule '{text}': parameter '{name.strip()}' is given twice.")
        given[name.strip()] = value.strip()
    if kind == "table" and set(given) == {"file"}:
        return _read_table(given["file"])
    if kind == "exponential" and "epochs" not in given and epochs is not None:
        given["epochs"] = repr(float(epochs))
    _check_names(text, kind, given)
    values = {name: _numbers(text, name, value) for name, value in given.items()}
    return _build(text, kind, values)


def _check_names(text: str, kind: str, given: Mapping[str, str]) -> None:
    names = SIGNATURES[kind]
    missing = [name for name in names if name not in given and name not in _OPTIONAL.get(kind, ())]
    unknown = [name for name in given if name not in names]
    if missing or unknown:
        fault = f"lacks {', '.join(missing)}" if missing else f"has no '{unknown[0]}'"
        raise ValueError(
            f"Schedule '{text}': {kind} takes {', '.join(names)}, but the text {fault}."
        )


def _build(text: str, kind: str, values: dict[str, list[float]]) -> Schedule:
    lists = {"boundaries", "values"} | ({"epochs"} if kind == "table" else set())
    for name, numbers in values.items():
        if name not in lists and len(numbers) > 1:
            raise ValueError(f"Schedule '{text}': '{name}' must be one number, but is a list.")
    arguments = {k: v if k in lists else v[0] for k, v in values.items()}
    if kind == "piecewise":
        arguments.setdefault("boundaries", [])
    try:
        schedule: Schedule = getattr(Schedule, kind)(**arguments)
    except ValueError as error:
        raise ValueError(f"Schedule '{text}': {error}") from None
    return schedule


def _numbers(text: str, name: str, value: str) -> list[float]:
    try:
        return [float(number) for number in value.split("/")]
    except ValueError:
        raise ValueError(
            f"Schedule '{text}': '{name}' must be a number, or numbers separated by '/', "
            f"but is '{value}'."
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_table(name: str) -> Schedule:
    path = existing_file(name)
    try:
        rows = list(csv.reader(read_text(path).splitlines()))
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path}: must be a table of two columns in UTF-8, but is not.") from None
    epochs, values = [], []
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and not _is_number(cells[0])):
            continue  # an empty line, or the heading
        if len(cells) != 2 or not all(map(_is_number, cells)):
            raise ValueError(
                f"{path}, line {number}: must hold two numbers, epoch and sigma2, but is "
                f"'{','.join(row)}'."
            )
        epochs.append(float(cells[0]))
        values.append(float(cells[1]))
    if not epochs:
        raise ValueError(
            f"{path}: must hold rows of two numbers, epoch and sigma2, but holds none."
        )
    try:
        return Schedule.table(epochs, values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
