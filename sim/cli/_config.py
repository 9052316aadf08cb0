"""Settings of a run as a TOML file: read with a check of every name and type, written by hand."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sim.files import atomic_path, existing_file, read_text

Value = str | int | float | bool


def read_config(path: str | Path, types: Mapping[str, Any]) -> dict[str, Value]:
    """Reads a flat TOML file of settings.

    Args:
        path: the file.
        types: of every known setting; a whole number is good for a number.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not TOML, or holds an unknown setting or a value of the wrong type.
    """
    path = existing_file(path)
    try:
        content = tomllib.loads(read_text(path))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: must be a TOML file, but is no text in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: must be a TOML file, but {error}.") from None
    settings: dict[str, Value] = {}
    for name, value in content.items():
        key = name.replace("-", "_")
        if key not in types:
            raise ValueError(
                f"{path}: unknown setting '{name}'; known are {', '.join(sorted(types))}."
            )
        try:
            settings[key] = msgspec.convert(value, types[key])
        except msgspec.ValidationError:
            kind = _NAMES[types[key]]
            raise ValueError(
                f"{path}: setting '{name}' must be {kind}, but is {value!r}."
            ) from None
    return settings


def write_config(path: str | Path, settings: Mapping[str, Value | None], heading: str) -> None:
    """Writes settings as TOML under a line of comment; None is left out."""
    lines = [f"# {heading}"]
    for name, value in settings.items():
        if isinstance(value, bool):
            lines.append(f"{name} = {str(value).lower()}")
        elif isinstance(value, str):
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        elif value is not None:
            lines.append(f"{name} = {value!r}")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


_NAMES = {
    str: "a text",
    str | None: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
