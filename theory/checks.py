"""What arguments must be: one check and one wording for each."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


class ArgumentError(ValueError):
    """An argument is not what it must be.

    Attributes:
        name: of the argument in Python.
        must: what it must be, beginning with a verb: "be positive".
        got: what it is instead, beginning with a verb: "is -1".
        opening: "Argument ", or nothing where the name is that of an entry of a file too.

    Example:
        >>> print(ArgumentError("n", "be at least 1", "is 0"))
        Argument `n` must be at least 1, but is 0.
    """

    def __init__(self, name: str, must: str, got: str, *, opening: str = "Argument ") -> None:
        super().__init__(name, must, got)
        self.name, self.must, self.got, self.opening = name, must, got, opening

    def __str__(self) -> str:
        return f"{self.opening}{self.about(f'`{self.name}`')}"

    def about(self, subject: str) -> str:
        """The message with another name for the argument, such as that of an option."""
        return f"{subject} must {self.must}, but {self.got}."


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
        raise ArgumentError(
            name,
            "have a last axis of size 2^n (one entry for each set of n >= 1 players)",
            f"has shape {array.shape}",
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
        if is_ragged(error):
            raise ArgumentError(name, *RAGGED) from None
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


RAGGED = ("have rows of equal length", "has rows of different lengths")
"""What an array must be, and what it is instead, where `is_ragged`."""


def is_ragged(error: BaseException) -> bool:
    """Whether numpy refused lists because they are of different lengths."""
    return "inhomogeneous" in str(error)


MOST_LISTED = 30
"""The largest number of players all of whose sets are numbered in 32 bits."""


def check_listed(n: int) -> int:
    """Returns `n` if it is a number of players all of whose sets can be listed."""
    n = check_players(n)
    if n > MOST_LISTED:
        must = f"be at most {MOST_LISTED} where all 2^n sets are listed"
        raise ArgumentError("n", must, f"is {n}")
    return n


def check_players(n: int, name: str = "n") -> int:
    """Returns `n` if it is a number of players (a Python integer ≥ 1); raises otherwise."""
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"Argument `{name}` must be an integer, but is {n!r}.")
    if n < 1:
        raise ArgumentError(name, "be at least 1", f"is {n}")
    return int(n)


def check_variance(sigma2: ArrayLike, dtype: jnp.dtype | None = None) -> jax.Array:
    """Returns the noise variance σ² as an array of at most one axis, in `dtype` if it is given."""
    array = as_real(sigma2, "sigma2")
    if dtype is not None:
        array = array.astype(dtype)
    if array.ndim > 1:
        raise ArgumentError("sigma2", "be a number or have shape (m,)", f"has shape {array.shape}")
    if not isinstance(array, jax.core.Tracer) and not (np.asarray(array) >= 0).all():
        raise ArgumentError("sigma2", "be nonnegative", f"is {sigma2}")
    return array


def check_rho(rho: ArrayLike) -> jax.Array:
    """Returns the growth ρ with order as a real number > 0."""
    number = as_real(rho, "rho")
    if number.ndim:
        raise ArgumentError("rho", "be a number", f"has shape {number.shape}")
    if not isinstance(number, jax.core.Tracer) and not 0 < number < jnp.inf:
        raise ArgumentError("rho", "be positive and finite", f"is {rho}")
    return number
