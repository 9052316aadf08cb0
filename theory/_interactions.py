"""AND and OR interactions of a masked function, and the function that they add up to."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from theory.checks import as_sets
from theory.lattice import moebius, zeta


def and_interactions(v_and: ArrayLike) -> jax.Array:
    """AND (Harsanyi) interactions: I(S) = Σ_{T⊆S} (−1)^{|S|−|T|} v(T)  [Ren24 Eq. 1].

    I(S) is the effect that appears only when all players of S are present together.

    Args:
        v_and: (..., 2^n), the function's value on every masked input.

    Returns:
        (..., 2^n); entry ∅ is v(∅).

    Example:
        >>> and_interactions([0.0, 1.0, 1.0, 5.0])
        Array([0., 1., 1., 3.], dtype=float64)
    """
    return moebius(as_sets(v_and, "v_and")[0])


def or_interactions(v_or: ArrayLike) -> jax.Array:
    """OR interactions: I(S) = −Σ_{T⊆S} (−1)^{|S|−|T|} v(N∖T) for S ≠ ∅, I(∅) = 0  [Ren24 Eq. 2].

    I(S) is the effect that appears as soon as any player of S is present.

    Args:
        v_or: (..., 2^n), the function's value on every masked input.

    Returns:
        (..., 2^n); entry ∅ is 0, so v(∅) must be carried by the AND part.

    Example:
        >>> or_interactions([0.0, 1.0, 1.0, 1.0])
        Array([0., 0., 0., 1.], dtype=float64)
    """
    values, _ = as_sets(v_or, "v_or")
    return (0.0 - moebius(values[..., ::-1])).at[..., 0].set(0.0)


def reconstruct(i_and: ArrayLike, i_or: ArrayLike) -> jax.Array:
    """The function that the interactions add up to (universal matching, [Ren24 Theorem 2]).

    v(S) = Σ_{T⊆S} I_and(T) + Σ_{T∩S≠∅} I_or(T); v(∅) is carried by I_and(∅).

    Args:
        i_and: (..., 2^n).
        i_or: (..., 2^n); entry ∅ plays no part.

    Returns:
        (..., 2^n).

    Raises:
        ValueError: the two differ in shape.

    Example:
        >>> reconstruct([0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 2.0])
        Array([0., 3., 3., 4.], dtype=float64)
    """
    i_and, _ = as_sets(i_and, "i_and")
    i_or, _ = as_sets(i_or, "i_or")
    if i_and.shape != i_or.shape:
        raise ValueError(
            f"Arguments `i_and` and `i_or` must have the same shape, but have shapes "
            f"{i_and.shape} and {i_or.shape}."
        )
    disjoint = zeta(i_or)[..., ::-1]  # Σ of I_or over the sets that miss S
    return zeta(i_and) + (jnp.sum(i_or, axis=-1, keepdims=True) - disjoint)
