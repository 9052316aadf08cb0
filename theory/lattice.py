"""The lattice of subsets: orders and the transforms between a function and its interactions."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from theory.checks import as_sets, check_listed
from theory.sharded import sets_devices, spread, spread_power

RADIX = 5  # players contracted at once by the transforms; 4 to 6 are equally fast on a CPU


def orders(n: int) -> jax.Array:
    """Order |S| of every set S of n players.

    Bit i of a set's index is set iff player i belongs to it, so the order is the index's popcount.

    Args:
        n: number of players.

    Returns:
        int32 array (2^n,).

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1, or n > 30.

    Example:
        >>> orders(3)
        Array([0, 1, 1, 2, 1, 2, 2, 3], dtype=int32)
    """
    return _popcounts(check_listed(n))


def _popcounts(n: int) -> jax.Array:
    return jax.lax.population_count(jnp.arange(2**n, dtype=jnp.int32))


def apply_power(matrix: jax.Array, values: jax.Array) -> jax.Array:
    """Applies the Kronecker power of a 2×2 matrix along the last axis, a few players at a time.

    (M^{⊗n} f)(S) = Σ_T Π_i M[S_i, T_i] f(T), in O(n·2^n) time and O(2^n) memory.

    Each pass contracts the lowest players, up to RADIX of them, with a small dense Kronecker power
    and puts them in front: every pass is one matrix product that reads and writes contiguous
    memory, and after the last one the players are back in order.

    Args:
        matrix: (2, 2), rows and columns indexed by a player's absence (0) or presence (1).
        values: (..., 2^n), finite: an infinite or NaN entry spoils its neighbours too.

    Returns:
        (..., 2^n), of the dtype of `values`.
    """
    n = values.shape[-1].bit_length() - 1
    matrix = matrix.astype(values.dtype)
    if (devices := sets_devices(n)) > 1:
        return spread_power(_apply_power, matrix, values, devices)
    return _apply_power(matrix, values)


def _apply_power(matrix: jax.Array, values: jax.Array) -> jax.Array:
    shape = values.shape
    n = shape[-1].bit_length() - 1
    passes = -(-n // RADIX)
    for i in range(passes):
        power = _dense_power(matrix, n // passes + (i < n % passes))
        rows = values.reshape(-1, power.shape[0])
        # With lax's default precision an accelerator would round float32 to fewer bits.
        values = jax.lax.dot_general(
            rows, power, (((1,), (1,)), ((), ())), precision=jax.lax.Precision.HIGHEST
        ).T
    return values.reshape(shape[-1], -1).T.reshape(shape)  # batch axes have come last


def _dense_power(matrix: jax.Array, players: int) -> jax.Array:
    return functools.reduce(jnp.kron, [matrix] * players)


@functools.partial(jax.jit, static_argnames="sign")
def _add_subsets(values: jax.Array, sign: int) -> jax.Array:
    return apply_power(jnp.array([[1, 0], [sign, 1]], values.dtype), values)


def zeta(f: ArrayLike) -> jax.Array:
    """ζ-transform: the sum of f over all subsets, (ζf)(S) = Σ_{T⊆S} f(T).

    Args:
        f: (..., 2^n), one finite entry for each set.

    Returns:
        (..., 2^n), in O(n·2^n).

    Raises:
        ValueError: the last axis is not of size 2^n.

    Example:
        >>> zeta([1.0, 2.0, 3.0, 4.0])
        Array([ 1.,  3.,  4., 10.], dtype=float64)
    """
    return _add_subsets(as_sets(f, "f")[0], 1)


def moebius(f: ArrayLike) -> jax.Array:
    """Möbius transform, the inverse of `zeta`: Σ_{T⊆S} (−1)^{|S|−|T|} f(T).

    Args:
        f: (..., 2^n), one finite entry for each set.

    Returns:
        (..., 2^n), in O(n·2^n).

    Raises:
        ValueError: the last axis is not of size 2^n.

    Example:
        >>> moebius([1.0, 3.0, 4.0, 10.0])
        Array([1., 2., 3., 4.], dtype=float64)
    """
    return _add_subsets(as_sets(f, "f")[0], -1)


def by_order(table: jax.Array, n: int) -> jax.Array:
    """Spreads a table over orders onto the sets: entry S is table[..., |S|].

    Two short look-ups, rows of the upper players and columns of the lower ones, instead of 2^n.

    Args:
        table: (..., n+1), for the orders 0..n.
        n: number of players.

    Returns:
        (..., 2^n).
    """
    low = n // 2
    upper, lower = _popcounts(n - low), _popcounts(low)
    windows = table[..., jnp.arange(n - low + 1)[:, None] + lower[None, :]]  # (..., upper, 2^low)
    return spread(windows[..., upper, :].reshape(*table.shape[:-1], 2**n))
