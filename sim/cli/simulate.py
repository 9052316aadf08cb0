"""`interdyn simulate`: both phases of learning from the theory's side."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from sim.checks import check_nonnegative
from sim.cli._config import read_config, write_config
from sim.cli._console import (
    AsJson,
    Overwrite,
    command_line,
    finish,
    out,
    progress_bars,
)
from sim.cli._folder import results
from sim.cli._plan import Plan, tell, trial
from sim.cli._simulation import DRAWN, RELAXATION, SGD, TYPES, Simulation, with_settings
from sim.extraction import Interactions
from sim.figures import figure_paths, phase_map, save_figure, two_phases
from sim.machine import versions
from sim.progress import Progress
from sim.simulation import (
    AndOr,
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
DRAWINGS = {"two_phases": two_phases, "phase_map": phase_map}


@with_settings
def simulate(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("--out", help="Folder for trajectory.npz, config.toml and the figures.")
    ],
    settings: Simulation,
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file of these settings; options on the command line win."),
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw two_phases and phase_map.")] = True,
    plan: Plan = False,
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
    settings = _chosen(context, settings, config)
    path, used = folder / TRAJECTORY, folder / CONFIG
    drawings = DRAWINGS if figures else {}
    files = [path, used, *(file for name in drawings for file in figure_paths(folder, name))]
    with results(files, overwrite, plan):
        run, goal = _prepared(settings)
        if plan or not quiet:
            shape = np.shape(goal[0] if isinstance(goal, tuple) else goal)  # (members, 2^n)
            tell(
                f"Simulating {settings.epochs} epochs × {math.prod(shape[:-1])} members × "
                f"2^{shape[-1].bit_length() - 1} sets",
                settings.epochs * math.prod(shape),
                plan,
                lambda: trial(lambda told: run(progress=functools.partial(told, "simulate"))),
            )
        with _progress(quiet) as progress:
            trajectory = run(progress=progress)
        heading = f"interdyn simulate, interaction-dynamics {versions()['interaction-dynamics']}"
        write_config(used, settings.used(), heading)
        for name, draw in drawings.items():
            save_figure(draw(trajectory), folder, name)
        trajectory.save(path, overwrite=True)  # which `results` allowed
    if not as_json:
        _print(trajectory)
    held = ", ".join(sorted(file.name for file in files))
    again = command_line("interdyn", "simulate", "--config", used)
    following = f"change {used} and run {again} --out …"
    finish(as_json, _summary(trajectory, path), f"Saved in {folder}: {held}", following)


def _chosen(context: typer.Context, options: Simulation, config: Path | None) -> Simulation:
    """What the command line says, else the config file, else the default.

    Raises:
        ValueError: interactions come from a file, and a setting would have drawn others.
    """
    typed = {
        name: value
        for name, value in dataclasses.asdict(options).items()
        if _is_typed(context, name)
    }
    written = {} if config is None else read_config(config, TYPES)
    drawn = options.group(DRAWN)
    if "interactions" in typed:
        written = {name: value for name, value in written.items() if name not in drawn}
    chosen = written | typed
    for name in drawn:
        if "interactions" in chosen and name in chosen:
            raise ValueError(
                f"--{name} must be left out where --interactions brings start and target from a "
                f"file, but is {chosen[name]}."
            )
    return dataclasses.replace(options, **chosen)


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _prepared(settings: Simulation) -> tuple[Callable[..., Trajectory], AndOr]:
    """The simulation, for the progress that it is given, and what it learns."""
    epochs = settings.epochs
    if epochs < 1:
        raise ValueError(f"--epochs must be at least 1, but is {epochs}.")
    schedule = parse_schedule(settings.schedule, epochs=max(1, epochs - 1))
    check_nonnegative(settings.learned_scale, "learned_scale")
    noise = NoiseModel(settings.growth, settings.correlation)
    descent = Descent(**settings.group(SGD))
    initial, goal, key = _ends(settings)
    run = functools.partial(
        run_simulation,
        initial,
        goal,
        schedule,
        epochs,
        settings.method,
        noise,
        salience=settings.salience,
        **settings.group(RELAXATION),
        scale=settings.learned_scale,
        descent=descent,
        key=key,
        keep_interactions=settings.keep_interactions,
    )
    return run, goal


def _ends(settings: Simulation) -> tuple[AndOr | None, AndOr, jax.Array]:
    """Initial and target interactions, and the key for the rest."""
    first, second, rest = jax.random.split(jax.random.key(settings.seed), 3)
    if settings.interactions is not None:
        extraction = Interactions.load(settings.interactions).extraction
        i_and, i_or = np.asarray(extraction.i_and), np.asarray(extraction.i_or)
        return (i_and[0], i_or[0]), keep_salient((i_and[-1], i_or[-1])), rest
    n, members = settings.n, settings.members
    if settings.start not in ("spindle", "zero"):
        raise ValueError(f"--start must be spindle or zero, but is '{settings.start}'.")
    goal = sparse_target(n, second, _counts(settings), settings.negative, 1.0, members)
    if settings.start == "zero":
        return None, goal, rest
    return random_start(n, first, settings.rho, settings.scale, members), goal, rest


def _counts(settings: Simulation) -> int | list[int]:
    text = settings.targets
    if text is None:
        return min(100, 2 ** min(7, max(0, settings.n - 1)))  # a power of a huge n takes for ever
    try:
        counts = [int(count) for count in text.split("/")]
    except ValueError:
        raise ValueError(
            f"--targets must be a whole number, or one for each order separated by '/', but "
            f"is '{text}'."
        ) from None
    return counts[0] if len(counts) == 1 else counts


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Progress | None]:
    if quiet:
        yield None
        return
    with progress_bars() as progress:
        yield lambda done, total: progress("Simulating epochs", done, total)


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
