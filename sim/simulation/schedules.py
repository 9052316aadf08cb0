"""How the noise variance falls while the network trains: σ² as a pure function of the epoch."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from sim.checks import ArgumentError, check_finite, check_positive

Leaves = Mapping[str, jax.Array]
Settings = Mapping[str, tuple[float, ...]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Schedule:
    """The noise variance σ² as a function of the epoch.

    Made by `constant`, `exponential`, `power_law`, `logistic`, `piecewise` or `table`, or from text
    by `parse_schedule`. It is a pytree: its leaves are the parameters that a fit may change,
    positive ones as logarithms, so that every real value is legal and steps are relative; what
    defines the epochs (a run's length, boundaries, knots) is static.

    Attributes:
        kind: the name of the family.
        parameters: the leaves.
        settings: the static numbers.

    Example:
        >>> schedule = Schedule.exponential(start=10.0, end=0.1, epochs=100)
        >>> print(schedule([0, 50, 100]).round(3))
        [10.   1.   0.1]
        >>> print(jax.grad(lambda s: s(100.0))(schedule).parameters["log_end"].round(3))
        0.1
    """

    kind: str = dataclasses.field(metadata={"static": True})
    parameters: dict[str, jax.Array]
    settings: tuple[tuple[str, tuple[float, ...]], ...] = dataclasses.field(
        default=(), metadata={"static": True}
    )

    def __call__(self, epochs: ArrayLike) -> jax.Array:
        """σ² at the given epochs, of their shape; epochs need not be whole numbers."""
        return _evaluate(self, jnp.asarray(epochs, float))

    @classmethod
    def constant(cls, sigma2: ArrayLike) -> Schedule:
        """The same σ² ≥ 0 at every epoch."""
        return cls("constant", {"log_sigma2": _log(sigma2, "sigma2", zero=True)})

    @classmethod
    def exponential(cls, start: ArrayLike, end: ArrayLike, epochs: float) -> Schedule:
        """ln σ² on a straight line: `start` at epoch 0, `end` at epoch `epochs`, and on beyond."""
        leaves = {"log_start": _log(start, "start"), "log_end": _log(end, "end")}
        return cls("exponential", leaves, (("epochs", (_length(epochs),)),))

    @classmethod
    def power_law(cls, start: ArrayLike, exponent: ArrayLike, scale: ArrayLike = 1.0) -> Schedule:
        """σ² = start·(1 + epoch/scale)^{−exponent}; `scale` in epochs."""
        leaves = {
            "log_start": _log(start, "start"),
            "exponent": _number(exponent, "exponent"),
            "log_scale": _log(scale, "scale"),
        }
        return cls("power_law", leaves)

    @classmethod
    def logistic(
        cls, start: ArrayLike, end: ArrayLike, middle: ArrayLike, width: ArrayLike
    ) -> Schedule:
        """ln σ² falls from ln start to ln end along a logistic curve of the epoch.

        Half-way at epoch `middle`; `width` > 0 is the curve's scale in epochs.
        """
        leaves = {
            "log_start": _log(start, "start"),
            "log_end": _log(end, "end"),
            "middle": _number(middle, "middle"),
            "log_width": _log(width, "width"),
        }
        return cls("logistic", leaves)

    @classmethod
    def piecewise(
        cls, boundaries: Sequence[float], values: ArrayLike | Sequence[float]
    ) -> Schedule:
        """Piecewise constant: value i until boundary i, the last value ever after.

        Args:
            boundaries: m − 1 rising epochs; a boundary's epoch already has the next value.
            values: (m,), σ² ≥ 0.
        """
        edges = _rising(boundaries, "boundaries")
        levels = _log(values, "values", zero=True, shape=(len(edges) + 1,))
        return cls("piecewise", {"log_values": levels}, (("boundaries", edges),))

    @classmethod
    def table(cls, epochs: Sequence[float], values: ArrayLike | Sequence[float]) -> Schedule:
        """Straight lines of ln σ² between the given epochs, constant before and after them.

        Args:
            epochs: m rising epochs.
            values: (m,), σ² > 0.
        """
        knots = _rising(epochs, "epochs")
        if not knots:
            raise ArgumentError("epochs", "hold at least one epoch", "is empty")
        levels = _log(values, "values", shape=(len(knots),))
        return cls("table", {"log_values": levels}, (("epochs", knots),))

    def __str__(self) -> str:
        """The text that `parse_schedule` turns back into this schedule."""
        fields = {}
        for name, leaf in self.parameters.items():
            value = np.exp(leaf) if name.startswith("log_") else np.asarray(leaf)
            fields[name.removeprefix("log_")] = value
        fields |= {name: np.asarray(value) for name, value in self.settings if value}
        order = SIGNATURES[self.kind]
        inside = (
            f"{name}=" + "/".join(f"{v:.12g}" for v in np.atleast_1d(fields[name]).ravel())
            for name in order
            if name in fields
        )
        return f"{self.kind}:" + ",".join(inside)


@jax.jit
def _evaluate(schedule: Schedule, epochs: jax.Array) -> jax.Array:
    return _FAMILIES[schedule.kind](schedule.parameters, dict(schedule.settings), epochs)


def _constant(leaves: Leaves, settings: Settings, epochs: jax.Array) -> jax.Array:
    return jnp.broadcast_to(jnp.exp(leaves["log_sigma2"]), epochs.shape)


def _exponential(leaves: Leaves, settings: Settings, epochs: jax.Array) -> jax.Array:
    return _between(leaves, epochs / settings["epochs"][0])


def _power_law(leaves: Leaves, settings: Settings, epochs: jax.Array) -> jax.Array:
    decades = jnp.log1p(epochs * jnp.exp(-leaves["log_scale"]))
    return jnp.exp(leaves["log_start"] - leaves["exponent"] * decades)


def _logistic(leaves: Leaves, settings: Settings, epochs: jax.Array) -> jax.Array:
    late = (epochs - leaves["middle"]) * jnp.exp(-leaves["log_width"])
    return _between(leaves, jax.nn.sigmoid(late))


def _piecewise(leaves: Leaves, settings: Settings, epochs: jax.Array) -> jax.Array:
    edges = jnp.asarray(settings["boundaries"], epochs.dtype)
    return jnp.exp(leaves["log_values"])[jnp.searchsorted(edges, epochs, side="right")]


def _table(leaves: Leaves, settings: Settings, epochs: jax.Array) -> jax.Array:
    knots = jnp.asarray(settings["epochs"], epochs.dtype)
    return jnp.exp(jnp.interp(epochs, knots, leaves["log_values"].astype(epochs.dtype)))


def _between(leaves: Leaves, share: jax.Array) -> jax.Array:
    return jnp.exp((1 - share) * leaves["log_start"] + share * leaves["log_end"])


_FAMILIES: dict[str, Callable[[Leaves, Settings, jax.Array], jax.Array]] = {
    "constant": _constant,
    "exponential": _exponential,
    "power_law": _power_law,
    "logistic": _logistic,
    "piecewise": _piecewise,
    "table": _table,
}

# The parameters of each family, in the order in which text gives them.
SIGNATURES = {
    "constant": ("sigma2",),
    "exponential": ("start", "end", "epochs"),
    "power_law": ("start", "exponent", "scale"),
    "logistic": ("start", "end", "middle", "width"),
    "piecewise": ("boundaries", "values"),
    "table": ("epochs", "values"),
}


def _number(
    value: ArrayLike | Sequence[float], name: str, shape: tuple[int, ...] = ()
) -> jax.Array:
    array = jnp.asarray(value, float)
    if array.shape != shape:
        what = "a number" if not shape else f"of shape {shape}"
        raise ArgumentError(name, f"be {what}", f"has shape {array.shape}")
    if not isinstance(array, jax.core.Tracer):
        check_finite(array, name)
    return array


def _log(
    value: ArrayLike | Sequence[float], name: str, zero: bool = False, shape: tuple[int, ...] = ()
) -> jax.Array:
    array = _number(value, name, shape)
    if not isinstance(array, jax.core.Tracer):
        smallest = float(np.min(array))
        if smallest < 0 or (smallest == 0 and not zero):
            sign = "nonnegative" if zero else "positive"
            raise ArgumentError(name, f"be {sign}", f"is {value}")
    return jnp.log(array)


def _length(epochs: float) -> float:
    check_positive(epochs, "epochs")
    return float(epochs)


def _rising(values: Sequence[float], name: str) -> tuple[float, ...]:
    edges = tuple(float(value) for value in np.ravel(values))
    rises = all(a < b for a, b in itertools.pairwise(edges))
    if not (all(map(math.isfinite, edges)) and rises):
        raise ArgumentError(name, "be rising finite epochs", f"is {values}")
    return edges
