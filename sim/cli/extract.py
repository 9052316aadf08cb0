"""`interdyn extract`: sparse AND–OR interactions, each with a certified gap."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli._console import (
    INTERACTIONS,
    AsJson,
    Folder,
    Overwrite,
    finish,
    progress_bars,
    refuse_existing,
)
from sim.extraction import extract_interactions
from sim.interactions import Interactions
from sim.measurement import Measurement
from sim.recording import Report


def extract(
    source: Annotated[Path, typer.Argument(help="A measurement.npz.", metavar="MEASUREMENT")],
    target: Folder = None,
    noise_bound: Annotated[
        float,
        typer.Option(help="How far interactions may miss an output, as a share of |v(N) − v(∅)|."),
    ] = 0.02,
    tolerance: Annotated[
        float, typer.Option(help="Certified relative gap to the optimum at which to stop.")
    ] = 1e-3,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Extract sparse AND–OR interactions, each with a certified gap to the optimum."""
    path = (target or source.parent) / INTERACTIONS
    measurement = Measurement.load(source)
    refuse_existing([path], overwrite)
    with progress_bars() as report:
        interactions = run_extract(measurement, path, report, noise_bound, tolerance)
    extraction = interactions.extraction
    met, total = int(extraction.converged.sum()), extraction.converged.size
    finish(
        as_json,
        {"interactions": str(path), "converged": met, "total": total,
         "largest_gap": float(extraction.gap.max())},
        f"Extracted interactions: {path}\n{met} of {total} programmes met the certified gap of "
        f"{tolerance:g}; the largest gap is {float(extraction.gap.max()):.1e}.",
        f"interdyn fit {path}",
    )  # fmt: skip


def run_extract(
    measurement: Measurement, path: Path, report: Report, noise_bound: float, tolerance: float
) -> Interactions:
    """Extracts and saves."""
    extraction = extract_interactions(
        measurement.outputs,
        noise_bound,
        tolerance,
        progress=lambda done, total: report("extract", done, total),
    )
    settings = {"noise_bound": noise_bound, "tolerance": tolerance}
    interactions = Interactions(measurement, extraction, settings)
    interactions.save(path)
    return interactions
