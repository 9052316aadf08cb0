"""Where a result comes from: versions of what computed it."""

from __future__ import annotations

import importlib.metadata
import platform

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
