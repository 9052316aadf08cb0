"""The machine that results come from: the memory it has left, and the versions it runs.

Memory is asked for before arrays over sets are made, not after the machine has run out.
"""

from __future__ import annotations

import importlib.metadata
import platform

import jax
import psutil

PACKAGES = ("interaction-dynamics", "jax", "jaxlib", "numpy", "optax")


def available_memory() -> int:
    """Bytes that a new array can take: of the first JAX device, or of the host where it is silent.

    Example:
        >>> available_memory() > 0
        True
    """
    try:
        statistics = jax.local_devices()[0].memory_stats()
    except (RuntimeError, NotImplementedError):
        statistics = None
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    return int(psutil.virtual_memory().available)


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
    available = devices * available_memory()
    if needed > available:
        raise ValueError(
            f"{what} needs about {_readable(needed)} of memory, but only "
            f"{_readable(available)} are available."
        )


def _readable(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} EiB"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
