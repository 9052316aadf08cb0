"""Ctrl-C and SIGTERM while the packages are imported: there is nothing to keep yet."""

import os
import signal

STOPS = (signal.SIGINT, signal.SIGTERM)


def end_at_once() -> None:
    """Ends the program with one line where Ctrl-C or SIGTERM comes before `begin`."""
    for stop in STOPS:
        if signal.getsignal(stop) in (signal.default_int_handler, signal.SIG_DFL):  # not ignored
            signal.signal(stop, _end)


def begin() -> None:
    """From here on there is something to keep: both raise KeyboardInterrupt, as Ctrl-C does."""
    for stop in STOPS:
        if signal.getsignal(stop) is _end:
            signal.signal(stop, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, b"interdyn: interrupted; nothing was begun.\n")
    os._exit(130)
