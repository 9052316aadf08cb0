"""What a `fit.json` must hold, and one line on what is wrong with it where it does not."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sim.fitting import BOUNDS

KEYS = ("checkpoints", "phases", "curves", "settings")
RECORD_KEYS = ("epoch", "sigma2", "measured", "predicted", "total_variation", "nulls")

Rule = tuple[str, Callable[[Any], bool]]
"""What an entry must be, in words and as a test."""


def check_fit(
    document: Any, path: str | Path, keys: Iterable[str] = RECORD_KEYS
) -> Mapping[str, Any]:
    """Returns the content of a `fit.json` if it is what reports and figures can be made of.

    Args:
        document: the content.
        path: where it comes from, for the error.
        keys: that every record of `checkpoints` must have.

    Raises:
        ValueError: it is not a fit; names the file, the entry, what it must be, and what it is.

    Example:
        >>> record = {"epoch": 0, "sigma2": 0.1, "measured": [0.5, 0.5], "predicted": [0.4, 0.6],
        ...           "total_variation": 0.1, "nulls": {}}
        >>> fit = {"checkpoints": [record, record | {"epoch": 4, "sigma2": -1}], "curves": {},
        ...        "phases": {"boundary": None}, "settings": {}}
        >>> check_fit(fit, "fit.json")
        Traceback (most recent call last):
        ValueError: fit.json: checkpoint 1: `sigma2` must be a finite, positive number, but is -1.
    """
    if not isinstance(document, Mapping) or not set(KEYS) <= set(document):
        held = (
            ", ".join(map(str, document))
            if isinstance(document, Mapping)
            else type(document).__name__
        )
        raise ValueError(
            f"{path}: must be a fit, with the keys {', '.join(KEYS)} (`interdyn fit` and "
            f"sim.fit_document make one), but holds {held or 'nothing'}."
        )
    _check(document, _DOCUMENT, path)
    records, phases, curves, _ = (document[name] for name in KEYS)
    for at, record in enumerate(records):
        where = f"{path}: checkpoint {at}"
        _check(record, _RECORD, where, keys)
        _check(record, _like(records[0], records[at - 1] if at else None), where)
    count = len(records)
    one_each = _optional(f"{count} finite numbers, one a checkpoint", partial(_are_numbers, count))
    _check(curves, dict.fromkeys(curves, one_each), f"{path}: curves")
    epochs = [record["epoch"] for record in records]
    onset = _optional("one of the epochs", lambda x: x in epochs)
    along = {"spread": one_each, "loss_gap": one_each, "loss_gap_onset": onset}
    _check(phases, _PHASES | along, f"{path}: phases", _PHASES)
    _check(document.get("fit") or {}, {"level": _NUMBER}, f"{path}: fit")
    for name, entry in (document.get("overall") or {}).items():
        _check(entry, _OVERALL, f"{path}: overall: {name}", _OVERALL)
    if phases["boundary"] is not None:
        _check(phases, _INTERVAL, f"{path}: phases", _INTERVAL)
    return document


def _check(
    content: Any, rules: Mapping[str, Rule], where: str | Path, keys: Iterable[str] = ()
) -> None:
    """Raises where a mapping lacks a key, or holds an entry that breaks its rule."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{where} must be a mapping, but is {reprlib.repr(content)}.")
    if missing := sorted(set(keys) - set(content)):
        raise ValueError(f"{where} lacks {', '.join(missing)}.")
    for name, (what, holds) in rules.items():
        if name in content and not holds(content[name]):
            raise ValueError(
                f"{where}: `{name}` must be {what}, but is {reprlib.repr(content[name])}."
            )


def _like(first: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Rule]:
    """What a record has in common with the first one, and how it follows the one before."""
    orders, models = len(first["measured"]), set(first["nulls"])
    shares = (f"{orders} numbers, one for each order", lambda x: len(x) == orders)
    epoch = -1.0 if before is None else before["epoch"]
    return {
        "epoch": (f"later than {epoch}", lambda x: x > epoch),
        "measured": shares,
        "predicted": shares,
        "nulls": (f"of the models {', '.join(sorted(models))}", lambda x: models <= set(x)),
    }


def _is_number(x: Any) -> bool:
    number = isinstance(x, int | float | np.integer | np.floating) and not isinstance(x, bool)
    return number and bool(abs(x) <= sys.float_info.max)


def _are_numbers(count: int, x: Any) -> bool:
    return isinstance(x, list | tuple) and len(x) == count and all(map(_is_number, x))


def _are_shares(x: Any) -> bool:
    return isinstance(x, list | tuple) and len(x) > 0 and all(_is_number(y) and y >= 0 for y in x)


def _are_distances(x: Any) -> bool:
    return isinstance(x, Mapping) and all(
        isinstance(null, Mapping) and _is_number(null.get("total_variation")) for null in x.values()
    )


def _optional(what: str, holds: Callable[[Any], bool]) -> Rule:
    return f"null or {what}", lambda x: x is None or holds(x)


_NUMBER: Rule = "a finite number", _is_number
_MAPPING: Rule = "a mapping", lambda x: isinstance(x, Mapping)
_SHARES: Rule = "a list of finite, nonnegative numbers", _are_shares
_DOCUMENT: dict[str, Rule] = {
    "checkpoints": (
        "a list of at least two records",
        lambda x: isinstance(x, list | tuple) and len(x) > 1,
    ),
    "overall": _optional("a mapping", lambda x: isinstance(x, Mapping)),
} | dict.fromkeys(("phases", "curves", "settings", "fit", "parameters"), _MAPPING)
_RECORD: dict[str, Rule] = {
    "epoch": ("a finite, nonnegative number", lambda x: _is_number(x) and x >= 0),
    "sigma2": ("a finite, positive number", lambda x: _is_number(x) and x > 0),
    "bound": _optional(f"one of {', '.join(BOUNDS)}", lambda x: x in BOUNDS),
    "measured": _SHARES,
    "predicted": _SHARES,
    "total_variation": _NUMBER,
    "mean_order": _NUMBER,
    "nulls": ("a mapping of names to mappings with a number `total_variation`", _are_distances),
    "sigma2_interval": _optional("two finite numbers", partial(_are_numbers, 2)),
}
_PHASES: dict[str, Rule] = {"boundary": _optional(*_NUMBER)}
_OVERALL: dict[str, Rule] = {
    "low": _NUMBER,
    "high": _NUMBER,
    "verdict": ("a text", lambda x: isinstance(x, str)),
}
_INTERVAL: dict[str, Rule] = {"low": _NUMBER, "high": _NUMBER}
