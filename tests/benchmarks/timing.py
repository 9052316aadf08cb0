"""How the benchmarks take time."""

import time
from collections.abc import Callable
from typing import Any

import jax


def best(function: Callable[[], Any], repeats: int = 5) -> float:
    """Shortest time of a call in seconds, after one call that compiles."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return min(times)


def once(function: Callable[[], Any]) -> float:
    """Time of a first call in seconds, compilation included."""
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def duration(seconds: float) -> str:
    """A time with three digits and a readable unit."""
    for unit, size in [("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)]:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
