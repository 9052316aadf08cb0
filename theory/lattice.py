"""The lattice of subsets: orders and the transforms between a function and its interactions."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from theory.sharded import sets_devices, spread, spread_power

RADIX = 5  # players contracted at once by the transforms; 4 to 6 are equally fast on a CPU


def as_sets(values: ArrayLike, name: str) -> tuple[jax.Array, int]:
    """Returns `values` as a floating array over sets, and its number of players n.

    Args:
        values: array whose last axis runs over the 2^n sets of players, n ≥ 1.
        name: the argument's name, for the error.

    Raises:
        ValueError: the last axis is not a power of two, or there is none.
        TypeError: the values are not real numbers.
    """
    array = as_real(values, name)
    size = array.shape[-1] if array.ndim else 0
    if size < 2 or size & (size - 1):
        raise ValueError(
            f"Argument `{name}` must have a last axis of size 2^n (one entry for each set of n >= 1"
            f" players), but has shape {array.shape}."
        )
    return array, size.bit_length() - 1


def as_pair(
    first: ArrayLike, second: ArrayLike, names: tuple[str, str]
) -> tuple[jax.Array, jax.Array, int]:
    """Returns two arrays over the same sets in one shape and dtype, and their number of players.

    Args:
        first: (..., 2^n).
        second: (..., 2^n), broadcast against `first`.
        names: the arguments' names, for the error.

    Raises:
        ValueError: last axes that differ or are not of size 2^n, or batch axes that do not
            broadcast.
    """
    one, n = as_sets(first, names[0])
    other, n_other = as_sets(second, names[1])

    def mismatch(wanted: str) -> ValueError:
        return ValueError(
            f"Arguments `{names[0]}` and `{names[1]}` must have {wanted}, but have shapes "
            f"{one.shape} and {other.shape}."
        )

    if n != n_other:
        raise mismatch("the same last axis")
    try:
        shape = jnp.broadcast_shapes(one.shape, other.shape)
    except ValueError:
        raise mismatch("batch axes that broadcast") from None
    dtype = jnp.result_type(one, other)
    one, other = (jnp.broadcast_to(array.astype(dtype), shape) for array in (one, other))
    return one, other, n


def as_real(values: ArrayLike, name: str) -> jax.Array:
    """Returns `values` as a real floating array; integers take JAX's default float type."""
    try:
        array = jnp.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # None, text, tensors with gradients
        fault = " ".join(str(error).split())
        raise TypeError(
            f"Argument `{name}` must be an array of numbers, but is a {type(values).__name__}: "
            f"{fault[:120]}{'…' if len(fault) > 120 else ''}"
        ) from error
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
    return _popcounts(check_players(n))


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
