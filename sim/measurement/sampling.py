"""Which masked inputs to measure where there are too many players for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_numbers, check_choice, check_whole
from sim.measurement.masking import MAX_PLAYERS
from theory.checks import check_players

WAYS = ("size", "uniform")
"""How sets can be drawn."""


def sample_masks(n: int, count: int, seed: int = 0, by: str = "size") -> np.ndarray:
    """Draws different sets of players to be measured, the empty one and that of all among them.

    Args:
        n: number of players, at most 24.
        count: how many sets, from 2 to 2^n.
        seed: of the draw.
        by: "size" draws every size 0..n equally often, as far as there are so many sets of it, so
            that high and low orders are seen too; "uniform" draws all sets alike, nearly all of
            them of about n/2 players.

    Returns:
        int64 (count,), increasing: bit i of a set is player i.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> masks = sample_masks(10, 64)
        >>> masks[0], masks[-1], np.bincount(np.bitwise_count(masks))
        (np.int64(0), np.int64(1023), array([1, 7, 7, 7, 7, 7, 7, 7, 7, 6, 1]))
    """
    n = check_players(n)
    if n > MAX_PLAYERS:
        raise ArgumentError("n", f"be at most {MAX_PLAYERS}", f"is {n}")
    check_whole(count, "count", 2)
    check_whole(seed, "seed", 0)
    check_choice(by, "by", WAYS)
    if count > 2**n:
        raise ArgumentError("count", f"be at most 2^n = {2**n}", f"is {count}")
    rng = np.random.default_rng(seed)
    if by == "uniform":
        between = rng.choice(2**n - 2, count - 2, replace=False) + 1
        return np.concatenate([[0], np.sort(between), [2**n - 1]])
    sizes = np.bitwise_count(np.arange(2**n))
    wanted = _even_shares(np.bincount(sizes), count)
    drawn = [
        rng.choice(np.flatnonzero(sizes == size), k, replace=False) for size, k in enumerate(wanted)
    ]
    return np.sort(np.concatenate(drawn))


def _even_shares(most: np.ndarray, count: int) -> np.ndarray:
    """How many of each kind: as equal as it can be, the first and the last kind whole."""
    shares = np.zeros_like(most)
    shares[[0, -1]] = 1
    while (left := count - shares.sum()) > 0:
        open_ = np.flatnonzero(shares < most)
        if left < len(open_):  # the larger kinds first
            shares[open_[np.argsort(-most[open_], kind="stable")[:left]]] += 1
        else:
            shares[open_] = np.minimum(shares[open_] + left // len(open_), most[open_])
    return shares


def masks_in_words(n: int, masks: int) -> str:
    """How many of the masked versions of an input there are, for people.

    Example:
        >>> masks_in_words(3, 8), masks_in_words(20, 4096)
        ('2^3 masked inputs', '4096 of 2^20 masked inputs')
    """
    some = "" if masks == 2**n else f"{masks} of "
    return f"{some}2^{n} masked inputs"


def check_sets(sets: ArrayLike, n: int | None = None) -> np.ndarray:
    """Returns measured sets as int64 (m,), each once, ∅ and N among them; refuses any others.

    Args:
        sets: as they were given.
        n: number of players; by default as many as the largest of the sets has.

    Example:
        >>> check_sets([0, 5, 7])
        array([0, 5, 7])
    """
    array = as_numbers(sets, "sets")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        got = f"has shape {array.shape} and dtype {array.dtype}"
        raise ArgumentError("sets", "be integers (m,), one for each mask", got, opening="")
    largest = int(array.max(initial=0))
    n = max(1, largest.bit_length()) if n is None else n
    if n > MAX_PLAYERS:
        must = f"be of at most {MAX_PLAYERS} players"
        raise ArgumentError("sets", must, f"holds {largest}", opening="")
    if len(array) and not 0 <= array.min() <= largest < 2**n:
        got = f"holds {array.min() if array.min() < 0 else largest}"
        raise ArgumentError("sets", f"lie from 0 to 2^n − 1 = {2**n - 1}", got, opening="")
    array = array.astype(np.int64)
    if len(np.unique(array)) < len(array):
        raise ArgumentError("sets", "be different from each other", "holds one twice", opening="")
    for needed, name in ((0, "the empty set, 0"), (2**n - 1, f"that of all players, {2**n - 1}")):
        if needed not in array:
            raise ArgumentError("sets", f"hold {name}", "does not", opening="")
    return array
