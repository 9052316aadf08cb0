"""The command line: `interdyn`, also `python -m sim`."""

from __future__ import annotations

import jax
import matplotlib as mpl
import typer

from sim.cli._console import plain_errors
from sim.cli._usage import PlainCommand, PlainGroup
from sim.cli.demo import demo
from sim.cli.export import export
from sim.cli.extract import extract
from sim.cli.figures import figures
from sim.cli.fit import fit
from sim.cli.measure import measure
from sim.cli.simulate import simulate
from sim.machine import versions

app = typer.Typer(
    name="interdyn",
    cls=PlainGroup,
    help=(
        "Which AND/OR interactions a network learns, order by order, while it trains, and whether "
        "theory predicts it.\n\n"
        "Each step reads the file of the one before: measure → measurement.npz → extract → "
        "interactions.npz → fit → fit.json and report.html → figures. `demo` does them all; "
        "`simulate` runs the theory alone.\n\n"
        "Your own network enters at extract: save its outputs v(S), the log-odds of the true "
        "class, with numpy.savez('measurement.npz', outputs=…, epochs=…); outputs has shape "
        "(checkpoints, samples, 2^n), and bit i of the last index says whether player i is shown."
    ),
    no_args_is_help=True,
    epilog="INTERDYN_DEBUG=1 shows the traceback behind a one-line error.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, measure, extract, fit, figures, export, simulate):
    app.command(name=command.__name__, cls=PlainCommand)(plain_errors(command))


@app.callback(invoke_without_command=True)
def _settings(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        typer.echo(versions()["interaction-dynamics"])
        raise typer.Exit
    jax.config.update("jax_enable_x64", True)
    mpl.use("Agg")  # figures go to files, never to a window


def main() -> None:
    """Runs the command line."""
    app()
