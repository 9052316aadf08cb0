"""Ctrl-C while the packages are imported: it takes a second, and there is nothing to keep yet."""

import os
import signal


def end_at_once() -> None:
    """Ends the program with one line where Ctrl-C comes before `begin`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is to be ignored
        signal.signal(signal.SIGINT, _end)


def begin() -> None:
    """Gives Ctrl-C its meaning in Python back: from here on there is something to keep."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, b"interdyn: interrupted; nothing was begun.\n")
    os._exit(130)
