"""The command line: `interdyn`, also `python -m sim`."""

import typing

from sim.cli._startup import end_at_once

if typing.TYPE_CHECKING:
    from sim.cli._app import app as app


def main() -> None:
    """Runs the command line."""
    end_at_once()
    from sim.cli._streams import make_safe

    make_safe()
    from sim.cli._app import app

    app()


def __getattr__(name: str) -> typing.Any:
    """Imports the application when it is asked for: in `main`, after Ctrl-C is provided for."""
    if name != "app":
        raise AttributeError(f"module 'sim.cli' has no attribute '{name}'")
    from sim.cli._app import app

    return app
