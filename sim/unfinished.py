"""Work under way, on disk: what is done of it, whose it is, and who is at it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
from filelock import lock_descriptor
from numpy.typing import ArrayLike

from sim.files import PART, read_json, write_json

RUN = "run.json"
LOCK = ".claim"
"""The end of the names of files that say, by their locks, who is at what."""


class Finished(Exception):
    """Nothing is left to do: the result of the work is saved, or another process saves it."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """Whose work it is.

    Attributes:
        run: a digest of all that decides the result; None where it is not to be known.
        saved: a digest of the result, once that is saved.
        stays: whether this is kept then, for processes that come late.
    """

    run: str | None = None
    saved: str | None = None
    stays: bool = False


@dataclasses.dataclass(frozen=True)
class Unfinished:
    """What is done of one piece of work, in a folder of its own, by one process or by several.

    Every file is written whole or not at all, so that work that is killed at any moment can go on
    from what is there. The folder holds the work of one run only, which it names by a digest of all
    that decides the result. When that is saved, this is written down too, for processes that come
    late.

    Attributes:
        folder: where.
        what: is unfinished, in words.
    """

    folder: Path
    what: str = "work"

    AGAIN: ClassVar[str] = "all of it is done again"
    """What follows where it is not to be known whose it is."""
    KEEPS: ClassVar[tuple[str, ...]] = ("*.npz",)
    """Patterns of the files that are done."""
    ASIDE: ClassVar[tuple[str, ...]] = ()
    """Names of files that are kept beside them."""

    def open(self, run: str, results: Iterable[Path] = (), *, discard: bool = False) -> None:
        """Opens the folder, made if it is not there, for a run, new or begun earlier.

        No other process may open it at the same time; see `alone`.

        Args:
            run: a digest of all that decides the result; of settings, inputs and versions.
            results: the files that the run ends with.
            discard: throw away what another run left in the folder.

        Raises:
            ValueError: the folder holds another run's work, and that is to be kept.
            Finished: the results are there, and this very run saved them.

        Warns:
            UserWarning: it is not to be known whose work the folder holds; it is done again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self._identity()
        if known.run == run:
            if known.saved is not None:
                if known.saved == content_digest(results):
                    raise Finished
                self._name(Identity(run))  # the result is gone, or never got its name
            return
        if self.any() and not discard:
            if known.run is not None:
                raise ValueError(
                    f"{self.folder.parent}: holds an unfinished {self.what} with other "
                    f"settings or versions; finish it by the command that began it, choose "
                    f"another --out, or add --overwrite to throw it away."
                )
            note_damage(self.folder / RUN, self.AGAIN)
        self.clear()
        self._name(Identity(run))

    def any(self) -> bool:
        """Whether anything is done."""
        return any(True for pattern in self.KEEPS for _ in self.folder.rglob(pattern))

    def holds(self, run: str) -> bool:
        """Whether the folder is that run's."""
        return self._identity().run == run

    def check(self, run: str) -> None:
        """Asks whether the work is still to be done.

        Raises:
            Finished: another process has saved the result.
            ValueError: another run has thrown the work away.
        """
        known = self._identity()
        if known.run != run:
            raise ValueError(f"{self.folder.parent}: another run has begun there meanwhile.")
        if known.saved is not None:
            raise Finished

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Whether a part is this process's to do, within the block.

        A process that is killed lets go of it. On a disk without locks every process is told yes,
        and what two of them do is the same twice.
        """
        with self._locked(name, blocking=False) as free:
            yield free

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps waiting, until the block ends, the other processes that come to this line."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked("run", blocking=True):
            yield

    @contextlib.contextmanager
    def _locked(self, name: str, *, blocking: bool) -> Iterator[bool]:
        """Holds a lock until the block ends, if it is to be had; without locks it always is."""
        handle = os.open(self.folder / f"{name}{LOCK}", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                free = lock_descriptor(handle, blocking=blocking)
            except OSError:
                free = True
            yield free
        finally:
            os.close(handle)

    def note_saved(self, results: Iterable[Path], *, stays: bool = False) -> None:
        """Writes down that the result is saved: for processes that come late, or were killed.

        Args:
            results: its files.
            stays: whether this is kept for processes that come late.
        """
        self._name(Identity(self._identity().run, content_digest(results), stays))

    def forget_saved(self, results: Iterable[Path]) -> None:
        """Deletes what a run left that was killed after it had saved those files, and no more."""
        known = self._identity()
        if known.saved is not None and not known.stays and known.saved == content_digest(results):
            self.forget()
        self._remove_empty()

    def clear(self) -> None:
        """Deletes what is done, and nothing else."""
        for pattern in (*self.KEEPS, *self.ASIDE, f".*{PART}"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        for path in self.folder.glob(f"*{LOCK}"):
            if path.stem != "run":  # which keeps others waiting right now
                path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Deletes all that is kept here; the identity goes last."""
        self.clear()
        for path in (self.folder / f"run{LOCK}", self.folder / RUN):
            path.unlink(missing_ok=True)
        self._remove_empty()

    def _remove_empty(self) -> None:
        with contextlib.suppress(OSError):  # it is not empty, or not there
            self.folder.rmdir()

    def _name(self, known: Identity) -> None:
        write_json(self.folder / RUN, dataclasses.asdict(known))

    def _identity(self) -> Identity:
        try:
            return msgspec.convert(read_json(self.folder / RUN), Identity)
        except (ValueError, OSError):
            return Identity()


def content_of(array: ArrayLike) -> bytes:
    """An array's dtype, shape and values: what a digest of it is made of."""
    whole = np.ascontiguousarray(array)
    return f"{whole.dtype}{whole.shape}".encode() + whole.tobytes()


def content_digest(paths: Iterable[Path]) -> str | None:
    """A digest of the contents of files; None where one is not there."""
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def note_damage(path: Path, follows: str) -> None:
    """Warns of a damaged file, which counts as not there."""
    warnings.warn(f"{path}: is damaged; {follows}.", stacklevel=2)
