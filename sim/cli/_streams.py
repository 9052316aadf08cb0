"""The two streams that commands print on, which never end a run."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import Any

from rich.console import Console

WIDEST = 4  # digits of a terminal's width
LAST_STREAM = 2  # the descriptor of stderr


class Stream(Console):
    """Prints on stdout or stderr as long as these take it.

    A closed pipe or a full disk is kept for later in `fault`, so that a result which is saved
    counts whoever reads of it.
    """

    fault: OSError | None = None

    def print(self, *objects: Any, **options: Any) -> None:
        """See `Console.print`."""
        try:
            if (sys.stderr if self.stderr else sys.stdout) is None:  # closed before the start
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            super().print(*objects, **options)
        except OSError as fault:
            self.fault = fault
            discard(self.file)
            self.forget()

    def forget(self) -> None:
        """Drops what could not be written; rich would put it before the next line."""
        self.begin_capture()
        with contextlib.suppress(OSError):
            self.end_capture()

    def on_broken_pipe(self) -> None:
        """Leaves the fault to `print`; rich would end the program here."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def discard(stream: Any) -> None:
    """Sends what a stream still holds to nowhere, or Python tries it once more at its end."""
    with contextlib.suppress(OSError, ValueError):  # a stream of a test has no descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def make_safe() -> None:
    """Lets stdout write what its encoding lacks as escapes, as stderr does, and forgets odd widths.

    Once, before a stream is made: rich and typer read the widths from the environment. The places
    of streams that are closed are filled: a file opened there would get what libraries print.
    """
    while (null := os.open(os.devnull, os.O_RDWR)) <= LAST_STREAM:
        pass
    os.close(null)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
        size = os.environ.get(name, "80")
        if not (size.isdecimal() and 0 < int(size) < 10**WIDEST):
            del os.environ[name]


out = Stream(highlight=False, soft_wrap=True, emoji=False)
err = Stream(stderr=True, highlight=False, soft_wrap=True, emoji=False)
