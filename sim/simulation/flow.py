"""The methods in closed form: all are gains of eigenmodes, so every epoch is one transform."""

from __future__ import annotations

import dataclasses
import functools
import numbers
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from sim.checks import ArgumentError, check_choice, check_positive
from sim.simulation.run import Run
from sim.simulation.trajectory import Snapshot, joined, snapshot
from theory import NoiseModel, learning_thresholds, mode_gains, orders, relaxation_gains
from theory.lattice import apply_power

CHUNKS = 20  # times that a run tells its progress

CLOCKS = ("noise", "flow")


@dataclasses.dataclass(frozen=True)
class Relaxation:
    """Settings of the relaxation towards the moving optimum; see `sim.simulate`.

    Attributes:
        rate: relaxation in one epoch.
        clock: "noise" or "flow", what `rate` is measured by.
        substeps: equal steps of constant σ² between two recorded epochs.

    Raises:
        ValueError: a number out of range, or an unknown clock.
    """

    rate: float | jax.Array = 0.2
    clock: str = "noise"
    substeps: int = 8

    def __post_init__(self) -> None:
        check_choice(self.clock, "clock", CLOCKS)
        if not isinstance(self.rate, jax.core.Tracer):
            check_positive(float(self.rate), "rate")
        if not isinstance(self.substeps, numbers.Integral) or self.substeps < 1:
            got = f"is {self.substeps}"
            raise ArgumentError("substeps", "be a whole number of at least 1", got)


def follow(
    run: Run, relaxation: Relaxation | None = None, scale: jax.Array | None = None
) -> Snapshot:
    """Snapshots along the closed form.

    A mode of order k at epoch i is kept[i, k] · start + learned[i, k] · target, whatever σ² did on
    the way, so that no epoch waits for another and none is stored.

    Args:
        run: what is simulated.
        relaxation: how the start is left behind, and
        scale: (E,), the size of what is learned on top of a start that stays. Without either the
            start plays no part: equilibrium.

    Returns:
        A `Snapshot` with a leading axis (E,).
    """
    sigma2 = run.variance(run.epochs)
    starts: jax.Array | None = run.starts
    kept: jax.Array | None
    if relaxation is None:
        learned = _equilibrium_gains(run.n, sigma2, run.noise)
        if scale is None:
            kept, starts = None, None
        else:
            kept, learned = jnp.ones_like(learned), scale[:, None] * learned
    else:
        kept, learned = relaxation_path(
            run.n,
            run.variance,
            run.epochs,
            run.noise,
            relaxation.rate,
            relaxation.clock,
            relaxation.substeps,
        )
    gains = (kept, learned, sigma2)
    recorded = functools.partial(
        _follow, starts, run.targets, run.noise, run.salience, keep=run.keep
    )
    if run.progress is None:
        return recorded(gains)
    count = run.epochs.size
    size = -(-count // CHUNKS)
    pieces = []
    for first in range(0, count, size):
        # The last piece repeats its last epoch, so that one compilation serves all.
        index = np.minimum(np.arange(first, first + size), count - 1)
        piece = recorded(jax.tree.map(lambda array, index=index: array[index], gains))
        done = min(first + size, count)
        pieces.append(jax.tree.map(lambda array, m=done - first: array[:m], piece))
        jax.block_until_ready(pieces[-1])
        run.progress(done, count)
    return joined(pieces)


def relaxation_path(
    n: int,
    variance: Callable[[np.ndarray], jax.Array],
    epochs: np.ndarray,
    noise: NoiseModel,
    rate: float | jax.Array,
    clock: str,
    substeps: int,
) -> tuple[jax.Array, jax.Array]:
    """What each mode keeps of its start and takes up of its target, from the first epoch to each.

    Between two epochs σ² is constant in each of `substeps` equal steps, with its value at the
    step's middle.

    Returns:
        Two arrays (E, n+1), for the orders 0..n.
    """
    lengths = np.repeat(np.diff(epochs) / substeps, substeps)
    middles = np.repeat(epochs[:-1], substeps) + lengths * (
        np.tile(np.arange(substeps), epochs.size - 1) + 0.5
    )
    sigma2 = variance(middles)
    spans = jnp.asarray(rate * lengths, sigma2.dtype)
    return _compose(sigma2, spans, noise, n, clock, substeps)


@functools.partial(jax.jit, static_argnames=("n", "clock", "substeps"))
def _compose(
    sigma2: jax.Array, spans: jax.Array, noise: NoiseModel, n: int, clock: str, substeps: int
) -> tuple[jax.Array, jax.Array]:
    # By the clock of the noise, σ² = 0 takes for ever, and arrives.
    times = spans / (2 * sigma2) if clock == "noise" else spans

    def extend(
        so_far: tuple[jax.Array, jax.Array], step: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
        kept, learned = step[0] * so_far[0], step[0] * so_far[1] + step[1]
        return (kept, learned), (kept, learned)

    first = (jnp.ones(n + 1, sigma2.dtype), jnp.zeros(n + 1, sigma2.dtype))
    _, path = jax.lax.scan(extend, first, relaxation_gains(n, sigma2, times, noise))
    kept, learned = (
        jnp.concatenate([start[None], gain[substeps - 1 :: substeps]])
        for start, gain in zip(first, path, strict=True)
    )
    return kept, learned


_equilibrium_gains = jax.jit(mode_gains, static_argnames="n")


@functools.partial(jax.jit, static_argnames="keep")
def _follow(
    starts: jax.Array | None,
    targets: jax.Array,
    noise: NoiseModel,
    salience: float,
    gains: tuple[jax.Array | None, jax.Array, jax.Array],
    *,
    keep: bool,
) -> Snapshot:
    n = targets.shape[-1].bit_length() - 1
    dtype = targets.dtype
    vectors, dual, _ = noise.eigenbasis(dtype)
    goal = apply_power(dual, targets)
    start = None if starts is None else apply_power(dual, starts)
    order = orders(n)

    def spread(values: jax.Array) -> jax.Array:
        return values.astype(dtype)[order][None, None, :]

    theta = spread(learning_thresholds(n, noise))

    def at(gains: tuple[jax.Array | None, jax.Array, jax.Array]) -> Snapshot:
        kept, learned, sigma2 = gains
        modes = spread(learned) * goal
        if start is not None and kept is not None:
            modes = modes + spread(kept) * start
        # In eigenmodes the loss of `theory.noisy_loss` is Σ θ (u − u*)² + σ² u².
        loss = jnp.sum(theta * (modes - goal) ** 2 + sigma2 * modes**2, axis=-1)
        return snapshot(apply_power(vectors, modes), loss, salience, keep)

    return jax.lax.map(at, gains)
