"""The folder of a run: one writer at a time, nothing replaced unasked, nothing left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from sim.cli._console import MEASUREMENT
from sim.experiments import forget_saved
from sim.files import only_writer, read_json, remove_leftovers, write_json

UNFINISHED = ".measurement-parts"
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
        for path in paths:
            if path.is_dir():
                raise ValueError(f"{path}: must be a file, but is a folder.")
            if path.exists() and not overwrite and path.name not in begun:
                raise ValueError(
                    f"{folder}: already holds a run ({path.name}); choose another --out, or add "
                    f"--overwrite to replace it."
                )
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


def _begun(folder: Path) -> list[str]:
    """Names of the files that a killed run had begun to write, and that were not there before."""
    try:
        names = read_json(folder / MARK)
    except (ValueError, OSError):
        return []
    return names if isinstance(names, list) else []
