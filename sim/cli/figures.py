"""`interdyn figures`: the figures of a fit, in the formats and at the epochs that one chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from sim.checks import ArgumentError
from sim.cli._console import AsJson, Folder, Overwrite, complete, finish, progress_bars
from sim.cli._folder import results
from sim.cli._sampled import course, print_course
from sim.document import RECORD_KEYS, check_document
from sim.explanation import example, spread_checkpoints
from sim.extraction import ENOUGH, SampledInteractions, is_sampled
from sim.figures import (
    FIGURES,
    FORMATS,
    USUAL,
    draw_figure,
    explained_figure,
    figure_paths,
    sampled_figure,
    save_figure,
)
from sim.files import read_json
from sim.progress import NamedProgress

HINT = " A fit.json is made by `interdyn fit`."
KEYS = (*RECORD_KEYS, "mean_order", "scale", "tested")  # which every fit writes
IN_FIGURE = 4  # checkpoints of an example at most
ORDERS, EXPLAINED = "orders", "interactions_over_epochs"
"""The figures of sampled masks."""
SHOWN = ("explained", "samples")  # likewise, beside the checkpoints


def figures(
    source: Annotated[
        Path,
        typer.Argument(
            help="A fit.json, of interdyn fit; or an interactions.npz of sampled masks.",
            metavar="FIT",
        ),
    ],
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
    if source.suffix == ".npz":
        figures_of_sampled(source, folder, shown, suffixes, overwrite, as_json)
        return
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


def figures_of_sampled(
    source: Path,
    folder: Path,
    epochs: Sequence[float] | None,
    formats: Sequence[str],
    overwrite: bool,
    as_json: bool,
) -> None:
    """The command on interactions from sampled masks, which have no fit."""
    if not is_sampled(source):
        raise ValueError(f"{source}: has no figures of its own; those of its fit need a fit.json.")
    interactions = SampledInteractions.load(source)
    found = course(interactions)
    known = np.flatnonzero(interactions.known)
    names = (ORDERS, EXPLAINED) if known.size else (ORDERS,)
    paths = [path for name in names for path in figure_paths(folder, name, formats)]
    with results(paths, overwrite):
        drawn = sampled_figure(
            found.epochs, found.shares, found.held_out, ENOUGH, found.phases, chosen=epochs
        )
        save_figure(drawn, folder, ORDERS, formats)
        if known.size:
            past = known[spread_checkpoints(known.size, IN_FIGURE)].tolist()
            shown = example(interactions, 0, past, both_ends=False)
            save_figure(explained_figure(shown), folder, EXPLAINED, formats)
    if not as_json:
        print_course(found, interactions)
    words = ", ".join(str(path) for path in paths if path.suffix == f".{formats[0]}")
    result = {"figures": [str(path) for path in paths], **found.record()}
    finish(as_json, result, f"\nFigures: {words}", None)


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
