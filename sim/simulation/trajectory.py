"""What a simulation leaves behind: strengths by order, epoch by epoch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sim.checks import as_numbers
from sim.files import read_npz, refuse_existing, write_npz
from theory import NoiseModel, mean_order, order_distribution, strength_by_order

STRENGTHS = (
    "strength",
    "strength_and",
    "strength_or",
    "strength_positive",
    "strength_negative",
)
REQUIRED = ("epochs", "sigma2", *STRENGTHS, "members", "loss")
ARRAYS = (*REQUIRED, "i_and", "i_or")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Trajectory:
    """Strengths of interactions by order at every recorded epoch of a simulation.

    Returned by `simulate`, whose example shows it in use.

    Strengths are means over the members (samples, or the draws of an ensemble), in log-odds.

    Attributes:
        epochs: (E,).
        sigma2: (E,), the noise variance at each epoch.
        strength: (E, n), for the orders 1..n, AND and OR added.
        strength_and: (E, n), of the AND interactions alone.
        strength_or: (E, n), of the OR interactions alone.
        strength_positive: (E, n), of the positive interactions alone.
        strength_negative: (E, n), of the negative interactions alone, as a positive number.
        members: (E, members, n), the strength of each member.
        loss: (E,), expected noisy loss, AND and OR added, mean over members, in squared log-odds.
        i_and: (E, ..., 2^n), the AND interactions, where they were asked for.
        i_or: (E, ..., 2^n), the OR interactions, where they were asked for and there are any.
        noise: the noise's covariance.
        metadata: names and values of the settings that made it; `dict(trajectory.metadata)`.
    """

    epochs: jax.Array
    sigma2: jax.Array
    strength: jax.Array
    strength_and: jax.Array
    strength_or: jax.Array
    strength_positive: jax.Array
    strength_negative: jax.Array
    members: jax.Array
    loss: jax.Array
    i_and: jax.Array | None = None
    i_or: jax.Array | None = None
    noise: NoiseModel = NoiseModel()
    metadata: tuple[tuple[str, str | int | float | bool | None], ...] = dataclasses.field(
        default=(), metadata={"static": True}
    )

    @property
    def n(self) -> int:
        """Number of players."""
        return self.strength.shape[-1]

    @property
    def distribution(self) -> jax.Array:
        """Share of each order in the mean strength, (E, n)."""
        return order_distribution(self.strength)

    @property
    def mean_order(self) -> jax.Array:
        """Mean order of `distribution`, (E,); 0 where there is no strength at all."""
        return mean_order(self.distribution)

    @property
    def lowest(self) -> int:
        """Position of the epoch of the smallest mean order, among those with any strength."""
        some = jnp.sum(self.strength, axis=-1) > 0
        return int(jnp.argmin(jnp.where(some, self.mean_order, jnp.inf)))

    @property
    def distribution_spread(self) -> jax.Array:
        """Standard deviation over members of each order's share, (E, n)."""
        return jnp.std(order_distribution(self.members), axis=1)

    @property
    def mean_order_spread(self) -> jax.Array:
        """Standard deviation over members of the mean order, (E,)."""
        return jnp.std(mean_order(order_distribution(self.members)), axis=1)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Writes one `.npz`: each array by its name, `mean_order`, `metadata` as JSON text.

        The noise is part of the metadata, as `noise_growth` and `noise_correlation`.

        Args:
            path: of the file; it is there whole or not at all.
            overwrite: replace a file that is there.

        Raises:
            FileExistsError: the file is there, and is to be kept.
        """
        refuse_existing(path, overwrite)
        arrays = {
            name: np.asarray(getattr(self, name))
            for name in ARRAYS
            if getattr(self, name) is not None
        }
        arrays["mean_order"] = np.asarray(self.mean_order)
        metadata = dict(self.metadata)
        for name in ("growth", "correlation"):
            if not isinstance(metadata.get(f"noise_{name}"), int | float):  # "..." of a traced one
                metadata[f"noise_{name}"] = float(getattr(self.noise, name))
        arrays["metadata"] = np.array(json.dumps(metadata, ensure_ascii=False))
        write_npz(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, lacks an array, or holds arrays that do not fit together.
        """
        arrays = read_npz(path, (*REQUIRED, "metadata"), optional=ARRAYS)
        epochs, strength = arrays["epochs"], arrays["strength"]
        if epochs.ndim != 1 or strength.ndim != 2:
            raise ValueError(
                f"{path}: `epochs` must have shape (E,) and `strength` (E, n), but they have shapes"
                f" {epochs.shape} and {strength.shape}."
            )
        expected = dict.fromkeys(("sigma2", "loss"), epochs.shape)
        expected |= dict.fromkeys(STRENGTHS, (*epochs.shape, strength.shape[1]))
        for name, shape in expected.items():
            if arrays[name].shape != shape:
                raise ValueError(
                    f"{path}: `{name}` must have shape {shape}, but has shape {arrays[name].shape}."
                )
        members = arrays["members"]
        if members.ndim != 3 or members.shape[::2] != strength.shape:
            raise ValueError(
                f"{path}: `members` must have shape (E, members, n), but has shape {members.shape}."
            )
        try:
            metadata = tuple(json.loads(str(arrays["metadata"])).items())
        except (json.JSONDecodeError, AttributeError):
            raise ValueError(f"{path}: `metadata` must be a JSON object as text.") from None
        try:
            held = {name: as_numbers(arrays[name], name) for name in ARRAYS if name in arrays}
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        loaded = {name: jnp.asarray(array) for name, array in held.items()}
        return cls(**loaded, noise=_noise(path, dict(metadata)), metadata=metadata)


def _noise(path: str | Path, metadata: Mapping[str, Any]) -> NoiseModel:
    """The noise that a file's metadata give, or else the paper's."""
    paper = NoiseModel()
    growth = metadata.get("noise_growth", paper.growth)
    correlation = metadata.get("noise_correlation", paper.correlation)
    try:
        return NoiseModel(float(growth), float(correlation))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: `metadata` must give the noise in numbers: {error}") from None


class Snapshot(NamedTuple):
    """Strengths and loss at one epoch; with a leading axis of epochs, a whole run's."""

    positive: jax.Array  # (kinds, members, n)
    negative: jax.Array  # (kinds, members, n)
    loss: jax.Array  # (kinds, members)
    interactions: jax.Array | None  # (kinds, members, 2^n)


def snapshot(interactions: jax.Array, loss: jax.Array, salience: float, keep: bool) -> Snapshot:
    """Strengths by order of the salient interactions, positive and negative apart.

    Args:
        interactions: (kinds, members, 2^n), the kinds being AND and, where there are any, OR.
        loss: (kinds, members).
        salience: the share of the mean |v(N) − v(∅)| over members that makes an interaction count.
        keep: keep the interactions themselves.
    """
    effect = jnp.sum(interactions[..., 1:], axis=(0, -1))  # v(N) − v(∅), (members,)
    threshold = salience * jnp.mean(jnp.abs(effect))
    return Snapshot(
        strength_by_order(jnp.maximum(interactions, 0.0), threshold),
        strength_by_order(jnp.maximum(-interactions, 0.0), threshold),
        loss,
        interactions if keep else None,
    )


@jax.jit
def joined(pieces: list[Snapshot]) -> Snapshot:
    """One snapshot of all epochs from those of stretches of them."""
    return jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *pieces)
