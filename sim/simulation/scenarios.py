"""Where a simulated network starts, and what it learns: initial and target interactions."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError, check_positive, check_whole
from sim.machine import check_memory, over_sets
from theory import SALIENCE, orders
from theory.checks import as_sets, check_players
from theory.sharded import sets_devices, spread

AndOr = ArrayLike | tuple[ArrayLike, ArrayLike]
"""AND interactions, or a pair of AND and OR interactions."""

RHO = 2**0.5
"""Growth of an untrained network's interactions with their order: independent noise on outputs."""

NEGATIVE = 0.5
"""Probability that an interaction of a target is negative, by default."""


def random_start(
    n: int, key: jax.Array, rho: float = RHO, scale: float = 1.0, members: int | None = None
) -> jax.Array:
    """Interactions of an untrained network: independent, Gaussian, of size scale·ρ^{|S|}.

    Their strengths over orders are the spindle of `theory.initial_strength`, ∝ C(n,k)·ρ^k in the
    mean.

    Args:
        n: number of players.
        key: of the random numbers.
        rho: growth of the standard deviation with the order; √2 for independent noise on outputs.
        scale: standard deviation at order 0, in log-odds.
        members: number of independent draws, as a leading axis; none by default.

    Returns:
        (2^n,), or (members, 2^n).

    Raises:
        ValueError: a number out of range, or more players than fit in memory.

    Example:
        >>> random_start(4, jax.random.key(0), members=3).shape
        (3, 16)
    """
    shape = _shape(n, members, 2.5, spread_over_devices=True)
    check_positive(rho, "rho")
    check_positive(scale, "scale")
    return _spindle(key, rho, scale, shape)


@functools.partial(jax.jit, static_argnames="shape")
def _spindle(key: jax.Array, rho: float, scale: float, shape: tuple[int, ...]) -> jax.Array:
    draws = jax.random.normal(key, shape)
    n = shape[-1].bit_length() - 1
    sizes = scale * jnp.asarray(rho, draws.dtype) ** orders(n)
    return spread(draws * jnp.broadcast_to(sizes, shape))


def sparse_target(
    n: int,
    key: jax.Array,
    counts: int | Sequence[int] | np.ndarray = 50,
    negative: float = NEGATIVE,
    scale: float = 1.0,
    members: int | None = None,
) -> jax.Array:
    """A few random interactions among zeros: what a simulated network has to learn.

    Sets are drawn without replacement within each order; sizes are uniform in scale·[½, 1½].

    Args:
        n: number of players.
        key: of the random numbers.
        counts: how many interactions of each order 1..n; or their total number, spread over the
            orders as evenly as the numbers of sets C(n,k) allow, low orders first.
        negative: probability that an interaction is negative.
        scale: mean size, in log-odds.
        members: number of independent draws, as a leading axis; none by default.

    Returns:
        (2^n,), or (members, 2^n); entry ∅ is 0.

    Raises:
        ValueError: more interactions of an order than there are sets, a number out of range, or
            more players than fit in memory.

    Example:
        >>> from theory import sum_by_order
        >>> target = sparse_target(5, jax.random.key(0), counts=[3, 2, 0, 1, 0])
        >>> print(sum_by_order(target != 0))
        [0. 3. 2. 0. 1. 0.]
    """
    shape = _shape(n, members, 8.5)  # sorting takes many arrays, and one device
    check_positive(scale, "scale")
    if not 0 <= negative <= 1:
        raise ArgumentError("negative", "lie between 0 and 1", f"is {negative}")
    chosen = jnp.asarray([0, *_counts(n, counts)])
    keys = jax.random.split(key, (members or 1,))
    return _sparse_draws(n, chosen, negative, scale, keys).reshape(shape)


@functools.partial(jax.jit, static_argnames="n")
def _sparse_draws(
    n: int, counts: jax.Array, negative: float, scale: float, keys: jax.Array
) -> jax.Array:
    return jax.vmap(functools.partial(_sparse, n, counts, negative, scale))(keys)


