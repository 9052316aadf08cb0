"""`interdyn figures`: the figures of a fit, in the formats and at the epochs that one chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.checks import ArgumentError
from sim.cli._console import AsJson, Folder, Overwrite, complete, finish, progress_bars
from sim.cli._folder import results
from sim.document import RECORD_KEYS, check_document
from sim.figures import FIGURES, FORMATS, USUAL, draw_figure, figure_paths, save_figure
from sim.files import read_json
from sim.progress import NamedProgress

HINT = " A fit.json is made by `interdyn fit`."
KEYS = (*RECORD_KEYS, "mean_order", "scale", "tested")  # which every fit writes
SHOWN = ("explained", "samples")  # likewise, beside the checkpoints


def figures(
    source: Annotated[Path, typer.Argument(help="A fit.json, of interdyn fit.", metavar="FIT")],
    folder: Folder = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            metavar="EPOCHS",
            help="Checkpoints that dynamics and theory_vs_network show, separated by commas; "
            "by default some over the whole course.",
            show_default=False,
        ),
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMATS",
            help=f"Of {', '.join(FORMATS)}; several separated by commas.",
            autocompletion=complete(*FORMATS),
        ),
    ] = ",".join(USUAL),
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Draw the figures of a fit: as PNG and SVG, or as you choose."""
    folder = folder or source.parent
    suffixes, shown = parse_formats(formats), None if epochs is None else _parse_epochs(epochs)
    document = check_document(read_json(source, HINT), source, KEYS)
    if missing := [name for name in SHOWN if not document.get(name)]:
        raise ValueError(
            f"{source}: lacks {', '.join(missing)}; make the fit again, by `interdyn fit`."
        )
    paths = [path for name in FIGURES for path in figure_paths(folder, name, suffixes)]
    with results(paths, overwrite), progress_bars() as progress:
        run_figures(document, folder, progress, suffixes, shown)
    drawn = ", ".join(str(path) for path in paths if path.suffix == f".{suffixes[0]}")
    finish(as_json, {"figures": [str(path) for path in paths]}, f"Figures: {drawn}", None)


def run_figures(
    document: Mapping[str, Any],
    folder: Path,
    progress: NamedProgress,
    formats: Sequence[str] = USUAL,
    epochs: Sequence[float] | None = None,
) -> None:
    """Draws and saves."""
    progress("figures", 0, len(FIGURES))
    for done, name in enumerate(FIGURES, start=1):
        save_figure(draw_figure(name, document, epochs), folder, name, formats)
        progress("figures", done, len(FIGURES))


def parse_formats(text: str, option: str = "formats") -> list[str]:
    """Reads formats that are separated by commas, each once."""
    found = list(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    if not found or not set(found) <= set(FORMATS):
        must = f"be of {', '.join(FORMATS)}, separated by commas"
        raise ArgumentError(option, must, f"is '{text}'")
    return found


def _parse_epochs(text: str) -> list[float]:
    """Reads epochs that are separated by commas; a measurement of one's own may have fractions."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        must = "be numbers separated by commas, such as 0,4,64"
        raise ArgumentError("epochs", must, f"is '{text}'") from None
