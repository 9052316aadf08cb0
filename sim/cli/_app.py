"""The commands together; each is imported when it is called."""

from __future__ import annotations

import typer

from sim.cli._usage import LazyGroup

COMMANDS = {
    "demo": "Train the digits network, measure it, extract, fit and draw: the whole job.",
    "measure": "Train a network and measure it on all masked inputs, checkpoint by checkpoint.",
    "extract": "Extract sparse AND–OR interactions, each with a certified gap to the optimum.",
    "explain": "Explain one output: its largest interactions, by the names of their players.",
    "fit": "Fit the noise level σ² of every checkpoint, beside null models; writes a report too.",
    "figures": "Draw the figures of a fit: as PNG and SVG, or as you choose.",
    "export": "Write the strength of every order at every checkpoint as a CSV table.",
    "generalization": "Tell what reference networks hold too, sample by sample, and how "
    "interactions come and go.",
    "compare": "Compare two networks: which interactions are shared, changed, turned, gone or new.",
    "simulate": "Simulate how interactions are learned while the noise falls: both phases, order "
    "by order.",
}
"""The first line of each command's help: all that --help needs of it."""

app = typer.Typer(
    name="interdyn",
    cls=LazyGroup,
    help=(
        "Which AND/OR interactions a network learns, order by order, while it trains, and whether "
        "theory predicts it.\n\n"
        "Each step reads the file of the one before: measure → measurement.npz → extract → "
        "interactions.npz → fit → fit.json and report.html → figures. `demo` does them all; "
        "`simulate` runs the theory alone.\n\n"
        "Your own network enters at extract: save its outputs v(S), the log-odds of the true "
        "class, with numpy.savez('measurement.npz', outputs=…, epochs=…); outputs has shape "
        "(checkpoints, samples, 2^n), and bit i of the last index says whether player i is shown. "
        "Of chosen masks alone, add sets=… (masks,): then bit i of the set says so."
    ),
    no_args_is_help=True,
    epilog="INTERDYN_DEBUG=1 shows the traceback behind a one-line error.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _unloaded() -> None:
    """What `LazyGroup` puts the command in place of."""


for name, text in COMMANDS.items():
    app.command(name=name, help=text)(_unloaded)


@app.callback(invoke_without_command=True)
def _settings(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from sim.machine import versions

        typer.echo(versions()["interaction-dynamics"])
        raise typer.Exit
    import jax
    import matplotlib as mpl

    jax.config.update("jax_enable_x64", True)
    mpl.use("Agg")  # figures go to files, never to a window
