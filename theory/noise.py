"""The noise on the interactions: one symmetric 2×2 matrix for each player, and its eigenbasis."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from theory.checks import ArgumentError, as_real

NUMBER = (int, float, np.number)


class Eigenbasis(NamedTuple):
    """Solution of the 2×2 generalised eigenproblem VᵀDV = I, VᵀAV = diag(μ₀, μ₁), μ₀ > μ₁.

    A = [[2,1],[1,1]] is one player's factor of JᵀJ, D the noise's.
    """

    vectors: jax.Array  # V, (2, 2)
    dual: jax.Array  # VᵀD = V⁻¹, (2, 2)
    values: jax.Array  # (μ₀, μ₁), (2,)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NoiseModel:
    """Covariance of the noise ε on the interactions: Cov(ε_S, ε_T) = σ² Π_i D[S_i, T_i].

    D = [[1, c√g], [c√g, g]] for one player, so Var ε_T = g^{|T|} σ²: the variance grows by the
    factor g with every order. Three members of the family:

    - `NoiseModel()`: the paper's independent noise with variance 2^{|T|}σ² [Ren24 Assumption 1];
    - `NoiseModel(growth=1.0)`: independent noise of the same variance on every interaction;
    - `NoiseModel(correlation=-0.5**0.5)`: D = [[1,−1],[−1,2]], the noise that independent errors of
      the network's outputs really cause (Möbius transform of independent noise, [Ren24 Lemma 1]).

    Attributes:
        growth: g > 0.
        correlation: −1 < c < 1.

    Raises:
        ValueError: the matrix D is not positive definite.

    Example:
        >>> NoiseModel().matrix()
        Array([[1., 0.],
               [0., 2.]], dtype=float64)
    """

    growth: float | jax.Array = 2.0
    correlation: float | jax.Array = 0.0

    def __post_init__(self) -> None:
        # Arrays wait for `check_noise`: JAX also makes models of batches, tracers and derivatives.
        if isinstance(self.growth, NUMBER) and isinstance(self.correlation, NUMBER):
            self._check_positive_definite()

    def _check_positive_definite(self) -> None:
        if not 0 < self.growth < np.inf:
            raise ArgumentError(
                "growth",
                "be positive and finite (the noise covariance must be positive definite)",
                f"is {self.growth}",
            )
        if not -1 < self.correlation < 1:
            raise ArgumentError(
                "correlation",
                "lie strictly between -1 and 1 (the noise covariance must be positive definite)",
                f"is {self.correlation}",
            )

    def matrix(self, dtype: jnp.dtype | type = float) -> jax.Array:
        """One player's factor D of the covariance, (2, 2)."""
        growth = jnp.asarray(self.growth, dtype)
        cross = self.correlation * jnp.sqrt(growth)
        return jnp.stack([jnp.stack([jnp.ones_like(growth), cross]), jnp.stack([cross, growth])])

    def eigenbasis(self, dtype: jnp.dtype | type = float) -> Eigenbasis:
        """The 2×2 eigenproblem that diagonalises Theorem 3 for every n.

        At growth ½ and correlation √½, D is a multiple of A and any basis will do: values are right
        there, but derivatives by growth and correlation are not.
        """
        growth = jnp.asarray(self.growth, dtype)
        correlation = jnp.asarray(self.correlation, dtype)
        # D = LLᵀ with L = [[1, 0], [s, r]]; C = L⁻¹AL⁻ᵀ is symmetric, its eigenvectors a rotation.
        s = correlation * jnp.sqrt(growth)
        r = jnp.sqrt(growth * (1 - correlation**2))
        c00, c01 = 2.0 + 0.0 * s, (1 - 2 * s) / r
        c11 = (1 - 2 * s + 2 * s**2) / r**2
        angle = 0.5 * jnp.arctan2(2 * c01, c00 - c11)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        upper = 0.5 * (c00 + c11 + jnp.hypot(c00 - c11, 2 * c01))
        lower = 1 / (r**2 * upper)  # det C = det A / det D, free of cancellation
        rotation = _matrix(cos, -sin, sin, cos)
        vectors = _matrix(jnp.ones_like(s), -s / r, 0 * s, 1 / r) @ rotation
        dual = rotation.T @ _matrix(jnp.ones_like(s), s, 0 * s, r)
        return Eigenbasis(vectors, dual, jnp.stack([upper, lower]))


def check_noise(noise: object) -> None:
    """Raises unless `noise` is one `NoiseModel` with a positive definite covariance."""
    if not isinstance(noise, NoiseModel):
        raise TypeError(
            f"Argument `noise` must be a NoiseModel, such as NoiseModel(growth=2.0), but is "
            f"{noise!r}."
        )
    for name, value in [("growth", noise.growth), ("correlation", noise.correlation)]:
        if not isinstance(value, NUMBER) and as_real(value, name).ndim:
            raise ArgumentError(
                name,
                "be a number (jax.vmap takes a batch of them)",
                f"has shape {jnp.shape(value)}",
            )
    if not isinstance(noise.growth + noise.correlation, jax.core.Tracer):
        noise._check_positive_definite()


def _matrix(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike) -> jax.Array:
    return jnp.stack([jnp.stack([a, b]), jnp.stack([c, d])])
