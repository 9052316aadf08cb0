"""Ctrl-C and SIGTERM before a command, where there is nothing to keep yet, and after it."""

import gc
import os
import signal
import threading
import types

INTERRUPTED = 130  # the exit code, as a shell has it
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
            signal.signal(stop, _interrupt)


def let_end() -> None:
    """The command is done: from here on a stop would only break Python's own end."""
    for stop in STOPS:
        signal.signal(stop, signal.SIG_IGN)


def _end(*_: object) -> None:
    os.write(2, b"interdyn: interrupted; nothing was begun.\n")
    os._exit(INTERRUPTED)


def _interrupt(number: int, frame: types.FrameType | None) -> None:
    """Raises KeyboardInterrupt; a little later where it would not be heard.

    Callbacks of the garbage collector, of which JAX has one, swallow what is raised in them.
    """
    deaf = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in deaf:
            again = threading.Timer(0.01, _send, (number,))
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _send(number: int) -> None:
    """Sends a signal to the main thread, where it ends a wait at once; elsewhere it would not."""
    if hasattr(signal, "pthread_kill") and (main := threading.main_thread().ident) is not None:
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)