def _sparse(n: int, counts: jax.Array, negative: float, scale: float, key: jax.Array) -> jax.Array:
    place, size, sign = jax.random.split(key, 3)
    order = orders(n)
    ranked = jnp.lexsort((jax.random.uniform(place, order.shape), order))  # shuffled in each order
    first = jnp.asarray(np.cumsum([0] + [math.comb(n, k) for k in range(n)]))
    rank = jnp.zeros_like(ranked).at[ranked].set(jnp.arange(order.size)) - first[order]
    values = scale * jax.random.uniform(size, order.shape, minval=0.5, maxval=1.5)
    values = jnp.where(jax.random.bernoulli(sign, negative, order.shape), -values, values)
    return spread(jnp.where(rank < counts[order], values, 0.0))


def keep_salient(interactions: AndOr, fraction: float = SALIENCE) -> AndOr:
    """The salient interactions of a trained network, the others set to 0: its target w* [Ren24].

    Salient means |I(S)| ≥ τ = fraction · E_x |v(N) − v(∅)|, and v(N) − v(∅) is the sum of all
    interactions but ∅. w*_∅ stays v(∅).

    Args:
        interactions: (..., 2^n) AND interactions, or a pair of AND and OR interactions.
        fraction: the factor 0.03.

    Returns:
        An array or a pair, like `interactions`.

    Raises:
        ValueError: a last axis that is not of size 2^n, or AND and OR that differ in shape.

    Example:
        >>> print(keep_salient([0.5, 2.0, -0.04, 1.0]))
        [0.5 2.  0.  1. ]
    """
    pair = interactions if isinstance(interactions, tuple) else (interactions,)
    arrays = [as_sets(kind, "interactions")[0] for kind in pair]
    if len({array.shape for array in arrays}) > 1:
        raise ArgumentError(
            "interactions",
            "be AND and OR interactions of the same shape",
            f"they have shapes {' and '.join(str(array.shape) for array in arrays)}",
        )
    effect = sum(jnp.sum(array[..., 1:], axis=-1) for array in arrays)
    threshold = fraction * jnp.mean(jnp.abs(effect))
    kept = [
        jnp.where(jnp.abs(array) >= threshold, array, 0.0).at[..., 0].set(array[..., 0])
        for array in arrays
    ]
    return (kept[0], kept[1]) if isinstance(interactions, tuple) else kept[0]


def _counts(n: int, counts: int | Sequence[int] | np.ndarray) -> list[int]:
    sizes = [math.comb(n, k) for k in range(1, n + 1)]
    if not isinstance(counts, Sequence | np.ndarray):
        counts = int(counts)
        if not 1 <= counts < 2**n:
            raise ArgumentError(
                "counts",
                f"be between 1 and {2**n - 1}, the number of nonempty sets",
                f"is {counts}",
            )
        given = [0] * n
        while counts > 0:  # deal them out evenly to the orders that still have sets to spare
            room = [size - count for size, count in zip(sizes, given, strict=True)]
            share = max(1, counts // sum(r > 0 for r in room))
            for k, spare in enumerate(room):
                dealt = min(share, spare, counts)
                given[k] += dealt
                counts -= dealt
        return given
    given = [int(count) for count in counts]
    if len(given) != n or any(not 0 <= g <= s for g, s in zip(given, sizes, strict=False)):
        raise ArgumentError(
            "counts",
            f"hold one number for each order 1..{n}, at most {sizes}",
            f"is {list(counts)}",
        )
    return given


def _shape(
    n: int, members: int | None, arrays: float, spread_over_devices: bool = False
) -> tuple[int, ...]:
    """The shape of the result; raises where drawing it would take more memory than there is."""
    n = check_players(n)
    if members is not None:
        check_whole(members, "members", 1)
    size = jnp.zeros(0).dtype.itemsize * over_sets(n, int(members or 1))
    devices = sets_devices(min(n, 64)) if spread_over_devices else 1
    what = f"Drawing interactions of {n} players"
    check_memory(arrays * size, what, "fewer players or members", devices)
    return (2**n,) if members is None else (int(members), 2**n)
