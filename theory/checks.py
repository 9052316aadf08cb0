"""What arguments must be: one check and one wording for each."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
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


def check_variance(sigma2: ArrayLike, dtype: jnp.dtype | None = None) -> jax.Array:
    """Returns the noise variance σ² as an array of at most one axis, in `dtype` if it is given."""
    array = as_real(sigma2, "sigma2")
    if dtype is not None:
        array = array.astype(dtype)
    if array.ndim > 1:
        raise ValueError(
            f"Argument `sigma2` must be a number or have shape (m,), but has shape {array.shape}."
        )
    if not isinstance(array, jax.core.Tracer) and not (np.asarray(array) >= 0).all():
        raise ValueError(f"Argument `sigma2` must be nonnegative, but is {sigma2}.")
    return array


def check_rho(rho: ArrayLike) -> jax.Array:
    """Returns the growth ρ with order as a real number > 0."""
    number = as_real(rho, "rho")
    if number.ndim:
        raise ValueError(f"Argument `rho` must be a number, but has shape {number.shape}.")
    if not isinstance(number, jax.core.Tracer) and not 0 < number < jnp.inf:
        raise ValueError(f"Argument `rho` must be positive and finite, but is {rho}.")
    return number
