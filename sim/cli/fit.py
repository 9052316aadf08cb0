"""`interdyn fit`: the noise level of every checkpoint, beside null models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
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
    print_text,
    progress_bars,
)
from sim.cli._folder import FITTED, results_of_all
from sim.cli._phases import phases_of
from sim.cli._plan import Cost, Plan, tell, trial
from sim.cli._processes import NumProcesses, ProcessId, chosen_share, run_identity
from sim.cli.extract import extraction_cost
from sim.cli.figures import parse_formats
from sim.document import (
    Checkpoint,
    Document,
    OtherEnd,
    as_document,
    fit_document,
    noise_text,
    paragraphs,
    short_label,
    size_text,
)
from sim.extraction import NOISE_BOUND, TOLERANCE, Interactions
from sim.figures import FIGURES, FORMATS, draw_figure, figure_bytes, figure_paths, save_figure
from sim.files import write_json
from sim.fitting import DISTANCES, RESAMPLES, SHARES, THROUGH, NoiseFit, fit_noise
from sim.processes import SharedWork
from sim.progress import NamedProgress
from sim.report import write_report
from sim.strength import PARTS
from sim.unfinished import Unfinished
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
    through: Annotated[
        str,
        typer.Option(
            help="extraction (predicted outputs are extracted as the measured ones were) or direct "
            "(as in the paper).",
            autocompletion=complete(*THROUGH),
        ),
    ] = THROUGH[0],
    start: Annotated[
        bool | None,
        typer.Option(
            "--start/--no-start",
            help="Whether predictions keep the initial outputs; they do through the extraction.",
            show_default=False,
        ),
    ] = None,
    both_ends: Annotated[
        bool,
        typer.Option(
            help="Extract and fit at the other end of the preference too; verdicts need both."
        ),
    ] = True,
    target: Annotated[
        str | None,
        typer.Option(
            help="What w* is: the last checkpoint's salient interactions (the default of direct), "
            "or all.",
            show_default=False,
        ),
    ] = None,
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
    drop_checkpoint: Annotated[
        list[float] | None,
        typer.Option(
            metavar="EPOCH",
            help="Leave a checkpoint out, to see what rests on it; may be given several times. "
            "Without the last, the one before it is the target.",
            show_default=False,
        ),
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option(
            metavar="FORMATS",
            help=f"Save the report's figures too, in formats of {', '.join(FORMATS)}, separated by "
            "commas. `interdyn figures` draws them at epochs of your choice.",
            show_default=False,
        ),
    ] = None,
    num_processes: NumProcesses = None,
    process_id: ProcessId = None,
    plan: Plan = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fit the noise level σ² of every checkpoint, beside null models; writes a report too."""
    folder = folder or source.parent
    share = chosen_share(num_processes, process_id)
    formats = [] if figures is None else parse_formats(figures, "figures")
    drawn = [path for name in FIGURES for path in figure_paths(folder, name, formats)]
    interactions = Interactions.load(source).without(drop_checkpoint or ())
    options: dict[str, Any] = {
        "through": through,
        "start": start,
        "both_ends": both_ends,
        "distance": distance,
        "parts": parts,
        "target": target,
        "centred": centred,
        "salience": salience,
        "per_sample": per_sample,
        "resamples": resamples,
        "seed": seed,
    }
    model = {"growth": growth, "correlation": correlation, "dropped": sorted(drop_checkpoint or ())}
    with (
        results_of_all(
            [folder / FIT, folder / REPORT, *drawn],
            overwrite,
            share,
            Unfinished(folder / FITTED, "fit"),
            lambda: run_identity("fit", source, options | model),
            plan,
        ) as work,
        progress_bars() as progress,
    ):
        document = run_fit(
            interactions,
            folder,
            progress,
            plan=plan,
            formats=formats,
            noise=NoiseModel(growth, correlation),
            work=work,
            **options,
        )
    if not as_json:
        print_fit(document)
    saved = "\n".join(["", f"Fit: {folder / FIT}", f"Report: {folder / REPORT}"])
    if drawn:
        saved += f"\nFigures: {', '.join(map(str, drawn))}"
    finish(as_json, document, saved, command_line("interdyn", "figures", folder / FIT))


