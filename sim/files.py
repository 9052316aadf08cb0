"""Files that are either whole or not there: atomic writes, strict reads."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout, lock_descriptor
from numpy.typing import ArrayLike

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
DAMAGED = (ValueError, zipfile.BadZipFile, EOFError, OSError, KeyError, SyntaxError, zlib.error)
"""What numpy raises on a file that is cut short or is no archive."""


LOCK = ".interdyn.lock"
PART = ".interdyn-part"
"""The end of the name of a file that is being written."""


@contextlib.contextmanager
def only_writer(folder: str | Path) -> Iterator[None]:
    """Holds a folder, made if it is not there, so that no other run writes into it meanwhile.

    A run that is killed lets go of it. A folder that was made, and has stayed empty, goes again.

    Raises:
        ValueError: another run holds it.
        OSError: it cannot be made, or nothing can be written there.
    """
    folder = Path(folder)
    made = _make_folder(folder)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # where an open file cannot be deleted, it stays
                (folder / LOCK).unlink()
            lock.release()
    except Timeout:
        raise ValueError(
            f"{folder}: another run is writing there; wait until it has ended, or choose another "
            f"folder."
        ) from None
    finally:
        with contextlib.suppress(OSError):  # it is no longer empty
            for each in reversed(made):
                each.rmdir()


def remove_leftovers(folder: str | Path) -> None:
    """Deletes the files that killed runs had begun to write in a folder."""
    for path in Path(folder).glob(f".*{PART}"):
        with contextlib.suppress(OSError):  # it has just got its name
            handle = os.open(path, os.O_RDWR)
            try:
                if lock_descriptor(handle, blocking=False):  # nobody is writing it
                    path.unlink()
            finally:
                os.close(handle)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without error.

    Whatever interrupts the block (an exception, Ctrl-C, a full disk) leaves `path` as it was and
    removes the temporary file. It takes its place only once the disk holds all of it, so that
    `path` is whole even after a power failure.
    """
    path = Path(path)
    _make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=PART)
    temporary = Path(name)
    try:
        try:
            with contextlib.suppress(OSError):  # not every file system has locks
                lock_descriptor(handle, blocking=False)
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            os.fsync(handle)
        finally:
            os.close(handle)
        move(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it cut short
        raise


def move(source: str | Path, target: str | Path) -> None:
    """Gives a file that is whole its name, for good: the disk holds it when this returns."""
    os.replace(source, target)
    _sync_folder(Path(target).parent)


def _make_folder(folder: Path) -> list[Path]:
    """Makes a folder and those above it; returns the ones that were not there."""
    if folder.is_dir():
        return []
    made = _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)
    return [*made, folder]


def _sync_folder(folder: Path) -> None:
    """Waits until the disk holds the folder's list of files."""
    with contextlib.suppress(OSError):  # some systems know this only of files
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_npz(path: str | Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Writes named arrays as one uncompressed `.npz`; equal arrays give equal bytes."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def write_json(path: str | Path, content: Any) -> None:
    """Writes JSON that a person can read too; refuses NaN and infinity."""
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


class WrongContent(ValueError):
    """A whole file that holds something else than it must."""


def read_npz(path: str | Path, required: tuple[str, ...], hint: str = "") -> dict[str, np.ndarray]:
    """Reads every array of an `.npz`, never executing anything in it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a whole `.npz`, holds pickled objects, or lacks a required array.
    """
    path = existing_file(path)
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise WrongContent(
                    f"{path}: must be an .npz archive, but is a single array (.npy)."
                )
            names = archive.files
            if missing := [name for name in required if name not in names]:
                raise WrongContent(
                    f"{path}: must hold the array(s) {', '.join(required)}, but has no "
                    f"{', '.join(missing)}; it holds {', '.join(names) or 'nothing'}.{hint}"
                )
            return {name: _plain_array(archive, name, path) for name in names}
    except WrongContent:
        raise
    except DAMAGED as error:
        raise ValueError(
            f"{path}: must be a complete .npz file, but is truncated, damaged or something "
            f"else.{hint}"
        ) from error


def _plain_array(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        return archive[name]
    except ValueError:
        if not _holds_objects(path, name):
            raise
        raise WrongContent(
            f"{path}: array '{name}' must be plain numbers or text, but holds pickled Python "
            f"objects, which are never loaded."
        ) from None


def _holds_objects(path: Path, name: str) -> bool:
    """Whether an array's header says that Python objects follow."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        read_header = HEADERS.get(np.lib.format.read_magic(member))
        return read_header is not None and bool(read_header(member)[2].hasobject)


def read_json(path: str | Path, hint: str = "") -> Any:
    """Reads a JSON file; a damaged one is a ValueError that names it."""
    path = existing_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: must be a JSON file, but is no text in UTF-8.{hint}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: must be a JSON file, but {error}.{hint}") from error


def existing_file(path: str | Path) -> Path:
    """The path of a file that is there; raises where it is missing, a folder, a pipe or a device.

    A pipe may never end, and a device such as /dev/zero does not.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: must be a file, but is a folder.")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file.")
    if not path.is_file():
        raise ValueError(f"{path}: must be a file, but is a pipe, a socket or a device.")
    return path
