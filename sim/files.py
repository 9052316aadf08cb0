"""Files that are either whole or not there: atomic writes, strict reads."""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import lzma
import math
import os
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout, lock_descriptor
from numpy.lib.format import MAGIC_PREFIX
from numpy.typing import ArrayLike

from sim.machine import NotEnoughMemory, check_host_memory, readable

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
HEADER_BYTES = 2**14
"""More than any header that numpy reads; one that claims more is not waited for."""
DAMAGED = (
    *(ValueError, OverflowError, EOFError, OSError, KeyError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError),  # a password, a method
    *(SyntaxError, tokenize.TokenError, MemoryError),  # of headers, which are Python
)
"""What zipfile and numpy raise on a file that is cut short, or is something else."""


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


def has_writer(folder: str | Path) -> bool:
    """Whether a run holds the folder by `only_writer` now."""
    try:
        handle = os.open(Path(folder) / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return not lock_descriptor(handle, blocking=False)
    except OSError:  # no locks on this disk, where the file itself is one
        return True
    finally:
        os.close(handle)


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
    if folder.exists():
        raise ValueError(f"{folder}: must be a folder, but is a file.")
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


def refuse_existing(path: str | Path, overwrite: bool) -> None:
    """Raises FileExistsError where a file would be replaced unasked."""
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{path}: is there already; overwrite=True replaces it.")


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


def read_npz(
    path: str | Path,
    required: tuple[str, ...],
    hint: str = "",
    *,
    optional: tuple[str, ...] | None = None,
    copies: float = 1.0,
) -> dict[str, np.ndarray]:
    """Reads arrays of an `.npz`, never executing anything in it.

    What the arrays' headers claim is held against the file and the memory before any is made.

    Args:
        path: of the file.
        required: names of arrays that must be there.
        hint: added to errors.
        optional: names of arrays that may be there; others are not read. None reads every array.
        copies: how many copies in float64 the caller makes of every array on average.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a whole `.npz`, holds pickled objects, lacks a required array, has a
            name that looks like a slip of the pen, or does not fit into memory.
    """
    path = existing_file(path)
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                raise WrongContent(
                    f"{path}: must be an .npz archive, but is a single array (.npy)."
                )
            with zipfile.ZipFile(file) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
                if missing := [name for name in required if name not in names]:
                    raise WrongContent(
                        f"{path}: has no array {_few(missing)}, but holds {_few(names)}.{hint}"
                    )
                if optional is not None:
                    names = _known(names, (*required, *optional), path)
                _check_sizes(archive, names, path, copies)
                return {name: _array(archive, name) for name in names}
    except (WrongContent, NotEnoughMemory):
        raise
    except DAMAGED as error:
        raise ValueError(
            f"{path}: must be a complete .npz file, but is truncated, damaged or something "
            f"else.{hint}"
        ) from error


MEANT = {
    "players": "player_names",
    "names": "player_names",
    "feature_names": "player_names",
    "words": "player_names",
    "tokens": "player_names",
    "patches": "regions",
    "samples": "sample_names",
    "images": "inputs",
    "masks": "regions",
}
"""Keys that a file may be given for lack of a better name, and what is meant by them."""


def _few(names: Sequence[str], most: int = 3) -> str:
    """The first few of some names."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + rest


def _known(names: list[str], known: tuple[str, ...], path: Path) -> list[str]:
    """The names to read; raises where one that would be ignored looks like a slip of the pen."""
    for name in names:
        meant = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        meant += [MEANT[name]] if MEANT.get(name) in known else []
        if name not in known and meant:
            raise WrongContent(
                f"{path}: There is no key `{name}`; `{meant[0]}` is meant, it seems."
            )
    return [name for name in names if name in known]


def _check_sizes(archive: zipfile.ZipFile, names: list[str], path: Path, copies: float) -> None:
    """Raises where an array claims more than its member holds, or all of them more than memory."""
    needed = 0.0
    for name in names:
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as file:
            start = io.BytesIO(file.read(HEADER_BYTES))
        shape, dtype = _header(start)
        size, held = math.prod(shape), info.file_size - start.tell()
        if dtype.hasobject:
            raise WrongContent(
                f"{path}: array '{name}' must be plain numbers or text, but holds pickled Python "
                f"objects, which are never loaded; save a dictionary as json.dumps(…)."
            )
        if size * max(1, dtype.itemsize) > max(1, held):  # an empty text takes no byte
            raise WrongContent(
                f"{path}: array '{name}' must hold all of its shape {shape}, "
                f"{readable(size * dtype.itemsize)}, but holds {readable(held)}."
            )
        needed += size * (dtype.itemsize + 8 * copies)
    check_host_memory(needed, f"Reading {path}", "fewer checkpoints, samples or players")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array that follows in an `.npy` file."""
    read_header = HEADERS.get(np.lib.format.read_magic(file))
    if read_header is None:
        raise ValueError("an unknown version of the .npy format")
    shape, _, dtype = read_header(file)
    if min(shape, default=0) < 0:
        raise ValueError("an axis of negative length")
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def read_json(path: str | Path, hint: str = "") -> Any:
    """Reads a JSON file; a damaged one is a ValueError that names it."""
    path = existing_file(path)
    try:
        return json.loads(read_text(path))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: must be a JSON file, but is no text in UTF-8.{hint}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: must be a JSON file, but {error}.{hint}") from error


def read_text(path: Path) -> str:
    """The text of a file in UTF-8; a fault of the disk names the file."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        error.filename = str(path)  # which one, a disk does not say
        raise


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
