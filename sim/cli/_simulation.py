"""The settings of a simulation: each is an option of the command and a line of config.toml."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from sim.checks import check_seed
from sim.cli._console import Growth, complete
from sim.simulation import BATCH_SIZE, CLOCKS, METHODS, NEGATIVE, RHO, Descent, Relaxation
from theory import SALIENCE, NoiseModel


@dataclasses.dataclass(frozen=True)
class When:
    """Marks a setting that plays a part only where another one has a certain value."""

    name: str
    value: str | None


DRAWN = When("interactions", None)  # start and target, where they do not come from a file
SPINDLE = When("start", "spindle")
RELAXATION = When("method", "relaxation")
SUPERPOSITION = When("method", "superposition")
SGD = When("method", "sgd")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulation:
    """One simulation in plain values, in the order of --help and config.toml."""

    n: Annotated[int, typer.Option("--n", help="Number of players."), DRAWN] = 10
    epochs: Annotated[int, typer.Option(help="Number of epochs to record: 0 to epochs − 1.")] = 300
    schedule: Annotated[
        str, typer.Option(help="σ² against the epoch, as above.", show_default=False)
    ] = "exponential:start=10,end=1e-7"
    method: Annotated[
        str,
        typer.Option(
            help="equilibrium (second phase only), relaxation (both phases, the start removed), "
            "superposition (both phases, the start kept as it is and outgrown: what is learned is "
            "added, so that start + target is the end) or sgd (really training).",
            autocompletion=complete(*METHODS),
        ),
    ] = "relaxation"
    members: Annotated[int, typer.Option(help="Independent draws of start and target."), DRAWN] = 8
    start: Annotated[
        str,
        typer.Option(
            help="Initial interactions: spindle or zero.",
            autocompletion=complete("spindle", "zero"),
        ),
        DRAWN,
    ] = "spindle"
    rho: Annotated[
        float,
        typer.Option(help="Growth of the start's interactions with their order."),
        DRAWN,
        SPINDLE,
    ] = RHO
    scale: Annotated[
        float,
        typer.Option(help="Size of the start's interactions at order 0, in log-odds."),
        DRAWN,
        SPINDLE,
    ] = 0.05
    targets: Annotated[
        str | None,
        typer.Option(
            help="Number of nonzero target interactions, in all or for each order as a/b/c/…; "
            "by default 100, or half of all sets where that is fewer."
        ),
        DRAWN,
    ] = None
    negative: Annotated[
        float, typer.Option(help="Probability that a target interaction is negative."), DRAWN
    ] = NEGATIVE
    interactions: Annotated[
        str | None,
        typer.Option(
            help="An interactions.npz: start at its first checkpoint, learn the salient "
            f"interactions ({100 * SALIENCE:g} % of v(N) − v(∅)) of its last; in place of drawing "
            "both by --n, --members, --start, --rho, --scale, --targets and --negative."
        ),
    ] = None
    salience: Annotated[
        float, typer.Option(help="Share of |v(N) − v(∅)| from which an interaction counts.")
    ] = 0.0
    rate: Annotated[
        float, typer.Option(help="relaxation: how much of it in one epoch."), RELAXATION
    ] = float(Relaxation.rate)
    clock: Annotated[
        str,
        typer.Option(
            help="relaxation: what the rate is measured by, noise or flow.",
            autocompletion=complete(*CLOCKS),
        ),
        RELAXATION,
    ] = Relaxation.clock
    substeps: Annotated[
        int, typer.Option(help="relaxation: parts of an epoch with constant σ²."), RELAXATION
    ] = Relaxation.substeps
    learned_scale: Annotated[
        float,
        typer.Option(
            help="superposition: s, the size of what is learned beside the theory's own, at all "
            "epochs. Networks reach 1 only late; a fit's `scale` is what they have."
        ),
        SUPERPOSITION,
    ] = 1.0
    batch_size: Annotated[int, typer.Option(help="sgd: masks per step."), SGD] = BATCH_SIZE
    steps_per_epoch: Annotated[int, typer.Option(help="sgd: optimiser steps per epoch."), SGD] = (
        Descent.steps_per_epoch
    )
    step: Annotated[
        float, typer.Option(help="sgd: learning rate as a share of the largest stable one."), SGD
    ] = Descent.step
    momentum: Annotated[float, typer.Option(help="sgd: momentum, from 0 to below 1."), SGD] = (
        Descent.momentum
    )
    white: Annotated[
        bool,
        typer.Option(help="sgd: descend in the coordinates in which the noise is white."),
        SGD,
    ] = Descent.white
    growth: Growth = float(NoiseModel.growth)
    correlation: Annotated[float, typer.Option(help="Correlation of the noise.")] = float(
        NoiseModel.correlation
    )
    keep_interactions: Annotated[
        bool, typer.Option("--keep-interactions", help="Save the interactions at every epoch too.")
    ] = False
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)

    def group(self, mark: When) -> dict[str, Any]:
        """The settings that carry a mark."""
        return {name: getattr(self, name) for name, marks in _MARKS.items() if mark in marks}

    def used(self) -> dict[str, Any]:
        """The settings that the run depends on."""
        return {
            name: getattr(self, name)
            for name, marks in _MARKS.items()
            if all(getattr(self, mark.name) == mark.value for mark in marks)
        }


TYPES = get_type_hints(Simulation)
_HINTS = get_type_hints(Simulation, include_extras=True)
_MARKS = {
    name: [mark for mark in hint.__metadata__ if isinstance(mark, When)]
    for name, hint in _HINTS.items()
}


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command one option for each setting, in place of its parameter `settings`."""
    options = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=_HINTS[field.name],
        )
        for field in dataclasses.fields(Simulation)
    ]
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        keyword = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        parameters += options if name == "settings" else [keyword]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        settings = Simulation(**{name: given.pop(name) for name in _HINTS})
        command(settings=settings, **given)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called
