"""The whole job in one command, on a network that trains in seconds."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Annotated

import typer

from sim.cli._console import (
    FIT,
    INTERACTIONS,
    MEASUREMENT,
    REPORT,
    AsJson,
    Overwrite,
    Seed,
    finish,
    progress_bars,
)
from sim.cli._folder import results
from sim.cli._plan import Cost, Plan, tell, trial
from sim.cli.extract import extracted, extraction_cost, run_extract
from sim.cli.fit import fit_cost, print_fit, run_fit
from sim.cli.measure import run_measure
from sim.experiments import Settings, prepare, record
from sim.figures import FIGURES, USUAL, figure_paths

NETWORK = "digits-mlp"
QUICK = Settings(epochs=(0, 1, 4, 8, 16, 64, 128, 512), samples=8, players=6)


def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder for everything.")] = Path(
        "runs/demo"
    ),
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Few checkpoints, samples and players: seconds, but too little for phases.",
        ),
    ] = False,
    seed: Seed = 0,
    plan: Plan = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train the digits network, measure it, extract, fit and draw: the whole job."""
    settings = dataclasses.replace(QUICK if quick else Settings(), seed=seed)
    files = [folder / name for name in (MEASUREMENT, INTERACTIONS, FIT, REPORT)]
    drawn = [path for name in FIGURES for path in figure_paths(folder, name)]
    started = time.monotonic()
    with results([*files, *drawn], overwrite, plan), progress_bars() as progress:
        if plan:
            sizes = len(settings.epochs), settings.samples, 2**settings.players
            what = "The demo, {} checkpoints × {} samples × {} masked inputs".format(*sizes)
            tell(what, math.prod(sizes), plan, lambda: demo_cost(settings))
        measurement = run_measure(
            NETWORK, settings, files[0], progress, overwrite=overwrite, keep_inputs=True
        )
        interactions = run_extract(measurement, files[1], progress)
        document = run_fit(interactions, folder, progress, formats=USUAL)
    held = f"{MEASUREMENT}, {INTERACTIONS}, {FIT}, {REPORT}; figures {', '.join(FIGURES)}"
    if not as_json:
        print_fit(document)
    finish(
        as_json,
        document,
        f"\n{time.monotonic() - started:.0f} s. In {folder}: {held} (.png, .svg).",
        f"look at {folder / REPORT} in a browser, then bring a network of your own; "
        f"interdyn --help says how.",
    )


def demo_cost(settings: Settings) -> Cost:
    """What the demo will take: measured as it is, extracted and fitted at two checkpoints."""
    measuring = trial(lambda progress: record(prepare(NETWORK, settings), {}, progress))
    two = dataclasses.replace(settings, epochs=settings.epochs[:2])
    measurement = record(prepare(NETWORK, two), {})
    interactions = extracted(measurement, lambda *_: None)
    rest = extraction_cost(measurement).then(fit_cost(interactions))
    share = 2 / len(settings.epochs)
    return measuring.then(Cost(rest.seconds / share, rest.memory / share))
