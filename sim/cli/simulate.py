"""`interdyn simulate`: both phases of learning from the theory's side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.cli._config import read_config, write_config
from sim.cli._console import (
    AsJson,
    Overwrite,
    command_line,
    complete,
    finish,
    out,
    progress_bars,
    refuse_existing,
)
from sim.extraction import Interactions
from sim.figures import phase_map, save_figure, two_phases
from sim.machine import versions
from sim.simulation import (
    CLOCKS,
    METHODS,
    Descent,
    Trajectory,
    keep_salient,
    parse_schedule,
    random_start,
    simulate as run_simulation,
    sparse_target,
)
from theory import NoiseModel

TRAJECTORY, CONFIG = "trajectory.npz", "config.toml"
NOT_SETTINGS = {"context", "target", "config", "figures", "overwrite", "quiet", "as_json"}
DRAWN = ("n", "members", "start", "rho", "scale", "targets", "negative")  # not from a file
OF_METHOD = {
    "relaxation": ("rate", "clock", "substeps"),
    "sgd": ("batch_size", "steps_per_epoch", "step", "momentum", "white"),
}


def simulate(
    context: typer.Context,
    target: Annotated[
        Path, typer.Option("--out", help="Folder for trajectory.npz, config.toml and the figures.")
    ],
    n: Annotated[int, typer.Option("--n", help="Number of players.")] = 10,
    epochs: Annotated[int, typer.Option(help="Number of epochs to record: 0 to epochs − 1.")] = 300,
    schedule: Annotated[
        str,
        typer.Option(help="σ² against the epoch, as above.", show_default=False),
    ] = "exponential:start=10,end=1e-7",
    method: Annotated[
        str,
        typer.Option(
            help="equilibrium (second phase only), relaxation (both phases, closed form) or sgd "
            "(really training).",
            autocompletion=complete(*METHODS),
        ),
    ] = "relaxation",
    members: Annotated[int, typer.Option(help="Independent draws of start and target.")] = 8,
    start: Annotated[
        str,
        typer.Option(
            help="Initial interactions: spindle or zero.",
            autocompletion=complete("spindle", "zero"),
        ),
    ] = "spindle",
    rho: Annotated[
        float, typer.Option(help="Growth of the start's interactions with their order.")
    ] = 2**0.5,
    scale: Annotated[
        float, typer.Option(help="Size of the start's interactions at order 0, in log-odds.")
    ] = 0.05,
    targets: Annotated[
        str | None,
        typer.Option(
            help="Number of nonzero target interactions, in all or for each order as a/b/c/…; "
            "by default 100, or half of all sets where that is fewer."
        ),
    ] = None,
    negative: Annotated[
        float, typer.Option(help="Probability that a target interaction is negative.")
    ] = 0.5,
    interactions: Annotated[
        str | None,
        typer.Option(
            help="An interactions.npz: start at its first checkpoint, learn the salient "
            "interactions (3 % of v(N) − v(∅)) of its last; in place of drawing both by --n, "
            "--members, --start, --rho, --scale, --targets and --negative."
        ),
    ] = None,
    salience: Annotated[
        float, typer.Option(help="Share of |v(N) − v(∅)| from which an interaction counts.")
    ] = 0.0,
    rate: Annotated[float, typer.Option(help="relaxation: how much of it in one epoch.")] = 0.2,
    clock: Annotated[
        str,
        typer.Option(
            help="relaxation: what the rate is measured by, noise or flow.",
            autocompletion=complete(*CLOCKS),
        ),
    ] = "noise",
    substeps: Annotated[
        int, typer.Option(help="relaxation: parts of an epoch with constant σ².")
    ] = 8,
    batch_size: Annotated[int, typer.Option(help="sgd: masks per step.")] = 64,
    steps_per_epoch: Annotated[int, typer.Option(help="sgd: optimiser steps per epoch.")] = 100,
    step: Annotated[
        float, typer.Option(help="sgd: learning rate as a share of the largest stable one.")
    ] = 0.1,
    momentum: Annotated[float, typer.Option(help="sgd: momentum, from 0 to below 1.")] = 0.0,
    white: Annotated[
        bool, typer.Option(help="sgd: descend in the coordinates in which the noise is white.")
    ] = True,
    growth: Annotated[
        float, typer.Option(help="Factor by which the noise variance grows with each order.")
    ] = 2.0,
    correlation: Annotated[float, typer.Option(help="Correlation of the noise.")] = 0.0,
    keep_interactions: Annotated[
        bool, typer.Option("--keep-interactions", help="Save the interactions at every epoch too.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file of these settings; options on the command line win."),
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw two_phases and phase_map.")] = True,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate how interactions are learned while the noise falls: both phases, order by order.

    The settings that were used are saved beside the result as config.toml,
    which --config reads again. The same settings give the same bytes.

    The noise variance σ² follows a schedule:

      --schedule exponential:start=10,end=1e-7    (the default)
      --schedule constant:sigma2=0.1
      --schedule power_law:start=10,exponent=3,scale=5
      --schedule logistic:start=10,end=1e-7,middle=100,width=20
      --schedule piecewise:boundaries=50/100,values=10/0.1/1e-3
      --schedule table:epochs=0/50/300,values=10/0.1/1e-7
      --schedule table:file=noise.csv             (two columns: epoch, σ²)
    """
    settings = _settings(context, config)
    path = target / TRAJECTORY
    refuse_existing([path], overwrite)
    with _progress(quiet) as progress:
        trajectory = _run(settings, progress)
    heading = f"interdyn simulate, interaction-dynamics {versions()['interaction-dynamics']}"
    write_config(target / CONFIG, _used(settings), heading)
    if figures:
        save_figure(two_phases(trajectory), target, "two_phases")
        save_figure(phase_map(trajectory), target, "phase_map")
    trajectory.save(path)  # last: where it is, the run is whole
    if not as_json:
        _print(trajectory)
    held = ", ".join(sorted(file.name for file in target.iterdir()))
    again = command_line("interdyn", "simulate", "--config", target / CONFIG)
    following = f"change {target / CONFIG} and run {again} --out …"
    finish(as_json, _summary(trajectory, path), f"Saved in {target}: {held}", following)


