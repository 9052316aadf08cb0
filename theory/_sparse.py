"""Targets of few interactions among many players: what is learned of them, without 2^n.

What a set S learns of a source T depends on nothing but how many players they share and how large
they are (see `theory._rows`): M̂_ST = β₁₀^{|S∖T|} β₀₁^{|T∖S|} X(n−|S∪T|, |S∖T|+|T∖S|). Learning is
linear, so ŵ(S) = Σ_T M̂_ST w*_T is a sum over the sources alone, exact on any set S.

The sum of |ŵ(S)| over the sets of an order is another matter, since sources cancel where they
overlap. It is a mean over drawn sets:

    Σ_{|S|=k, |ŵ(S)|≥τ} |ŵ(S)| = Z_k · E R(S),    R(S) = |ŵ(S)| 1(|ŵ(S)| ≥ τ) / Σ_T q(M̂_ST w*_T)

with S drawn in proportion to Σ_T q(M̂_ST w*_T), whose sum over the sets of the order, Z_k, is known
exactly: what S shares with a source decides. Such sets are easily drawn: a source, how many players
S shares with it, and then players without preference. Without a threshold q(x) = |x|, and R is the
share between 0 and 1 that does not cancel. With one, q(x) = |x| min(1, |x|/τ) leaves out most of
the many sets that stay below it. So a few hundred draws are enough, whatever n.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from theory._rows import entries_of, log_binomials, mixture_of, scaled_gains
from theory.checks import ArgumentError, as_real, check_players, check_variance
from theory.noise import NoiseModel, check_noise

MOST_PLAYERS = 64  # a set is a 64-bit number, and rows of M̂ are accurate up to here

TRANSFERS = ("strength", "sum", "square")
"""What `order_transfer` follows from order to order."""


def order_transfer(
    n: int, sigma2: ArrayLike, noise: NoiseModel = NoiseModel(), *, of: str = "strength"
) -> jax.Array:
    """What one true interaction of each order leaves in each order under noise σ².

    Column m is what is learned of a single interaction w*_T = 1 with |T| = m, added up over the
    sets S of each order k:

        strength  Σ_{|S|=k} |M̂_ST|      sum  Σ_{|S|=k} M̂_ST      square  Σ_{|S|=k} M̂_ST²

    So a target that is known by its orders alone has, exactly: by `sum`, the sums Σ_{|S|=k} ŵ_S
    from those of w*; by `square`, Σ_{|S|=k} E ŵ_S² from Σ_{|T|=m} E w*_T², where the interactions
    have signs that are independent and even. By `strength` an order's strength comes from those of
    w* if nothing cancels, as of a single interaction; of several it is at most that, and
    `estimate_strength` says how much less. O(n³) work. (Ours, from [Ren24 Theorem 3].)

    Args:
        n: number of players, at most 64.
        sigma2: noise variance, a number or (m,).
        noise: the noise's covariance; the accuracy is that of `row_norms`.
        of: `strength`, `sum` or `square`.

    Returns:
        (n+1, n+1) or (m, n+1, n+1), rows by the learned order 0..n, columns by the true one: the
        unit matrix at σ² = 0, zeros at σ² = ∞.

    Raises:
        TypeError: n is not an integer.
        ValueError: n is below 1 or above 64, an unknown `of`, or a negative or matrix-valued σ².

    Example:
        >>> learned = order_transfer(20, 1e-3)[:, 5]  # of one interaction of order 5
        >>> print(learned[3:8].round(2))  # in the orders 3 to 7
        [0.91 1.08 1.93 3.52 2.81]
    """
    check_noise(noise)
    n = _check_players(n)
    if of not in TRANSFERS:
        raise ArgumentError("of", f"be one of {', '.join(TRANSFERS)}", f"is {of!r}")
    return _transfer(check_variance(sigma2), noise, n, of)


def optimal_at(
    at: ArrayLike,
    sets: ArrayLike,
    values: ArrayLike,
    n: int,
    sigma2: ArrayLike,
    noise: NoiseModel = NoiseModel(),
) -> jax.Array:
    """Interactions ŵ(σ²) on chosen sets, of a target with few interactions  [Ren24 Theorem 3].

    The same numbers as those of `optimal_interactions`, for a target that is 0 but on `sets`, and
    no array of size 2^n: O(n³) and a look-up for each pair of a chosen set and a source.

    Args:
        at: (q,) integers, the sets S to look at.
        sets: (sources,) or (..., sources) integers, the sets of the true interactions.
        values: (..., sources), the true interactions w* on them; of a set given twice they add up.
        n: number of players, at most 64.
        sigma2: noise variance, a number or (m,).
        noise: the noise's covariance.

    Returns:
        (..., q), or (m, ..., q) for a vector of variances; of the dtype of `values`.

    Raises:
        TypeError: n, or a set, is not an integer.
        ValueError: n is below 1 or above 64, a set is not one of n players, sets and values do not
            fit, or a negative or matrix-valued σ².

    Example:
        >>> pair, triple = 0b11, 0b111 << 61  # the last three of 64 players
        >>> print(optimal_at([0b1, pair, triple], [pair, triple], [1.0, -2.0], 64, [0.0, 1e-8]))
        [[ 0.          1.         -2.        ]
         [ 0.05377759  0.68366788 -1.18094821]]
    """
    check_noise(noise)
    n = _check_players(n)
    present, values = _check_sources(sets, values, n)
    sigma2 = check_variance(sigma2, values.dtype)
    return _optimal_at(_members(at, "at", n), present, values, sigma2, noise)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StrengthEstimate:
    """Strength of each order that is learned of a target with few interactions.

    Returned by `estimate_strength`, whose example shows it in use.

    Attributes:
        strength: (..., n), for the orders 1..n; unbiased.
        error: (..., n), its standard error, from the spread of the draws: it does not know of what
            comes up less than once in all of them.
    """

    strength: jax.Array
    error: jax.Array


def estimate_strength(
    key: jax.Array,
    sets: ArrayLike,
    values: ArrayLike,
    n: int,
    sigma2: ArrayLike,
    threshold: ArrayLike = 0.0,
    noise: NoiseModel = NoiseModel(),
    *,
    draws: int = 1000,
) -> StrengthEstimate:
    """Strength of each order that is learned of a target with few interactions, without 2^n.

    Σ_{|S|=k, |ŵ(S)|≥τ} |ŵ(S)|, as `strength_by_order` of `optimal_interactions`, estimated from
    sets that are drawn where the sources act (see the module's docstring). Without a threshold it
    is exact for a single interaction and wherever nothing cancels, and the error is at most half of
    what `order_transfer` says the strength would be without cancellation, over √draws. (Ours.)

    Args:
        key: JAX random key; every σ² has the same draws, so that the estimate moves little with it.
        sets: (sources,) or (..., sources) integers, the sets of the true interactions.
        values: (..., sources), the true interactions w* on them; of a set given twice they add up.
        n: number of players, at most 64.
        sigma2: noise variance, a number or (m,).
        threshold: τ ≥ 0, broadcast against the result without its last axis.
        noise: the noise's covariance.
        draws: sets drawn of each order, at least 2; memory goes with draws × sources.

    Returns:
        The estimate, of arrays (..., n), or (m, ..., n) for a vector of variances.

    Raises:
        TypeError: n, or a set, is not an integer.
        ValueError: n is below 1 or above 64, a set is not one of n players, sets and values do not
            fit, a threshold that is negative or does not broadcast, fewer than 2 draws, or a
            negative or matrix-valued σ².

    Example:
        >>> import jax
        >>> sets, values = [0b111, 0b1110, 0b11], [2.0, -1.0, 0.5]
        >>> found = estimate_strength(jax.random.key(0), sets, values, 64, 1e-9, threshold=0.03)
        >>> print(found.strength[:5].round(1), found.error[:5].round(1))
        [0.  0.8 2.1 5.3 0. ] [0. 0. 0. 0. 0.]
    """
    check_noise(noise)
    n = _check_players(n)
    present, values = _check_sources(sets, values, n)
    sigma2 = check_variance(sigma2, values.dtype)
    draws = check_players(draws, "draws")
    if draws < 2:
        raise ArgumentError("draws", "be at least 2", f"is {draws}")
    threshold = jnp.asarray(threshold, values.dtype)
    if not isinstance(threshold, jax.core.Tracer) and not bool(jnp.all(threshold >= 0)):
        raise ArgumentError("threshold", "be nonnegative", f"is {threshold}")
    shape = (*sigma2.shape, *values.shape[:-1])
    try:
        threshold = jnp.broadcast_to(threshold, shape)
    except ValueError:
        must = f"broadcast to {shape}, the axes of `sigma2` and the batch axes of `values`"
        raise ArgumentError("threshold", must, f"has shape {threshold.shape}") from None
    return _estimate(key, present, values, sigma2, threshold, noise, draws)


def _check_players(n: int) -> int:
    n = check_players(n)
    if n > MOST_PLAYERS:
        raise ArgumentError("n", f"be at most {MOST_PLAYERS}", f"is {n}")
    return n


def _members(sets: ArrayLike, name: str, n: int) -> np.ndarray:
    """Which players belong to each set, bool (..., n)."""
    listed = np.asarray(sets, dtype=object)
    if not all(hasattr(s, "__index__") for s in listed.flat):
        raise TypeError(f"Argument `{name}` must hold integers, one for each set.")
    numbers = [int(s) for s in listed.flat]
    for s in numbers:
        if not 0 <= s < 2**n:
            raise ArgumentError(name, f"hold sets of {n} players, from 0 to 2^{n} − 1", f"has {s}")
    bits = np.array(numbers, np.uint64).reshape(*listed.shape, 1) >> np.arange(n, dtype=np.uint64)
    return (bits & np.uint64(1)).astype(bool)


def _check_sources(sets: ArrayLike, values: ArrayLike, n: int) -> tuple[jax.Array, jax.Array]:
    """The sources' members, (..., sources, n), and what they are worth, (..., sources)."""
    values = as_real(values, "values")
    present = _members(sets, "sets", n)
    if not values.ndim or not values.size or present.ndim < 2:
        raise ArgumentError("values", "have shape (..., sources)", f"has shape {values.shape}")
    try:
        present = np.broadcast_to(present, (*values.shape, n))
    except ValueError:
        must = f"have the shape of `values`, {values.shape}, or its last axis alone"
        raise ArgumentError("sets", must, f"has shape {present.shape[:-1]}") from None
    return jnp.asarray(present), values


class _Rows(NamedTuple):
    """M̂ at one σ², but for the factor e^{log_scale}."""

    table: jax.Array  # X, (n+1, n+1)
    cross: jax.Array  # (β₀₁, β₁₀)
    log_scale: jax.Array

    def at(self, order: jax.Array, of: jax.Array, shared: jax.Array) -> jax.Array:
        """M̂_ST for |S| = order, |T| = of and |S∩T| = shared; 0 where there are no such sets."""
        n = self.table.shape[0] - 1
        gained, lost = order - shared, of - shared  # |S∖T|, |T∖S|
        outside = n - of - gained
        there = (shared >= 0) & (gained >= 0) & (lost >= 0) & (outside >= 0)
        gained, lost, outside = (jnp.clip(x, 0, n) for x in (gained, lost, outside))
        powers = self.cross[:, None] ** jnp.arange(n + 1)[None]
        entry = self.table[outside, jnp.minimum(gained + lost, n)]
        return jnp.where(there, powers[1, gained] * powers[0, lost] * entry, 0.0)


def _rows(sigma2: jax.Array, noise: NoiseModel, n: int) -> _Rows:
    gains, losses, log_scale = scaled_gains(n, sigma2, noise)
    cross = mixture_of(noise, sigma2.dtype).cross
    return _Rows(entries_of(gains, losses, noise), cross, log_scale)


def _numbers(
    order: jax.Array, of: jax.Array, shared: jax.Array, n: int, dtype: jnp.dtype
) -> jax.Array:
    """How many sets of an order share so many players with one set of `of` players."""
    log = log_binomials(n, dtype)
    others = order - shared
    there = (shared >= 0) & (others >= 0)
    number = log[of, jnp.clip(shared, 0, n)] + log[n - of, jnp.clip(others, 0, n)]
    return jnp.where(there, jnp.exp(number), 0.0)


@functools.partial(jax.jit, static_argnames=("n", "of"))
def _transfer(sigma2: jax.Array, noise: NoiseModel, n: int, of: str) -> jax.Array:
    k, m, shared = jnp.meshgrid(*[jnp.arange(n + 1)] * 3, indexing="ij")
    numbers = _numbers(k, m, shared, n, sigma2.dtype)

    def at(sigma2: jax.Array) -> jax.Array:
        rows = _rows(sigma2, noise, n)
        entries = rows.at(k, m, shared) * jnp.exp(rows.log_scale)
        followed = {"strength": jnp.abs, "sum": jnp.positive, "square": jnp.square}[of](entries)
        return jnp.sum(numbers * followed, axis=-1)

    return at(sigma2) if sigma2.ndim == 0 else jax.lax.map(at, sigma2)


@jax.jit
def _optimal_at(
    at: jax.Array, present: jax.Array, values: jax.Array, sigma2: jax.Array, noise: NoiseModel
) -> jax.Array:
    n = present.shape[-1]
    size = jnp.sum(present, axis=-1)[..., None, :]  # (..., 1, sources)
    order = jnp.sum(at, axis=-1)[:, None]
    shared = _shared(at, present)  # (..., q, sources)

    def learned(sigma2: jax.Array) -> jax.Array:
        rows = _rows(sigma2, noise, n)
        entries = rows.at(order.reshape((1,) * (present.ndim - 2) + (-1, 1)), size, shared)
        return jnp.exp(rows.log_scale) * jnp.sum(entries * values[..., None, :], axis=-1)

    return learned(sigma2) if sigma2.ndim == 0 else jax.lax.map(learned, sigma2)


def _shared(some: jax.Array, others: jax.Array) -> jax.Array:
    """Players that sets (q, n) and (..., r, n) have in common, (..., q, r)."""
    common = jnp.einsum("qn,...rn->...qr", some.astype(jnp.float32), others.astype(jnp.float32))
    return common.astype(jnp.int32)


@functools.partial(jax.jit, static_argnames="draws")
def _estimate(
    key: jax.Array,
    present: jax.Array,
    values: jax.Array,
    sigma2: jax.Array,
    threshold: jax.Array,
    noise: NoiseModel,
    draws: int,
) -> StrengthEstimate:
    batch, n = values.shape[:-1], present.shape[-1]
    flat = (present.reshape(-1, *present.shape[-2:]), values.reshape(-1, values.shape[-1]))
    keys = jax.random.split(key, len(flat[1]))
    draw = jax.lax.map(lambda key: _draw(key, draws, n, values.dtype), keys)

    def at(given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        variance, least = given
        rows = _rows(variance, noise, n)
        return jax.lax.map(
            lambda target: _estimate_one(rows, *target), (*flat, least.reshape(-1), draw)
        )

    found = jax.lax.map(at, (sigma2.reshape(-1), threshold.reshape(sigma2.size, *batch)))
    return StrengthEstimate(*(x.reshape(*sigma2.shape, *batch, n) for x in found))


class _Draw(NamedTuple):
    """The lots behind the sets that are drawn."""

    source: jax.Array  # (n, draws), from 0 to 1, for each order
    players: jax.Array  # (draws, n), the players in a random order
    places: jax.Array  # (draws, n), where in it each of them is


def _draw(key: jax.Array, draws: int, n: int, dtype: jnp.dtype) -> _Draw:
    first, second = jax.random.split(key)
    players = jnp.argsort(jax.random.bits(second, (draws, n)), axis=1).astype(jnp.int32)
    lots = jax.random.uniform(first, (n, draws), dtype)
    return _Draw(lots, players, jnp.argsort(players, axis=1).astype(jnp.int32))


def _estimate_one(
    rows: _Rows, present: jax.Array, values: jax.Array, threshold: jax.Array, draw: _Draw
) -> tuple[jax.Array, jax.Array]:
    """Strength and its error (n,) of one target, (sources, n) and (sources,), at one σ²."""
    n = present.shape[-1]
    size = jnp.sum(present, axis=-1)
    scale = jnp.exp(rows.log_scale)
    shared = jnp.arange(n + 1)[None, :]
    cut = jnp.where(threshold > 0, threshold, 1.0)

    def weighed(terms: jax.Array) -> jax.Array:
        terms = jnp.abs(terms)
        return terms * jnp.where(threshold > 0, jnp.minimum(scale * terms / cut, 1.0), 1.0)

    def of_order(given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        order, lots = given
        parts = weighed(values[:, None] * rows.at(order, size[:, None], shared))
        parts = parts * _numbers(order, size[:, None], shared, n, values.dtype)
        reached = jnp.cumsum(parts.ravel())
        whole = reached[-1]
        chosen = jnp.searchsorted(reached, lots * whole, side="right")
        source, common = jnp.divmod(jnp.minimum(chosen, reached.size - 1), n + 1)
        sets = _drawn_sets(draw, present[source], common, order)
        terms = values[None] * rows.at(order, size[None, :], _shared(sets, present))
        learned, weight = jnp.abs(jnp.sum(terms, axis=1)), jnp.sum(weighed(terms), axis=1)
        counts = (weight > 0) & (scale * learned >= threshold)
        left = jnp.where(counts, learned / jnp.where(counts, weight, 1.0), 0.0)
        error = jnp.std(left, ddof=1) / len(lots) ** 0.5
        return scale * whole * jnp.mean(left), scale * whole * error

    return jax.lax.map(of_order, (jnp.arange(1, n + 1), draw.source))


def _drawn_sets(draw: _Draw, present: jax.Array, shared: jax.Array, order: jax.Array) -> jax.Array:
    """For each source (draws, n) a set of an order, any of those that share so many players."""
    own = jnp.take_along_axis(present, draw.players, axis=1)
    own_before = jnp.cumsum(own, axis=1)  # with the player itself
    others_before = jnp.cumsum(~own, axis=1)
    shared = shared[:, None]
    taken = jnp.where(own, own_before <= shared, others_before <= order - shared)
    return jnp.take_along_axis(taken, draw.places, axis=1)
