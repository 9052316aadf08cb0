"""`interdyn figures`: the figures of a fit, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli._console import AsJson, Folder, Overwrite, finish, progress_bars
from sim.cli._folder import results
from sim.document import RECORD_KEYS, check_document
from sim.figures import FIGURES, figure_paths, save_figure
from sim.files import read_json
from sim.progress import NamedProgress

HINT = " A fit.json is made by `interdyn fit`."
KEYS = (*RECORD_KEYS, "mean_order", "scale", "tested")  # which every fit writes


def figures(
    source: Annotated[Path, typer.Argument(help="A fit.json, of interdyn fit.", metavar="FIT")],
    folder: Folder = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Draw the figures of a fit, as PNG and SVG."""
    folder = folder or source.parent
    document = check_document(read_json(source, HINT), source, KEYS)
    paths = [path for name in FIGURES for path in figure_paths(folder, name)]
    with results(paths, overwrite), progress_bars() as progress:
        run_figures(document, folder, progress)
    drawn = ", ".join(str(path) for path in paths if path.suffix == ".png")
    finish(as_json, {"figures": [str(path) for path in paths]}, f"Figures: {drawn}", None)


def run_figures(document: Mapping[str, Any], folder: Path, progress: NamedProgress) -> None:
    """Draws and saves."""
    progress("figures", 0, len(FIGURES))
    for done, (name, draw) in enumerate(FIGURES.items(), start=1):
        save_figure(draw(document), folder, name)
        progress("figures", done, len(FIGURES))
