"""The lattice of subsets: orders and the transforms between a function and its interactions."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def as_sets(values: ArrayLike, name: str) -> tuple[jax.Array, int]:
    """Returns `values` as a floating array over sets, and its number of players n.

    Args:
        values: array whose last axis runs over the 2^n sets of players, n ≥ 1.
        name: the argument's name, for the error.

    Raises:
        ValueError: the last axis is not a power of two, or there is none.
        TypeError: the values are not real numbers.
    """
    array = jnp.asarray(values)
    size = array.shape[-1] if array.ndim else 0
    if size < 2 or size & (size - 1):
        raise ValueError(
            f"Argument `{name}` must have a last axis of size 2^n (one entry for each set of n >= 1"
            f" players), but has shape {array.shape}."
        )
    return as_real(array, name), size.bit_length() - 1


def as_real(values: ArrayLike, name: str) -> jax.Array:
    """Returns `values` as a real floating array; integers take JAX's default float type."""
    array = jnp.asarray(values)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(f"Argument `{name}` must be real, but has dtype {array.dtype}.")
    return array.astype(float)


def check_players(n: int, name: str = "n") -> int:
    """Returns `n` if it is a number of players (a Python integer ≥ 1); raises otherwise."""
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"Argument `{name}` must be an integer, but is {n!r}.")
    if n < 1:
        raise ValueError(f"Argument `{name}` must be at least 1, but is {n}.")
    return int(n)


def orders(n: int) -> jax.Array:
    """Order |S| of every set S of n players.

    Bit i of a set's index is set iff player i belongs to it, so the order is the index's popcount.

    Args:
        n: number of players.

    Returns:
        int32 array (2^n,).

    Example:
        >>> orders(3)
        Array([0, 1, 1, 2, 1, 2, 2, 3], dtype=int32)
    """
    return jax.lax.population_count(jnp.arange(2 ** check_players(n), dtype=jnp.int32))


def apply_power(matrix: jax.Array, values: jax.Array) -> jax.Array:
    """Applies the Kronecker power of a 2×2 matrix along the last axis, one player at a time.

    (M^{⊗n} f)(S) = Σ_T Π_i M[S_i, T_i] f(T), in O(n·2^n) time and O(2^n) memory.

    Args:
        matrix: (2, 2), rows and columns indexed by a player's absence (0) or presence (1).
        values: (..., 2^n).

    Returns:
        (..., 2^n), of the dtype of `values`.
    """
    shape = values.shape
    matrix = matrix.astype(values.dtype)
    for player in range(shape[-1].bit_length() - 1):
        pairs = values.reshape(*shape[:-1], -1, 2, 2**player)
        absent, present = pairs[..., 0, :], pairs[..., 1, :]
        values = jnp.stack(
            [
                matrix[0, 0] * absent + matrix[0, 1] * present,
                matrix[1, 0] * absent + matrix[1, 1] * present,
            ],
            axis=-2,
        )
    return values.reshape(shape)


def _add_subsets(values: jax.Array, sign: int) -> jax.Array:
    shape = values.shape
    for player in range(shape[-1].bit_length() - 1):
        pairs = values.reshape(*shape[:-1], -1, 2, 2**player)
        absent, present = pairs[..., 0, :], pairs[..., 1, :]
        values = jnp.stack([absent, present + sign * absent], axis=-2)
    return values.reshape(shape)


_add_subsets = functools.partial(jax.jit, static_argnames="sign")(_add_subsets)


def zeta(f: ArrayLike) -> jax.Array:
    """ζ-transform: the sum of f over all subsets, (ζf)(S) = Σ_{T⊆S} f(T).

    Args:
        f: (..., 2^n), one entry for each set.

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
        f: (..., 2^n), one entry for each set.

    Returns:
        (..., 2^n), in O(n·2^n).

    Raises:
        ValueError: the last axis is not of size 2^n.

    Example:
        >>> moebius([1.0, 3.0, 4.0, 10.0])
        Array([1., 2., 3., 4.], dtype=float64)
    """
    return _add_subsets(as_sets(f, "f")[0], -1)
