"""Will it fit? Asked before arrays over sets are made, not after the machine has run out."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
from pathlib import Path

import jax


def available_memory() -> int | None:
    """Bytes that a new array can take on the first JAX device, or None where nobody says."""
    try:
        statistics = jax.local_devices()[0].memory_stats()
    except (RuntimeError, NotImplementedError):
        statistics = None
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def check_memory(needed: int, what: str, devices: int = 1) -> None:
    """Raises if `needed` bytes are more than there is on `devices` devices like the first.

    Args:
        needed: bytes.
        what: what needs them, as the beginning of a sentence.
        devices: over how many devices the arrays are spread.

    Raises:
        ValueError: there is not enough memory; says how much is needed, and how much there is.
    """
    if jax.default_backend() == "cpu":
        devices = min(devices, jax.process_count())  # the devices of a host share its memory
    available = available_memory()
    if available is not None and needed > devices * available:
        raise ValueError(
            f"{what} needs about {_readable(needed)} of memory, but only "
            f"{_readable(devices * available)} are available."
        )


def _readable(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} EiB"


PACKAGES = ("interaction-dynamics", "jax", "jaxlib", "numpy", "optax")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
