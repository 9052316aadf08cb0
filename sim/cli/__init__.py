"""The command line: `interdyn`, also `python -m sim`."""

from __future__ import annotations

import jax
import matplotlib as mpl
import typer

from sim.cli._console import plain_errors
from sim.cli.demo import demo
from sim.cli.export import export
from sim.cli.extract import extract
from sim.cli.figures import figures
from sim.cli.fit import fit
from sim.cli.measure import measure
from sim.cli.simulate import simulate
from sim.provenance import versions

app = typer.Typer(
    name="interdyn",
    help=(
        "Which AND/OR interactions a network learns, order by order, while it trains, and whether "
        "theory predicts it.\n\nThe steps, each reading the file of the one before: measure, "
        "extract, fit, figures. `demo` does them all. `simulate` runs the theory "
        "without a network."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, measure, extract, fit, figures, export, simulate):
    app.command(name=command.__name__)(plain_errors(command))


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
