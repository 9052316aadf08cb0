"""The command line: `interdyn`, also `python -m sim`."""

from __future__ import annotations

import typer

from sim.cli import pipeline
from sim.cli._console import plain_errors
from sim.cli.demo import demo
from sim.cli.export import export

app = typer.Typer(
    name="interdyn",
    help=(
        "Which AND/OR interactions a network learns, order by order, while it trains, and whether "
        "theory predicts it.\n\nThe steps, each reading the file of the one before: measure, "
        "extract, fit, figures. `demo` does them all."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
steps = (pipeline.measure, pipeline.extract, pipeline.fit, pipeline.figures)
for command in (demo, *steps, export):
    app.command(name=command.__name__)(plain_errors(command))


@app.callback(invoke_without_command=True)
def _settings(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from sim.provenance import versions

        typer.echo(versions()["interaction-dynamics"])
        raise typer.Exit
    import jax

    jax.config.update("jax_enable_x64", True)


def main() -> None:
    """Runs the command line."""
    app()