def run_fit(
    interactions: Interactions,
    folder: Path,
    progress: NamedProgress,
    *,
    plan: bool = False,
    formats: Sequence[str] = (),
    seed: int = 0,
    work: SharedWork | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Fits, finds the phases, and saves the document and the report made of it.

    Its figures are saved as files of their own too, in the given formats. Tells before what it will
    take, and with `plan` ends there.

    Raises:
        Finished: it is for another process to save.
    """
    measurement = interactions.measurement
    options["seed"] = seed
    tell(
        f"Fitting {measurement.shape_in_words()}",
        measurement.outputs.size,
        plan,
        lambda: fit_cost(interactions, **options),
    )
    result = _fitted(interactions, progress, work=work, **options)
    if work is not None:
        work.leave_saving()
    phases, other_phases = (
        None if end is None else phases_of(measurement, np.asarray(end.strength), seed)
        for end in (result, result.other)
    )
    document = fit_document(interactions, result, phases, other_phases)
    write_json(folder / FIT, document)
    drawn: dict[str, bytes | Path] = {}
    for done, name in enumerate(FIGURES):
        progress("report", done, len(FIGURES))
        drawn[name] = _drawn(name, document, folder, formats)
    write_report(folder / REPORT, document, drawn)
    progress("report", len(FIGURES), len(FIGURES))
    return document


def _fitted(
    interactions: Interactions,
    progress: NamedProgress,
    noise: NoiseModel = NoiseModel(),
    **options: Any,
) -> NoiseFit:
    measurement, extraction = interactions.measurement, interactions.extraction
    return fit_noise(
        extraction.i_and,
        extraction.i_or,
        measurement.outputs,
        measurement.epochs,
        noise,
        runs=measurement.runs,
        progress=progress,
        **_instrument(interactions),
        **options,
    )


def _instrument(interactions: Interactions) -> dict[str, Any]:
    """How the interactions were extracted."""
    settings = interactions.settings
    return {
        "noise_bound": settings.get("noise_bound", NOISE_BOUND),
        "tolerance": settings.get("tolerance", TOLERANCE),
        "prefer": settings.get("prefer"),
    }


def fit_cost(interactions: Interactions, **options: Any) -> Cost:
    """What a fit will take: predictions, and extractions as many as the measurement's.

    At each end of the preference predictions are tabulated, and those chosen are certified by one
    extraction; another one explains the measurement at the other end.
    """
    ends = 2 if options.get("both_ends", True) and interactions.settings.get("prefer") else 1
    predictions = trial(lambda progress: _fitted(interactions, progress, **options))
    extraction = extraction_cost(interactions.measurement, _instrument(interactions))
    return predictions.times(ends).then(extraction.times(2 * ends - 1))


def _drawn(
    name: str, document: Mapping[str, Any], folder: Path, formats: Sequence[str]
) -> bytes | Path:
    """A figure for the report, drawn once for it and for the files."""
    figure = draw_figure(name, document)
    content = None if "svg" in formats else figure_bytes(figure)
    save_figure(figure, folder, name, formats)
    return folder / f"{name}.svg" if content is None else content


def print_fit(document: Document | Mapping[str, Any]) -> None:
    """A table that a person can read, and a few sentences of conclusion."""
    document = as_document(document)
    checkpoints, boundary = document.checkpoints, document.phases.boundary
    direct = document.options.through == "direct"
    nulls = [name for name in checkpoints[0].nulls if direct or not name.startswith(SHARES)]
    both = any(fitted.other is not None for fitted in checkpoints)
    notes = [
        "* start or target, part of every prediction: no test.",
        "σ²: beside the target's own noise, which counts as none.",
        "size: what is learned, as a share of what the theory says.",
    ]
    if not direct:  # where there are more null models, a terminal has no room for it
        notes.append("gap: largest certified gap of a sample.")
    if both:
        notes.insert(2, f"Two values: prefer {document.options.prefer}, below it the other end.")
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        title="Distance of each model from the measured distribution (total variation)"
        + ("\nNull models are families of shares." if direct else ""),
        title_justify="left",
        caption="\n".join(notes),
        caption_justify="left",
    )
    names = (
        "epoch",
        "phase",
        "mean\norder",
        "σ²",
        "size",
        "theory",
        *(short_label(name.removeprefix(SHARES)) for name in nulls),
        *([] if direct else ["gap"]),
    )
    for name in names:
        table.add_column(name, justify="center" if name == "phase" else "right", no_wrap=True)
    for fitted in checkpoints:
        away = "{0.total_variation:.3f}" if fitted.tested else "{0.total_variation:.3f}*"
        table.add_row(
            f"{fitted.epoch:g}",
            "–" if boundary is None else "1" if fitted.epoch < boundary else "2",
            _at_both_ends(fitted, lambda end: f"{end.mean_order:.2f}"),
            _at_both_ends(fitted, noise_text),
            size_text(fitted),
            _at_both_ends(fitted, away.format),
            *(f"{fitted.nulls[name].total_variation:.3f}" for name in nulls),
            *([] if direct else [f"{fitted.gap:.0e}"]),
        )
    out.print(table)
    out.print()
    for paragraph in filter(None, [*paragraphs(document), document.phases.losses]):
        print_text(paragraph)


def _at_both_ends(fitted: Checkpoint, text: Callable[[Checkpoint | OtherEnd], str]) -> str:
    """A cell for the preferred explanation, and where there is one for the other end's."""
    here = text(fitted)
    if fitted.other is None or text(fitted.other) == here:
        return here
    return f"{here}\n{text(fitted.other)}"
