"""The steps from a network to figures, each reading the file of the one before it."""

from __future__ import annotations

import hashlib
import runpy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.cli._console import AsJson, Overwrite, out, print_json, progress_bars, refuse_existing
from sim.experiments import CHECKPOINT_EPOCHS, Settings, prepare
from sim.extraction import extract_interactions
from sim.files import read_json, write_json
from sim.fit_document import check_fit, fit_document
from sim.fitting import fit_noise
from sim.interactions import Interactions
from sim.measurement import Measurement
from sim.phases import find_phases
from sim.provenance import versions
from sim.recording import Report, record
from sim.summary import conclusion, short_label
from theory import NoiseModel

MEASUREMENT, INTERACTIONS, FIT = "measurement.npz", "interactions.npz", "fit.json"
UNFINISHED = ".measurement-parts"
FIGURES = ("dynamics", "theory_vs_network", "noise_level")

Folder = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for the result; beside the input file by default."),
]
Seed = Annotated[int, typer.Option(help="Of the data split, the network and the players.")]


def measure(
    target: Annotated[Path, typer.Option("--out", help="Folder for measurement.npz.")],
    experiment: Annotated[
        str, typer.Option(help="Name of a bundled network and data set.")
    ] = "digits-mlp",
    epochs: Annotated[
        str, typer.Option(help="Epochs of the checkpoints, separated by commas.")
    ] = ",".join(map(str, CHECKPOINT_EPOCHS)),
    samples: Annotated[int, typer.Option(help="Number of test inputs to measure.")] = 30,
    players: Annotated[int, typer.Option(help="Number of players; 2^players outputs each.")] = 10,
    label_noise: Annotated[
        float, typer.Option(help="Fraction of training labels replaced by another class.")
    ] = 0.05,
    seed: Seed = 0,
    part: Annotated[str, typer.Option(help="Which inputs to measure: test or train.")] = "test",
    single: Annotated[
        bool, typer.Option("--float32", help="Write the outputs in 32 bits: half the file.")
    ] = False,
    script: Annotated[
        Path | None,
        typer.Option(help="A Python file that registers experiments of your own; run first."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train a network and measure it on all masked inputs, checkpoint by checkpoint.

    A run that was killed goes on from its last checkpoint when the same command is given again.
    """
    settings = Settings(parse_epochs(epochs), samples, players, label_noise, seed, part)
    path = target / MEASUREMENT
    refuse_existing([path], overwrite)
    extra = {} if script is None else run_script(script)
    with progress_bars() as report:
        measurement = run_measure(
            experiment, settings, path, report, overwrite=overwrite, single=single, extra=extra
        )
    finish(
        as_json,
        {"measurement": str(path), "shape": list(measurement.outputs.shape)},
        f"Measured {measurement.checkpoints} checkpoints × {measurement.samples} samples × "
        f"2^{measurement.n} masked inputs: {path}",
        f"interdyn extract {path}",
    )


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
    refuse_existing([path], overwrite)
    measurement = Measurement.load(source)
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


def fit(
    source: Annotated[Path, typer.Argument(help="An interactions.npz.", metavar="INTERACTIONS")],
    target: Folder = None,
    distance: Annotated[
        str, typer.Option(help="total_variation, jensen_shannon or least_squares.")
    ] = "total_variation",
    growth: Annotated[
        float, typer.Option(help="Factor by which the noise variance grows with each order.")
    ] = 2.0,
    correlation: Annotated[
        float, typer.Option(help="Correlation of the noise; −0.7071 is what Lemma 1 implies.")
    ] = 0.0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fit the noise level σ² of every checkpoint, beside null models."""
    path = (target or source.parent) / FIT
    refuse_existing([path], overwrite)
    interactions = Interactions.load(source)
    with progress_bars() as report:
        document = run_fit(
            interactions, path, report, distance=distance, noise=NoiseModel(growth, correlation)
        )
    if as_json:
        print_json(document)
        return
    print_fit(document)
    finish(False, {}, f"\nFit: {path}", f"interdyn figures {path}")


def figures(
    source: Annotated[Path, typer.Argument(help="A fit.json.", metavar="FIT")],
    target: Folder = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Draw the figures of a fit, as PNG and SVG."""
    from sim.figures.saving import figure_paths

    folder = target or source.parent
    refuse_existing([p for name in FIGURES for p in figure_paths(folder, name)], overwrite)
    document = check_fit(read_json(source), source)
    with progress_bars() as report:
        paths = run_figures(document, folder, report)
    finish(as_json, {"figures": [str(p) for p in paths]},
           "Figures: " + ", ".join(str(p) for p in paths if p.suffix == ".png"), None)  # fmt: skip


def run_script(path: Path) -> dict[str, Any]:
    """Runs a user's script for the experiments that it registers; returns which script it was."""
    if not path.is_file():
        raise ValueError(f"--script must be a Python file, but there is none at {path}.")
    runpy.run_path(str(path), run_name=path.stem)
    return {"script": {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}


def run_measure(
    name: str,
    settings: Settings,
    path: Path,
    report: Report,
    *,
    overwrite: bool = False,
    single: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> Measurement:
    """Trains, measures and saves; goes on from the checkpoints that a killed run left behind."""
    experiment = prepare(name, settings)
    metadata = {"seed": settings.seed, "versions": versions(), **(extra or {})}
    unfinished = path.parent / UNFINISHED
    measurement = record(experiment, metadata, report, folder=unfinished, discard=overwrite)
    measurement.save(path, np.float32 if single else np.float64)
    shutil.rmtree(unfinished)
    return Measurement.load(path) if single else measurement


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


def run_fit(
    interactions: Interactions,
    path: Path,
    report: Report,
    *,
    distance: str = "total_variation",
    noise: NoiseModel = NoiseModel(),
) -> dict[str, Any]:
    """Fits, finds the phases, and saves the document that figures and reports are made of."""
    measurement, extraction = interactions.measurement, interactions.extraction
    report("fit", 0, 2)
    result = fit_noise(
        extraction.i_and,
        extraction.i_or,
        measurement.outputs,
        measurement.epochs,
        noise,
        distance=distance,
    )
    report("fit", 1, 2)
    phases = find_phases(
        result.epochs,
        result.strength,
        train_loss=measurement.train_loss,
        test_loss=measurement.test_loss,
    )
    report("fit", 2, 2)
    document = fit_document(interactions, result, phases, distance)
    write_json(path, document)
    return document


def run_figures(document: Mapping[str, Any], folder: Path, report: Report) -> list[Path]:
    """Draws and saves."""
    import matplotlib as mpl

    mpl.use("Agg")
    from sim.figures import measured
    from sim.figures.saving import save_figure

    paths = []
    report("figures", 0, len(FIGURES))
    for done, name in enumerate(FIGURES, start=1):
        paths += save_figure(getattr(measured, name)(document), folder, name)
        report("figures", done, len(FIGURES))
    return paths


def print_fit(document: Mapping[str, Any]) -> None:
    """A table that a person can read, and one sentence of conclusion."""
    nulls = list(document["checkpoints"][0]["nulls"])
    boundary = document["phases"]["boundary"]
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
    *_, last = checkpoints = document["checkpoints"]
    for fitted in checkpoints:
        distances = [fitted["nulls"][name]["total_variation"] for name in nulls]
        table.add_row(
            f"{fitted['epoch']:g}",
            "–" if boundary is None else "1" if fitted["epoch"] < boundary else "2",
            f"{fitted['mean_order']:.2f}",
            f"{fitted['sigma2']:.1e}",
            f"{fitted['total_variation']:.3f}" + ("*" if fitted is last else ""),
            *(f"{value:.3f}" for value in distances),
            f"{fitted['gap']:.0e}",
        )
    out.print(table)
    out.print(conclusion(document))


def parse_epochs(text: str) -> tuple[int, ...]:
    """Epochs from a text such as `0,1,2,4`."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--epochs must be whole numbers separated by commas, such as 0,4,16, but is '{text}'."
        ) from None


def finish(as_json: bool, result: dict[str, Any], text: str, following: str | None) -> None:
    """Prints the result, and the command that comes next."""
    if as_json:
        print_json(result)
        return
    out.print(text, markup=False)
    if following is not None:
        out.print(f"Next: {following}", markup=False)
