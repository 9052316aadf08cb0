"""What chance does to a mean order that only wanders: its increments may as well turn their sign.

Nothing is assumed of the sizes of the increments, so jitter may be large early and small late. What
they are taken for are steps of a random walk, independent and symmetric; jitter about a constant or
a monotone mean goes back on itself and passes more rarely still. (Ours.)
"""

from __future__ import annotations

import numpy as np

from sim.phases.loss_gap import ROUNDING

WAITING = 5  # looks after which half of the level may have been spent
DOUBLED = 2
"""A valley's chance is doubled: where m(t) drifts one way, chance is left one half of it alone."""


def valley_chance(mean: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """Chance of a valley as deep where m(t) wanders: at most `level` in a share `level` of walks.

    The signed square roots of the increments, so that one large step does not outweigh many, are
    added up to a path x; its depth is min(x_first, x_last) − min x between them, and its null
    distribution that of the same steps with other signs.

    Args:
        mean: (checkpoints,), m(t).
        draws: of signs, where there are more than so many.
        rng: of the draws.
    """
    steps = _steps(mean)
    depth = _depth(_paths(steps[None]))[0]
    if not depth > 0:
        return 1.0
    signs, exhaustive = _signs(len(steps), draws, rng)
    return min(1.0, DOUBLED * _share(_depth(_paths(signs * steps)), depth, exhaustive))


def trend_chance(mean: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """Chance of as large a change from the first to the last, up or down, where m(t) wanders.

    Args:
        mean: (checkpoints,), m(t).
        draws: of signs, where there are more than so many.
        rng: of the draws.
    """
    steps = _steps(mean)
    change = steps.sum()
    if change * (mean[-1] - mean[0]) <= 0:  # one large step against many small ones: no trend
        return 1.0
    signs, exhaustive = _signs(len(steps), draws, rng)
    return _share(np.abs(signs @ steps), abs(change), exhaustive)


def first_valley(
    mean: np.ndarray, allowed: np.ndarray, level: float, draws: int, rng: np.random.Generator
) -> int | None:
    """The first checkpoint after which a run that is looked at all along shows a valley.

    After every checkpoint from `fewest_checkpoints` on, a valley is found where it is so deep that
    of all patterns of signs, for which none was found before, only a few have one as deep: so few
    that, doubled and added to all found before, they are at most level·k/(k + 5) at look k. What a
    look cannot spend, since there are too few patterns yet, later ones can. Over all looks a random
    walk is found at most in a share `level`, however long it goes on (alpha spending).

    Args:
        mean: (checkpoints,), m(t).
        allowed: bool (checkpoints,), where something else does not speak against it.
        level: over all looks.
        draws: of signs.
        rng: of the draws; the same for every look.

    Returns:
        The checkpoint, or None where no valley is found.
    """
    steps = _steps(mean)
    # Drawn step by step, so that a later look sees the same patterns go on.
    signs = rng.choice((-1.0, 1.0), size=(len(steps), draws)).T
    patterns, own = _paths(signs * steps), _paths(steps[None])
    lowest, own_lowest = (np.minimum.accumulate(x[:, 1:], axis=1) for x in (patterns, own))
    left, spent = np.ones(len(signs), bool), 0.0
    for look, at in enumerate(range(fewest_checkpoints(level) - 1, len(mean)), start=1):
        depth = np.minimum(0.0, patterns[:, at]) - lowest[:, at - 2]
        count = (level * look / (look + WAITING) - spent) / DOUBLED * len(signs)
        deep = _deepest(depth[left], int(count + ROUNDING) - 1)  # the run itself is one draw
        found = left & (depth >= deep)
        if allowed[at] and min(0.0, own[0, at]) - own_lowest[0, at - 2] >= deep:
            return at
        spent += DOUBLED * found.sum() / len(signs)
        left &= ~found
    return None


def _deepest(depths: np.ndarray, count: int) -> float:
    """The smallest depth that at most so many reach; infinite where there is none above 0."""
    if count <= 0:
        return np.inf
    ordered = np.sort(depths)[::-1]
    tied = ordered[count] + ROUNDING if count < len(ordered) else 0.0
    reach = ordered[:count][ordered[:count] > max(tied, ROUNDING)]
    return float(reach[-1]) - ROUNDING if reach.size else np.inf


def fewest_checkpoints(level: float) -> int:
    """From how many checkpoints chance can be told: with fewer, even one pattern of signs is more
    likely than `level`.

    Example:
        >>> fewest_checkpoints(0.05)
        7
    """
    return 1 + int(np.ceil(np.log2(DOUBLED / level)))


def _steps(mean: np.ndarray) -> np.ndarray:
    steps = np.diff(mean)
    steps[np.abs(steps) < ROUNDING] = 0.0
    return np.sign(steps) * np.sqrt(np.abs(steps))


def _signs(steps: int, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Signs (m, steps) of the increments, and whether they are all that there are."""
    if 2**steps <= draws:
        return 1.0 - 2.0 * ((np.arange(2**steps)[:, None] >> np.arange(steps)) & 1), True
    return rng.choice((-1.0, 1.0), size=(draws, steps)), False


def _paths(steps: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)


def _depth(paths: np.ndarray) -> np.ndarray:
    return np.minimum(paths[:, 0], paths[:, -1]) - paths[:, 1:-1].min(axis=1)


def _share(of_chance: np.ndarray, observed: float, exhaustive: bool) -> float:
    """How often chance comes as far; drawn signs count the observation itself as one draw."""
    as_far = np.sum(of_chance >= observed - ROUNDING)
    return float(as_far / len(of_chance) if exhaustive else (1 + as_far) / (1 + len(of_chance)))
