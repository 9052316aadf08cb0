"""Choosing players at random from what can be one."""

from __future__ import annotations

import numpy as np

from sim.checks import ArgumentError, check_seed


def choose(
    candidates: np.ndarray, n: int, seed: int, samples: int | None, what: str, name: str = "n"
) -> np.ndarray:
    """n of the candidates at random, sorted: (n,), or (samples, n), drawn anew for each sample."""
    rng = np.random.default_rng(check_seed(seed))
    if samples is None:
        return _draw(candidates, n, rng, what, name)
    return np.array([_draw(candidates, n, rng, what, name) for _ in range(samples)])


def choose_own(
    inside: np.ndarray, n: int, seed: int, what: str, instead: str | None = None
) -> np.ndarray:
    """n of each sample's own candidates, (samples, n), from bool (samples, candidates)."""
    counts = inside.sum(axis=-1)
    few = counts < n if isinstance(n, int | np.integer) else counts < 0
    if few.any():
        told = [f"sample {at} ({counts[at]})" for at in np.flatnonzero(few)[:5]]
        if few.sum() > len(told):
            told.append(f"{few.sum() - len(told)} more")
        raise ArgumentError(
            "n",
            f"be a whole number between 1 and the {counts.min()} {what} that can be players in "
            "every sample",
            f"is {n}, and fewer are in {', '.join(told)}" + (f"; {instead}" if instead else ""),
        )
    rng = np.random.default_rng(check_seed(seed))
    return np.array([_draw(np.flatnonzero(row), n, rng, what) for row in inside])


def _draw(
    candidates: np.ndarray, n: int, rng: np.random.Generator, what: str, name: str = "n"
) -> np.ndarray:
    if not isinstance(n, int | np.integer) or not 1 <= n <= len(candidates):
        raise ArgumentError(
            name,
            f"be a whole number between 1 and the {len(candidates)} {what} of the input that can "
            "be players",
            f"is {n!r}",
        )
    return np.sort(rng.permutation(candidates)[:n])