def _settings(context: typer.Context, config: Path | None) -> dict[str, Any]:
    """What the command line says, else the config file, else the default.

    Raises:
        ValueError: interactions come from a file, and a setting would have drawn others.
    """
    defaults = {
        str(parameter.name): parameter.default
        for parameter in context.command.params
        if parameter.name in context.params and parameter.name not in NOT_SETTINGS
    }
    typed = {name: context.params[name] for name in defaults if _is_typed(context, name)}
    written = {} if config is None else read_config(config, defaults)  # type: ignore[arg-type]
    if "interactions" in typed:
        written = {name: value for name, value in written.items() if name not in DRAWN}
    chosen = written | typed
    for name in DRAWN:
        if "interactions" in chosen and name in chosen:
            raise ValueError(
                f"--{name} must be left out where --interactions brings start and target from a "
                f"file, but is {chosen[name]}."
            )
    return {name: context.params[name] for name in defaults} | chosen


def _used(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that the run depends on."""
    others = [names for method, names in OF_METHOD.items() if method != settings["method"]]
    unused = {name for names in others for name in names}
    if settings["interactions"] is not None:
        unused |= set(DRAWN)
    elif settings["start"] == "zero":
        unused |= {"rho", "scale"}
    return {name: value for name, value in settings.items() if name not in unused}


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _run(settings: dict[str, Any], progress: Any) -> Trajectory:
    epochs = settings["epochs"]
    if epochs < 1:
        raise ValueError(f"--epochs must be at least 1, but is {epochs}.")
    schedule = parse_schedule(settings["schedule"], epochs=max(1, epochs - 1))
    noise = NoiseModel(settings["growth"], settings["correlation"])
    descent = Descent(
        **{
            name: settings[name]
            for name in ("batch_size", "steps_per_epoch", "step", "momentum", "white")
        }
    )
    initial, goal, key = _ends(settings)
    return run_simulation(
        initial,
        goal,
        schedule,
        epochs,
        settings["method"],
        noise,
        salience=settings["salience"],
        rate=settings["rate"],
        clock=settings["clock"],
        substeps=settings["substeps"],
        descent=descent,
        key=key,
        keep_interactions=settings["keep_interactions"],
        progress=progress,
    )


def _ends(settings: dict[str, Any]) -> tuple[Any, Any, jax.Array]:
    """Initial and target interactions, and the key for the rest."""
    first, second, rest = jax.random.split(jax.random.key(settings["seed"]), 3)
    if settings["interactions"] is not None:
        extraction = Interactions.load(settings["interactions"]).extraction
        i_and, i_or = np.asarray(extraction.i_and), np.asarray(extraction.i_or)
        return (i_and[0], i_or[0]), keep_salient((i_and[-1], i_or[-1])), rest
    n, members = settings["n"], settings["members"]
    if settings["start"] not in ("spindle", "zero"):
        raise ValueError(f"--start must be spindle or zero, but is '{settings['start']}'.")
    goal = sparse_target(n, second, _counts(settings), settings["negative"], 1.0, members)
    if settings["start"] == "zero":
        return None, goal, rest
    return random_start(n, first, settings["rho"], settings["scale"], members), goal, rest


def _counts(settings: dict[str, Any]) -> int | list[int]:
    text = settings["targets"]
    if text is None:
        return min(100, 2 ** max(0, settings["n"] - 1))
    try:
        counts = [int(part) for part in text.split("/")]
    except ValueError:
        raise ValueError(
            f"--targets must be a whole number, or one for each order separated by '/', but "
            f"is '{text}'."
        ) from None
    return counts[0] if len(counts) == 1 else counts


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Any]:
    if quiet:
        yield None
        return
    with progress_bars() as report:
        yield lambda done, total: report("Simulating epochs", done, total)


def _summary(trajectory: Trajectory, path: Path) -> dict[str, Any]:
    order, low = np.asarray(trajectory.mean_order), trajectory.lowest
    return {
        "trajectory": str(path),
        "epochs": order.size,
        "mean_order": {"first": order[0] or None, "smallest": order[low], "last": order[-1]},
        "epoch_of_smallest": float(trajectory.epochs[low]),
    }


def _print(trajectory: Trajectory) -> None:
    order, low = np.asarray(trajectory.mean_order), trajectory.lowest
    last = order.size - 1
    table = Table(box=SIMPLE_HEAD)
    for name in ("epoch", "σ²", "mean order", "strength", "loss"):
        table.add_column(name, justify="right")
    rows = {0, low, last, *np.linspace(0, last, 7).astype(int).tolist()}
    for i in sorted(rows):
        table.add_row(
            f"{float(trajectory.epochs[i]):g}",
            f"{float(trajectory.sigma2[i]):.2e}",
            f"{order[i]:.2f}" if order[i] else "–",
            f"{float(trajectory.strength[i].sum()):.3g}",
            f"{float(trajectory.loss[i]):.3g}",
        )
    out.print(table)
    if not order[0]:
        out.print(f"From no interactions, the mean order goes to {order[-1]:.2f} at the end.")
    elif 0 < low < last:
        out.print(
            f"The mean order falls from {order[0]:.2f} to {order[low]:.2f} at epoch "
            f"{float(trajectory.epochs[low]):g}, and rises to {order[-1]:.2f} after it."
        )
    else:
        out.print(
            f"The mean order goes from {order[0]:.2f} to {order[-1]:.2f}, with no minimum between."
        )
