"""`interdyn generalization`: what no reference network holds, and what becomes of interactions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.cli._console import (
    AsJson,
    Folder,
    InteractionsFile,
    Overwrite,
    complete,
    finish,
    out,
)
from sim.cli._folder import results
from sim.cli._matching import load_matching
from sim.extraction import Interactions
from sim.figures import figure_paths, generalization_figure, save_figure
from sim.files import write_json
from sim.generalization import (
    GROUPS,
    RULES,
    InteractionGroups,
    OverfittingLevel,
    interaction_groups,
    overfitting_level,
)
from sim.measurement import Measurement
from theory import SALIENCE

RESULT, FIGURE = "generalization.json", "generalization"
HIGHEST = 5  # samples that are named


def generalization(
    source: InteractionsFile,
    reference: Annotated[
        list[Path],
        typer.Option(
            metavar="INTERACTIONS",
            help="An interactions.npz of a reference network on the same inputs with the same "
            "players; may be given several times. Its last checkpoint counts, and each of its "
            "training runs as a network of its own.",
        ),
    ],
    folder: Folder = None,
    rule: Annotated[
        str,
        typer.Option(
            help="How many reference networks must hold an interaction: any (one), majority (more "
            "than half) or all.",
            autocompletion=complete(*RULES),
        ),
    ] = "majority",
    salience: Annotated[
        float, typer.Option(help="Threshold of salience, as a share of E|v(N) − v(∅)|.")
    ] = SALIENCE,
    fixed: Annotated[
        bool,
        typer.Option(
            "--fixed", help="Hold every checkpoint's groups against the last one's threshold."
        ),
    ] = False,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples; 0 for no intervals.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Tell what reference networks hold too, sample by sample, and how interactions come and go."""
    folder = folder or source.parent
    paths = [folder / RESULT, *figure_paths(folder, FIGURE)]
    with results(paths, overwrite):
        network = Interactions.load(source)
        measurement = network.measurement
        own = _arrays(network)
        others = np.concatenate([_reference(path, network) for path in reference], axis=1)
        level = overfitting_level(
            *own,
            *np.tile(others, (1, 1, measurement.runs, 1)),
            rule=rule,
            salience=salience,
            runs=measurement.runs,
            resamples=resamples,
            seed=seed,
        )
        groups = interaction_groups(*own, salience=salience, runs=measurement.runs, fixed=fixed)
        document = {
            "references": [str(path) for path in reference],
            "reference_networks": others.shape[1],
            "salience": salience,
            "seed": seed,
            "resamples": resamples,
            "samples": [measurement.sample_name(at) for at in range(measurement.samples)],
            "overfitting_level": level.record(measurement.epochs),
            "groups": groups.record(measurement.epochs),
        }
        save_figure(generalization_figure(measurement.epochs, level, groups), folder, FIGURE)
        write_json(folder / RESULT, document)
    if not as_json:
        _print(measurement, level, groups)
    drawn = ", ".join(map(str, paths[1:]))
    finish(as_json, document, f"\nResult: {folder / RESULT}\nFigure: {drawn}", None)


def _arrays(network: Interactions) -> np.ndarray:
    """AND, OR and outputs, (3, checkpoints, samples, 2^n)."""
    found = network.extraction
    return np.stack([*map(np.asarray, (found.i_and, found.i_or)), network.measurement.outputs])


def _reference(path: Path, network: Interactions) -> np.ndarray:
    """The last checkpoint of each run of a reference file, (3, runs, inputs, 2^n).

    Raises:
        ValueError: other inputs, players or explanations than the network's, as far as the files
            tell; names the file.
    """
    why = "references must be measured on the same inputs with the same players"
    reference = load_matching(path, network, "the network", why)
    theirs = reference.measurement
    last = _arrays(reference)[:, -1]
    return last.reshape(3, theirs.runs, theirs.input_count, -1)


def _print(measurement: Measurement, level: OverfittingLevel, groups: InteractionGroups) -> None:
    """Levels and groups by checkpoint, and the samples of the highest levels."""
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        title="Share of strength that the references do not hold (level), and that of five groups",
        title_justify="left",
        caption="Groups look back from the last checkpoint; their definitions are reconstructed.",
        caption_justify="left",
    )
    for name in ("epoch", "level", *GROUPS):
        table.add_column(name, justify="right", no_wrap=True)
    for at, epoch in enumerate(measurement.epochs):
        ends = "" if level.interval is None else f" [{_text(level.interval[:, at])}]"
        shares = (_text([share]) for share in groups.share[at])
        table.add_row(f"{epoch:g}", f"{_text([level.mean[at]])}{ends}", *shares)
    out.print(table)
    each = level.inputs[-1]
    known = np.flatnonzero(np.isfinite(each))
    highest = known[np.argsort(-each[known], kind="stable")][:HIGHEST]
    named = ", ".join(f"{measurement.sample_name(int(at))} ({each[at]:.2f})" for at in highest)
    if named:
        out.print(f"\nHighest at the last checkpoint: {named}", markup=False)


def _text(values: Any) -> str:
    return ", ".join("–" if math.isnan(value) else f"{value:.2f}" for value in values)
