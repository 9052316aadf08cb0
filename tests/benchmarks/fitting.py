"""Fits with uncertainty: what the bootstrap costs beside the fit, and what the instrument costs."""

from __future__ import annotations

import time

import jax
import numpy as np
from rich.table import Table

from sim import extract_interactions, find_phases, fit_noise
from theory import optimal_interactions, orders, zeta


def tables(quick: bool) -> list[Table]:
    """One table; `quick` takes a smaller measurement."""
    shape = (6, 8, 7) if quick else (16, 30, 10)  # checkpoints, samples, players
    resamples = 50 if quick else 200
    i_and, outputs, epochs = _measurement(*shape)
    i_or = np.zeros_like(i_and)
    table = Table(
        title=f"fit_noise with all null models: {shape[0]} checkpoints × {shape[1]} samples, "
        f"n = {shape[2]}"
    )
    for head in ("", "first call (s)", "warm (s)", "ratio to the warm fit"):
        table.add_column(head, justify="left" if not head else "right")
    fit, bare = None, None
    for name, count in (("direct fit alone", 0), (f"with {resamples} resamples", resamples)):
        jax.clear_caches()
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            options = {"through": "direct", "both_ends": False, "resamples": count}
            fit = fit_noise(i_and, i_or, outputs, epochs, **options)
            seconds.append(time.perf_counter() - start)
        warm = min(seconds[1:])
        bare = warm if bare is None else bare
        table.add_row(name, f"{seconds[0]:.1f}", f"{warm:.2f}", f"{warm / bare:.1f}")
    assert fit is not None
    assert bare is not None
    found = extract_interactions(outputs)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        fit_noise(found.i_and, found.i_or, outputs, epochs, both_ends=False, resamples=0)
        seconds.append(time.perf_counter() - start)
    name, warm = "through the extraction, at one end", seconds[1]
    table.add_row(name, f"{seconds[0]:.1f}", f"{warm:.2f}", f"{warm / bare:.1f}")
    start = time.perf_counter()
    find_phases(epochs, fit.strength)
    warm = time.perf_counter() - start
    table.add_row("find_phases", f"{warm:.1f}", f"{warm:.2f}", f"{warm / bare:.2f}")
    return [table]


def _measurement(checkpoints: int, samples: int, n: int) -> tuple[np.ndarray, ...]:
    """Interactions that the theory learns of sparse targets, with some scatter."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(samples, 2**n)) * (rng.uniform(size=(samples, 2**n)) < 0.2)
    true *= 0.7 ** np.asarray(orders(n))
    levels = np.append(np.geomspace(1.0, 1e-4, checkpoints - 1), 0.0)
    learned = np.array(optimal_interactions(true, levels))
    learned *= rng.lognormal(0.0, 0.2, size=(checkpoints, samples, 1))
    return learned, np.asarray(zeta(learned)), np.arange(checkpoints, dtype=float)
