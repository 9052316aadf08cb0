"""The folder of a run: one writer at a time, nothing replaced unasked, nothing left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from sim.cli._console import MEASUREMENT
from sim.experiments import forget_saved
from sim.files import only_writer, read_json, remove_leftovers, write_json
from sim.processes import Share, SharedWork
from sim.unfinished import Finished, Unfinished

UNFINISHED = ".measurement-parts"
EXTRACTED, FITTED = ".interactions-parts", ".fit-parts"
MARK = ".interdyn-unfinished.json"


@contextlib.contextmanager
def results(paths: Iterable[Path], overwrite: bool, plan: bool = False) -> Iterator[None]:
    """Holds the folder in which the files of a run are written, all in this block.

    Where there are several, their names are written down until all of them are there. A run that
    is killed in between can thus be given again as it was: what it left is not protected.

    Args:
        paths: of the files, in one folder.
        overwrite: replace those that are there.
        plan: nothing will be written in this block, so that there is nothing to hold.

    Raises:
        ValueError: a file would be replaced unasked, or is a folder; another run is writing there.
        OSError: the folder cannot be made, or nothing can be written there.
    """
    if plan:
        yield
        return
    paths = list(paths)
    folder = paths[0].parent
    with only_writer(folder):
        remove_leftovers(folder)
        forget_saved(folder / MEASUREMENT, folder / UNFINISHED)
        begun = _begun(folder)
        refuse_run(paths, overwrite, begun)
        new = [path for path in paths if path.name in begun or not path.exists()]
        marked = len(new) > 1  # a single file is there only when the run has ended
        if marked:
            write_json(folder / MARK, [path.name for path in new])
        try:
            yield
        except BaseException:
            if marked and not any(path.exists() for path in new):
                (folder / MARK).unlink(missing_ok=True)
            raise
        (folder / MARK).unlink(missing_ok=True)


@contextlib.contextmanager
def shared_results(
    paths: Sequence[Path], overwrite: bool, share: Share, parts: Unfinished, run: str
) -> Iterator[SharedWork]:
    """The same for files that several processes make; yields the work that they share.

    Process 0 is the one that writes the files, all in this block. Others only do their share of
    what is kept until then.

    Args:
        paths: of the files, in one folder.
        overwrite: replace those that are there.
        share: which process this is.
        parts: what is done, in a folder of its own.
        run: a digest of all that decides what the files hold.

    Raises:
        ValueError: a file would be replaced unasked; another run is writing there, or its parts
            are there.
        Finished: process 0 saves the files, and this is another; or it has saved them already.
        OSError: the folder cannot be made, or nothing can be written there.
    """
    begun = parts.holds(run)
    if not begun:
        refuse_run(paths, overwrite)
    work = SharedWork(parts, run, share)
    try:
        with parts.alone():
            parts.open(run, paths, discard=overwrite)
        if share.first:
            with results(paths, overwrite or begun):
                yield work
                parts.note_saved(paths, stays=True)
                parts.clear()
        else:
            yield work
    except Finished:
        raise Finished(
            f"Process {share.process_id} of {share.num_processes}: nothing is left to do; process "
            f"0 saves {paths[0]}."
        ) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "what is done is kept, and the same command goes on from there."
        ) from None


@contextlib.contextmanager
def results_of_all(
    paths: Sequence[Path],
    overwrite: bool,
    share: Share | None,
    parts: Unfinished,
    run_of: Callable[[], str],
    plan: bool = False,
) -> Iterator[SharedWork | None]:
    """`shared_results`, or for one process alone, which keeps no parts, `results`.

    With `plan` nothing is written, and nothing is shared.

    Raises:
        ValueError: one alone comes upon the parts of several.
    """
    if plan:
        yield None
        return
    if share is not None:
        with shared_results(paths, overwrite, share, parts, run_of()) as work:
            yield work
        return
    with results(paths, overwrite):
        if parts.any() and not overwrite:
            raise ValueError(
                f"{paths[0].parent}: holds an unfinished {parts.what} of several processes; finish "
                f"it by the command that began it (--num-processes 1 will do), choose another "
                f"--out, or add --overwrite to throw it away."
            )
        parts.forget()
        yield None


def refuse_run(paths: Iterable[Path], overwrite: bool, allowed: Sequence[str] = ()) -> None:
    """Raises where a file would be replaced unasked, or is a folder.

    Args:
        paths: of the files.
        overwrite: replace those that are there.
        allowed: names of files that may be replaced all the same.
    """
    for path in paths:
        if path.is_dir():
            raise ValueError(f"{path}: must be a file, but is a folder.")
        if path.exists() and not overwrite and path.name not in allowed:
            raise ValueError(
                f"{path.parent}: already holds a run ({path.name}); choose another --out, or add "
                f"--overwrite to replace it."
            )


def _begun(folder: Path) -> list[str]:
    """Names of the files that a killed run had begun to write, and that were not there before."""
    try:
        names = read_json(folder / MARK)
    except (ValueError, OSError):
        return []
    return names if isinstance(names, list) else []
