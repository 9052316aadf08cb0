"""The command line: `interdyn`, also `python -m sim`."""

import contextlib
import os
import sys
import typing

from sim.cli._startup import INTERRUPTED, end_at_once, let_end

if typing.TYPE_CHECKING:
    from sim.cli._app import app as app


def main() -> None:
    """Runs the command line."""
    end_at_once()
    from sim.cli._streams import make_safe

    make_safe()
    from sim.cli._app import app

    try:
        app()
    except SystemExit as end:
        let_end()
        if end.code == INTERRUPTED:  # JAX's threads may be at work, and crash while Python ends
            for stream in filter(None, (sys.stdout, sys.stderr)):
                with contextlib.suppress(OSError):
                    stream.flush()
            os._exit(INTERRUPTED)
        raise


def __getattr__(name: str) -> typing.Any:
    """Imports the application when it is asked for: in `main`, after Ctrl-C is provided for."""
    if name != "app":
        raise AttributeError(f"module 'sim.cli' has no attribute '{name}'")
    from sim.cli._app import app

    return app
