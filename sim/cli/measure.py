"""`interdyn measure`: a network on all masked inputs, checkpoint by checkpoint."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import runpy
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from sim.checks import check_whole
from sim.cli._console import (
    MEASUREMENT,
    AsJson,
    Overwrite,
    Seed,
    command_line,
    complete,
    finish,
    progress_bars,
)
from sim.cli._folder import UNFINISHED, results, shared_results
from sim.cli._plan import Plan, tell, trial
from sim.cli._processes import NumProcesses, ProcessId, chosen_share
from sim.experiments import (
    BUNDLED,
    CHECKPOINT_EPOCHS,
    STANDARD,
    STANDARD_EPOCHS,
    Checkpoints,
    DataSettings,
    PlayerSettings,
    Settings,
    TrainingSettings,
    find_checkpoints,
    prepare,
    prepare_saved,
    record,
    recording_identity,
    save_recording,
)
from sim.machine import versions
from sim.measurement import (
    WAYS,
    Measurement,
    dummies_in_words,
    masks_in_words,
    near_dummies,
)
from sim.processes import Share
from sim.progress import NamedProgress

DATA, NETWORK, PLAYERS = "Data", "Network and training", "Players"  # panels of --help


def measure(
    folder: Annotated[Path, typer.Option("--out", help="Folder for measurement.npz.")],
    experiment: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(BUNDLED)}; on data of your own {', '.join(STANDARD)}; or a name "
            "that --script registers.",
            autocompletion=complete(*BUNDLED, *STANDARD),
        ),
    ] = "digits-mlp",
    epochs: Annotated[
        str | None,
        typer.Option(
            help="Epochs of the checkpoints, separated by commas; with --checkpoints the steps "
            "that are measured, by default all.",
            show_default=f"{', '.join(map(str, CHECKPOINT_EPOCHS))}; with --data up to "
            f"{STANDARD_EPOCHS[-1]}",
        ),
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            help="Measure a network that is saved already: the paths of its checkpoints, in "
            "quotes, with * for the number of the step: 'run/step-*'. --script says how one is "
            "loaded.",
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Number of inputs to measure.")] = Settings.samples,
    part: Annotated[
        str,
        typer.Option(
            help="Which inputs to measure: test or train.",
            autocompletion=complete("test", "train"),
        ),
    ] = Settings.part,
    seed: Seed = 0,
    seeds: Annotated[
        int,
        typer.Option(
            help="Number of training runs, from --seed, --seed + 1, …: other initial parameters "
            "and another order of the data. The data, their label noise, the measured inputs and "
            "the players stay those of --seed."
        ),
    ] = 1,
    single: Annotated[
        bool, typer.Option("--float32", help="Write the outputs in 32 bits: half the file.")
    ] = False,
    keep_inputs: Annotated[
        bool,
        typer.Option(
            "--keep-inputs",
            help="Keep the inputs in the file too, so that interactions can be drawn on them.",
        ),
    ] = False,
    script: Annotated[
        Path | None,
        typer.Option(
            help="A Python file that registers experiments or saved networks of your own; run "
            "first."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=DATA,
            help="A file of your own: an .npz with images (m, height, width[, channels]) or points "
            "(m, points, 3), and labels; a folder of class folders of images; a CSV with the "
            "column label, and text for text.",
        ),
    ] = None,
    test_fraction: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=DATA, help="Of the samples, held out for testing.", show_default="0.2"
        ),
    ] = None,
    standardise: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=DATA,
            help="By the mean and deviation of all training values, of each of the columns, or "
            "none.",
            show_default="all; columns of a table",
            autocompletion=complete("all", "columns", "none"),
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=DATA,
            help="Words of a sentence that are kept.",
            show_default="enough for 95 % of the sentences, at most 64",
        ),
    ] = None,
    label_noise: Annotated[
        float,
        typer.Option(
            rich_help_panel=DATA, help="Fraction of training labels replaced by another class."
        ),
    ] = Settings.label_noise,
    width: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=NETWORK, help="Of its layers.", show_default="the network's own"
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=NETWORK, help="Number of its layers.", show_default="the network's own"
        ),
    ] = None,
    optimiser: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=NETWORK,
            help="sgd or adam.",
            show_default="sgd; adam for text",
            autocompletion=complete("sgd", "adam"),
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=NETWORK, help="Of the optimiser.", show_default="0.01; adam 0.001"
        ),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(rich_help_panel=NETWORK, help="Of sgd.", show_default="0.9"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(rich_help_panel=NETWORK, help="Samples in a step.", show_default="128"),
    ] = None,
    players: Annotated[
        int,
        typer.Option(rich_help_panel=PLAYERS, help="Number of players; 2^players outputs each."),
    ] = Settings.players,
    masks: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=PLAYERS,
            help="Measure so many masked versions of each input, drawn by --seed, where 2^players "
            "are too many.",
            show_default="all",
        ),
    ] = None,
    masks_by: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=PLAYERS,
            help="How --masks are drawn: size (as many of every number of players as can be) or "
            "uniform (all sets alike).",
            show_default=WAYS[0],
            autocompletion=complete(*WAYS),
        ),
    ] = None,
    mask_at: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=PLAYERS,
            help="Where players are masked: input, or an activation of the network by its name, "
            "such as relu1, or embedding of text.",
            show_default="relu1 of cnn, relu2 of vgg, else input",
        ),
    ] = None,
    baseline: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=PLAYERS,
            help="What an absent player shows, where it is neither the mask token nor a cluster's "
            "mean.",
            show_default="0",
        ),
    ] = None,
    patch: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=PLAYERS,
            help="Side of an image's patches, in pixels of what is masked.",
            show_default="a grid as near to 8×8 as can be",
        ),
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=PLAYERS,
            help="Of the points of a cloud; some of them are the players.",
            show_default="30",
        ),
    ] = None,
    num_processes: NumProcesses = None,
    process_id: ProcessId = None,
    plan: Plan = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train a network and measure it on all masked inputs, checkpoint by checkpoint.

    With --seeds it trains several networks on the same data, one by one.
    With --data it trains on a file of your own.
    With --checkpoints it trains none, and measures what is on disk.

    With --masks it measures some of the masked inputs only, for more players than 14.

    A run that was killed goes on from its last checkpoint when the same command is given again.
    """
    check_whole(seeds, "seeds", 1)
    chosen = None if epochs is None else parse_epochs(epochs)
    saved = None if checkpoints is None else find_checkpoints(checkpoints, chosen)
    usual = STANDARD_EPOCHS if experiment in STANDARD else CHECKPOINT_EPOCHS
    settings = Settings(
        chosen or usual if saved is None else tuple(saved),
        samples,
        players,
        label_noise,
        seed,
        part,
        masks,
        masks_by,
        DataSettings(data, test_fraction, standardise, length),
        TrainingSettings(width, depth, optimiser, learning_rate, momentum, batch_size),
        PlayerSettings(mask_at, baseline, patch, clusters),
    )
    path = folder / MEASUREMENT
    share = None if plan else chosen_share(num_processes, process_id)
    held = results([path], overwrite, plan) if share is None else contextlib.nullcontext()
    with held, progress_bars() as progress:
        extra = {} if script is None else run_script(script)
        measurement = run_measure(
            experiment,
            settings,
            path,
            progress,
            seeds=seeds,
            overwrite=overwrite,
            single=single,
            keep_inputs=keep_inputs,
            extra=extra,
            saved=saved,
            plan=plan,
            share=share,
        )
    text = f"Measured {measurement.shape_in_words()}: {path}"
    if data is not None:
        told = measurement.metadata
        text += "".join(
            f"\n{key.title()}: {told[key]}." for key in ("data", "masking") if key in told
        )
    if note := dummies_in_words(measurement):
        text += f"\nNote: {note}"
    finish(
        as_json,
        {
            "measurement": str(path),
            "shape": list(measurement.outputs.shape),
            "runs": measurement.runs,
            "near_dummies": None if measurement.sets is not None else near_dummies(measurement),
        },
        text,
        command_line("interdyn", "extract", path),
    )


