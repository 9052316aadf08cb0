"""`interdyn fit`: the noise level of every checkpoint, beside null models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.cli._console import (
    FIT,
    REPORT,
    AsJson,
    Folder,
    Growth,
    InteractionsFile,
    Overwrite,
    command_line,
    complete,
    finish,
    out,
    progress_bars,
    refuse_existing,
)
from sim.document import (
    Document,
    as_document,
    conclusion,
    fit_document,
    noise_text,
    short_label,
)
from sim.extraction import Interactions
from sim.figures import FIGURES, figure_bytes
from sim.files import write_json
from sim.fitting import DISTANCES, RESAMPLES, fit_noise
from sim.phases import find_phases, too_few_for_phases
from sim.progress import NamedProgress
from sim.report import write_report
from sim.strength import PARTS
from theory import SALIENCE, NoiseModel


def fit(
    source: InteractionsFile,
    folder: Folder = None,
    distance: Annotated[
        str,
        typer.Option(
            help="total_variation, jensen_shannon or least_squares.",
            autocompletion=complete(*DISTANCES),
        ),
    ] = "total_variation",
    growth: Growth = float(NoiseModel.growth),
    correlation: Annotated[
        float, typer.Option(help="Correlation of the noise; −0.7071 is what Lemma 1 implies.")
    ] = float(NoiseModel.correlation),
    parts: Annotated[
        str,
        typer.Option(
            help="Whose strength is compared: both (added), and, or.",
            autocompletion=complete(*PARTS),
        ),
    ] = "both",
    target: Annotated[
        str, typer.Option(help="What w* is: the last checkpoint's salient or all.")
    ] = "salient",
    centred: Annotated[bool, typer.Option("--centred", help="Leave v(∅) out of w*.")] = False,
    salience: Annotated[
        float, typer.Option(help="Threshold of salience, as a share of E|v(N) − v(∅)|.")
    ] = SALIENCE,
    per_sample: Annotated[
        bool, typer.Option("--per-sample", help="Give every sample its own threshold.")
    ] = False,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples; 0 for no intervals.")
    ] = RESAMPLES,
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fit the noise level σ² of every checkpoint, beside null models; writes a report too."""
    folder = folder or source.parent
    interactions = Interactions.load(source)
    refuse_existing([folder / FIT, folder / REPORT], overwrite)
    with progress_bars() as progress:
        document = run_fit(
            interactions,
            folder,
            progress,
            noise=NoiseModel(growth, correlation),
            distance=distance,
            parts=parts,
            target=target,
            centred=centred,
            salience=salience,
            per_sample=per_sample,
            resamples=resamples,
            seed=seed,
        )
    if not as_json:
        print_fit(document)
    files = f"\nFit: {folder / FIT}\nReport: {folder / REPORT}"
    finish(as_json, document, files, command_line("interdyn", "figures", folder / FIT))


def run_fit(
    interactions: Interactions,
    folder: Path,
    progress: NamedProgress,
    *,
    noise: NoiseModel = NoiseModel(),
    **options: Any,
) -> dict[str, Any]:
    """Fits, finds the phases, and saves the document and the report made of it."""
    measurement, extraction = interactions.measurement, interactions.extraction
    progress("fit", 0, 3)
    result = fit_noise(
        extraction.i_and,
        extraction.i_or,
        measurement.outputs,
        measurement.epochs,
        noise,
        **options,
    )
    progress("fit", 1, 3)
    phases = None
    if too_few_for_phases(measurement.checkpoints, measurement.samples) is None:
        train_loss, test_loss = measurement.train_loss, measurement.test_loss
        if train_loss is None or test_loss is None:
            train_loss = test_loss = None  # one alone makes no gap
        phases = find_phases(
            result.epochs, result.strength, train_loss=train_loss, test_loss=test_loss
        )
    progress("fit", 2, 3)
    document = fit_document(interactions, result, phases)
    drawn = {name: figure_bytes(draw(document)) for name, draw in FIGURES.items()}
    write_json(folder / FIT, document)
    write_report(folder / REPORT, document, drawn)
    progress("fit", 3, 3)
    return document


def print_fit(document: Document | Mapping[str, Any]) -> None:
    """A table that a person can read, and one sentence of conclusion."""
    document = as_document(document)
    *_, last = checkpoints = document.checkpoints
    boundary, nulls = document.phases.boundary, list(checkpoints[0].nulls)
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        title="Distance of each model from the measured distribution (total variation)",
        title_justify="left",
        caption="* the theory's target, so no test of it. gap: largest certified gap of a sample.",
        caption_justify="left",
    )
    names = ("epoch", "phase", "mean\norder", "σ²", "theory", *map(short_label, nulls), "gap")
    for name in names:
        table.add_column(name, justify="center" if name == "phase" else "right", no_wrap=True)
    for fitted in checkpoints:
        table.add_row(
            f"{fitted.epoch:g}",
            "–" if boundary is None else "1" if fitted.epoch < boundary else "2",
            f"{fitted.mean_order:.2f}",
            noise_text(fitted),
            f"{fitted.total_variation:.3f}" + ("*" if fitted is last else ""),
            *(f"{fitted.nulls[name].total_variation:.3f}" for name in nulls),
            f"{fitted.gap:.0e}",
        )
    out.print(table)
    out.print(conclusion(document))
