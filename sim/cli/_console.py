"""How commands talk: progress on stderr, results on stdout, errors in one line."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from typer.models import OptionInfo

from sim.checks import ArgumentError
from sim.cli._startup import begin
from sim.cli._streams import err as err, out as out
from sim.measurement import ProbabilityWarning
from sim.progress import NamedProgress
from sim.unfinished import Finished

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the results that the folder already holds.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object, for scripts.")
]

InteractionsFile = Annotated[
    Path,
    typer.Argument(help="An interactions.npz, of interdyn extract.", metavar="INTERACTIONS"),
]
Folder = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for the result; beside the input file by default."),
]
Seed = Annotated[int, typer.Option(help="Of the data split, the network and the players.")]
Growth = Annotated[
    float, typer.Option(help="Factor by which the noise variance grows with each order.")
]

MEASUREMENT, INTERACTIONS = "measurement.npz", "interactions.npz"
FIT, REPORT = "fit.json", "report.html"

ANTICIPATED = (ValueError, TypeError, OSError, ImportError, RuntimeError, ArithmeticError)
"""Errors whose text says what is wrong; of others the type is named too."""

WIDTH = 100  # of lines of text, where the terminal is wider

LONGEST = 600  # characters of an error: JAX's can go on for pages

ALIASES = {
    "figures": {"formats": "format"},
    "measure": {"n": "players"},
    "simulate": {"counts": "targets"},
}
"""Arguments of Python that an option of another name sets, by command."""


def complete(*names: str) -> Callable[[str], list[str]]:
    """What the tab key offers for an option that takes one of a few names."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


Command = TypeVar("Command", bound=Callable[..., Any])


def plain_errors(command: Command) -> Command:
    """Turns whatever stops a command into one line on stderr and exit code 2.

    Warnings become notes of one line. A result that is saved counts where stdout takes no more: a
    line says so, and the exit code is 0 unless the result was asked for as --json.

    With the environment variable INTERDYN_DEBUG set, the traceback is shown instead.
    """
    options = _options(command)

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        begin()
        out.fault = None
        try:
            with _notes():
                result = command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Finished as end:
            finish(bool(kwargs.get("as_json")), {"finished": str(end)}, str(end), None)
            return None
        except KeyboardInterrupt as stop:
            kept = str(stop) or "nothing half-written was left behind."
            err.print(f"interdyn: interrupted; {kept}", markup=False)
            raise typer.Exit(130) from None
        except BaseException as error:  # a script of the user can raise anything
            if os.environ.get("INTERDYN_DEBUG"):
                raise
            err.print(f"interdyn: {_shortened(_message(error, options))}", markup=False)
            raise typer.Exit(2) from None
        if out.fault is not None:
            reason = out.fault.strerror
            err.print(f"interdyn: files are saved, but stdout failed: {reason}.", markup=False)
            if kwargs.get("as_json"):
                raise typer.Exit(2)
        return result

    return guarded  # type: ignore[return-value]


@contextlib.contextmanager
def _notes() -> Iterator[None]:
    """Shows each warning once, in one line on stderr, without the place that gave it."""
    shown = set()

    def note(message: Warning | str, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        if text not in shown:
            err.print(f"interdyn: note: {text}", markup=False)
        shown.add(text)

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=ProbabilityWarning)
        warnings.showwarning = note
        yield


def _options(command: Callable[..., Any]) -> dict[str, str]:
    """The options of a command, by the name that the argument behind them has in Python."""
    options = {}
    for name, hint in get_type_hints(command, include_extras=True).items():
        for info in getattr(hint, "__metadata__", ()):
            if isinstance(info, OptionInfo):
                flag = (info.param_decls or [f"--{name.replace('_', '-')}"])[0]
                options[flag.removeprefix("--").replace("-", "_")] = flag
    aliases = ALIASES.get(command.__name__, {})
    return options | {name: f"--{option}" for name, option in aliases.items()}


def _message(error: BaseException, options: Mapping[str, str]) -> str:
    """What is wrong, in one line; of an argument that an option sets, by the option's name."""
    if isinstance(error, ArgumentError) and error.name in options:
        return error.about(options[error.name])
    if isinstance(error, ModuleNotFoundError):
        extra = {"equinox": "experiments", "sklearn": "experiments", "torch": "torch"}
        wanted = extra.get((error.name or "").split(".")[0])
        if wanted:
            return (
                f"this needs the package '{error.name}'; install it with "
                f"pip install 'interaction-dynamics[{wanted}]'."
            )
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, MemoryError):
        return f"there is not enough memory. {error}"
    if isinstance(error, ANTICIPATED):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error} (INTERDYN_DEBUG=1 shows where it comes from)."


def _shortened(text: str) -> str:
    """A text in one line of a length that is read."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


@contextlib.contextmanager
def progress_bars() -> Iterator[NamedProgress]:
    """Bars by name. A log file gets none."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    tasks: dict[str, Any] = {}
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:

        def progress(description: str, done: int, total: int) -> None:
            if description not in tasks:
                tasks[description] = bars.add_task(description, total=total)
            bars.update(tasks[description], completed=done, total=total)

        yield progress


def print_json(content: Any) -> None:
    """Prints one JSON object on stdout, in ASCII: every encoding of stdout leaves it whole."""
    out.print(json.dumps(content), markup=False)


def print_text(text: str) -> None:
    """Prints a paragraph, in lines that are not too long to read."""
    out.print(text, markup=False, soft_wrap=False, width=min(out.width, WIDTH))


def command_line(*words: str | Path) -> str:
    """A command as one types it, with quotes where a path needs them."""
    return shlex.join(map(str, words))


def finish(as_json: bool, result: dict[str, Any], text: str, following: str | None) -> None:
    """Prints the result, and the command that comes next."""
    if as_json:
        print_json(result)
        return
    out.print(text, markup=False)
    if following is not None:
        out.print(f"Next: {following}", markup=False)
