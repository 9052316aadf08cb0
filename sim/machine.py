"""The machine that results come from: the memory it has left, and the versions it runs.

Memory is asked for before arrays over sets are made, not after the machine has run out.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib.metadata
import math
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

PACKAGES = ("interaction-dynamics", "jax", "jaxlib", "numpy", "optax")
OWN_GROUPS, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
GROUP_FILES = {
    "0": ("", "memory.max", "memory.current", "inactive_file"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of both versions of control groups: folder, limit, use, and what of the use is only cache."""


class NotEnoughMemory(ValueError):
    """What is asked for does not fit into memory."""


def host_memory() -> int:
    """Bytes that this process can still take of the host's memory.

    No more than a limit on its address space (`ulimit -v`) or on its control group (a container's,
    a batch job's) leaves.

    Example:
        >>> host_memory() > 0
        True
    """
    left = [psutil.virtual_memory().available, *_left_of_address_space(), *_left_of_groups()]
    return max(0, min(left))


def available_memory() -> int:
    """Bytes that new JAX arrays can take: of the first device, or of the host where it is silent.

    Example:
        >>> available_memory() > 0
        True
    """
    import jax  # slow to import, and not needed for files

    try:
        statistics = jax.local_devices()[0].memory_stats()
    except (RuntimeError, NotImplementedError):
        statistics = None
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    return host_memory()


def _left_of_address_space() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit - psutil.Process().memory_info().vms


def _left_of_groups() -> Iterator[int]:
    """What the limits of this process's control groups, and of those around them, leave."""
    lines = OWN_GROUPS.read_text().splitlines() if OWN_GROUPS.exists() else []
    for line in lines:
        number, kinds, path = line.split(":", 2)
        for kind in {number, *kinds.split(",")} & set(GROUP_FILES):
            folder, limit, used, cache = GROUP_FILES[kind]
            mount = CGROUPS / folder
            group = mount / path.lstrip("/")
            for around in (group, *group.parents):
                if around.is_relative_to(mount) and (around / used).exists():
                    yield _left(around / limit, around / used, around / "memory.stat", cache)


def _left(limit: Path, used: Path, counts: Path, cache: str) -> int:
    most = limit.read_text().strip()
    if most == "max":
        return sys.maxsize
    cached = dict(line.split() for line in counts.read_text().splitlines())[cache]
    return int(most) - int(used.read_text()) + int(cached)


def check_memory(needed: float, what: str, reduce: str, devices: int = 1) -> None:
    """Raises if `needed` bytes are more than there is on `devices` JAX devices like the first.

    Args:
        needed: bytes.
        what: what needs them, as the beginning of a sentence.
        reduce: of what to take less, for the message.
        devices: over how many devices the arrays are spread.

    Raises:
        NotEnoughMemory: a ValueError; says how much is needed, how much there is, and what to
            reduce.

    Example:
        >>> check_memory(2**90, "This", "fewer players")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        sim.machine.NotEnoughMemory: This needs over 1000 EiB of memory, but ... fewer players.
    """
    import jax

    if jax.default_backend() == "cpu":
        devices = min(devices, jax.process_count())  # the devices of a host share its memory
    _check(needed, devices * available_memory(), what, reduce)


def check_host_memory(needed: float, what: str, reduce: str) -> None:
    """The same for arrays of numpy, which are the host's; JAX plays no part."""
    _check(needed, host_memory(), what, reduce)


_ASKED: contextvars.ContextVar[list[float] | None] = contextvars.ContextVar("asked", default=None)


@contextlib.contextmanager
def memory_asked() -> Iterator[list[float]]:
    """The bytes that are asked for within, by `check_memory` and `check_host_memory`, in order.

    Example:
        >>> with memory_asked() as asked:
        ...     check_host_memory(1000, "This", "less")
        >>> asked
        [1000]
    """
    asked: list[float] = []
    token = _ASKED.set(asked)
    try:
        yield asked
    finally:
        _ASKED.reset(token)


def _check(needed: float, available: int, what: str, reduce: str) -> None:
    asked = _ASKED.get()
    if asked is not None:
        asked.append(needed)
    if needed > available:
        need = readable(needed)
        raise NotEnoughMemory(
            f"{what} needs {need if need.startswith('over') else f'about {need}'} of memory, but "
            f"only {readable(available)} are available; take {reduce}."
        )


def over_sets(n: int, *axes: int) -> int:
    """Numbers in an array with these axes and one over all sets of n players, for `check_memory`.

    Counts no more than 2^100 sets, which fit nowhere: a power of a huge n takes for ever.

    Example:
        >>> over_sets(3, 5), over_sets(10**20) == 2**100
        (40, True)
    """
    return math.prod(axes) * 2 ** min(n, 100)


def readable(size: float) -> str:
    """A number of bytes in the unit that suits it.

    Example:
        >>> readable(1536), readable(10**30)
        ('1.5 KiB', 'over 1000 EiB')
    """
    size = min(size, 2.0**80)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1024
    return "over 1000 EiB"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