def run_script(path: Path) -> dict[str, Any]:
    """Runs a user's script for the experiments that it registers; returns which script it was."""
    if not path.is_file():
        raise ValueError(f"--script must be a Python file, but there is none at {path}.")
    try:
        runpy.run_path(str(path), run_name=path.stem)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a script can raise anything
        raise ValueError(f"{path}{_line(path, error)}: {type(error).__name__}: {error}") from error
    return {"script": {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}


def _line(path: Path, error: BaseException) -> str:
    """Where in the script an error came up, as `, line 3`."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    if not lines and isinstance(error, SyntaxError) and error.lineno is not None:
        lines = [error.lineno]  # of the script itself, which never ran
    return f", line {lines[-1]}" if lines else ""


def run_measure(
    name: str,
    settings: Settings,
    path: Path,
    progress: NamedProgress,
    *,
    seeds: int = 1,
    overwrite: bool = False,
    single: bool = False,
    keep_inputs: bool = False,
    extra: Mapping[str, Any] | None = None,
    saved: Mapping[int, Path] | None = None,
    plan: bool = False,
    share: Share | None = None,
) -> Measurement:
    """Trains, measures and saves; goes on from the checkpoints that a killed run left behind.

    Tells before what it will take, and with `plan` ends there.

    One run is the experiment's own; several are from the settings' seed on. The paths of saved
    checkpoints, by step, are read in place of training. A share of several processes holds the
    folder by itself.

    Raises:
        Finished: it is for another process to save.
    """
    experiment = prepare(name, settings) if saved is None else prepare_saved(name, settings, saved)
    metadata = {"seed": settings.seed, "versions": versions(), **(extra or {})}
    unfinished = path.parent / UNFINISHED
    several = None if seeds == 1 else range(settings.seed, settings.seed + seeds)
    dtype = np.float32 if single else np.float64
    recorded = functools.partial(
        record, experiment, metadata, progress, seeds=several, keep_inputs=keep_inputs
    )
    shape = (len(experiment.epochs), seeds * len(experiment.inputs), experiment.mask_count)
    masked = masks_in_words(experiment.masking.n, experiment.mask_count)
    told = functools.partial(
        tell,
        f"Measuring {shape[0]} checkpoints × {shape[1]} samples × {masked}",
        math.prod(shape),
        plan,
        lambda: trial(lambda progress: record(experiment, metadata, progress, seeds=several)).times(
            seeds
        ),
    )
    if share is not None:
        form = {"float32": single, "keep_inputs": keep_inputs}
        run = recording_identity(experiment, metadata | form, several)
        with shared_results([path], overwrite, share, Checkpoints(unfinished), run) as work:
            told()
            measurement = recorded(work=work)
            work.leave_saving()
            measurement.save(path, dtype, overwrite=True)  # which the folder allowed
        return Measurement.load(path) if single else measurement
    told()
    try:
        measurement = recorded(folder=unfinished, discard=overwrite)
        save_recording(measurement, path, unfinished, dtype)
    except KeyboardInterrupt:
        kept, total = len(list(unfinished.rglob("epoch-*.npz"))), seeds * len(settings.epochs)
        raise KeyboardInterrupt(
            f"{kept} of {total} checkpoints are kept, and the same command goes on from there."
        ) from None
    return Measurement.load(path) if single else measurement


def parse_epochs(text: str) -> tuple[int, ...]:
    """Epochs from a text such as `0,1,2,4`."""
    try:
        return tuple(int(epoch) for epoch in text.split(","))
    except ValueError:
        raise ValueError(
            f"--epochs must be whole numbers separated by commas, such as 0,4,16, but is '{text}'."
        ) from None
