"""What long work calls while it goes on."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""

NamedProgress = Callable[[str, int, int], None]
"""Called with (what is done, steps done, steps in all)."""
