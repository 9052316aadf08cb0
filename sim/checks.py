"""What arguments must be: one check and one wording for each."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from theory.checks import RAGGED, ArgumentError as ArgumentError, is_ragged


def as_array(values: ArrayLike, name: str) -> np.ndarray:
    """Returns values as a numpy array; says what to do where a library refuses."""
    try:
        return np.asarray(values)
    except (RuntimeError, TypeError, ValueError) as error:  # a torch tensor with a gradient, say
        if is_ragged(error):
            raise ArgumentError(name, *RAGGED, opening="") from None
        raise ValueError(
            f"`{name}` must be an array that numpy can read (for a torch tensor: "
            f"tensor.detach().cpu().numpy()), but {type(values).__name__} refused: {error}"
        ) from error


def check_outputs(outputs: ArrayLike, name: str = "outputs", sets: int | None = None) -> np.ndarray:
    """Returns outputs as float64 (checkpoints, samples, 2^n); refuses any other shape or a NaN.

    Args:
        outputs: what is to be checked.
        name: for errors.
        sets: how many sets were measured, where they are not all 2^n.
    """
    array = as_array(outputs, name)
    if array.dtype == np.float16:
        raise ArgumentError(
            name,
            "be float32 or float64",
            "is float16: interactions are differences of many outputs, and three digits do not "
            "survive that",
            opening="",
        )
    if not _is_real(array):
        raise ArgumentError(
            name,
            "be an array of real numbers",
            f"is of type {type(outputs).__name__} and dtype {array.dtype}",
            opening="",
        )
    size = array.shape[-1] if array.ndim else 0
    if array.ndim != 3 or 0 in array.shape:
        hint = ""
        if array.ndim == 2:
            hint = (
                f"; checkpoints of a single sample are {name}[:, None], samples of a single "
                f"checkpoint {name}[None]"
            )
        raise ArgumentError(
            name,
            f"have shape (checkpoints, samples, {'2^n' if sets is None else 'sets'})",
            f"has shape {array.shape}{hint}",
            opening="",
        )
    if sets is not None and size != sets:
        raise ArgumentError(
            name,
            f"have a last axis of size {sets}, one entry for each of `sets`",
            f"has shape {array.shape}",
            opening="",
        )
    if sets is None and (size < 2 or size & (size - 1)):
        raise ArgumentError(
            name,
            "have a last axis of size 2^n, one entry for each set of players",
            f"has shape {array.shape}",
            opening="",
        )
    bad = ~np.isfinite(array)
    if bad.any():
        checkpoint, sample, index = np.argwhere(bad)[0].tolist()
        raise ArgumentError(
            name,
            "be finite",
            f"holds {int(bad.sum())} NaN or infinite value(s), the first at checkpoint "
            f"{checkpoint}, sample {sample}, set {index}",
            opening="",
        )
    return array.astype(np.float64)


def as_numbers(values: ArrayLike, name: str) -> np.ndarray:
    """Returns values as a numpy array; refuses one of anything else than real numbers."""
    array = as_array(values, name)
    if not _is_real(array):
        raise ArgumentError(name, "be numbers", f"has dtype {array.dtype}", opening="")
    return array


def _is_real(array: np.ndarray) -> bool:
    return np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)


def check_epochs(epochs: ArrayLike, checkpoints: int) -> np.ndarray:
    """Returns epochs as float64 (checkpoints,), strictly increasing and nonnegative."""
    array = as_numbers(epochs, "epochs")
    if array.shape != (checkpoints,):
        raise ArgumentError(
            "epochs",
            f"have one entry for each of the {checkpoints} checkpoints (the first axis of the "
            "outputs)",
            f"has shape {array.shape}",
            opening="",
        )
    array = array.astype(np.float64)
    check_finite(array, "epochs", nonnegative=True, opening="")
    steps = np.diff(array)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise ArgumentError(
            "epochs",
            "increase strictly",
            f"goes from {array[at]:g} to {array[at + 1]:g} at checkpoint {at + 1}",
            opening="",
        )
    return array


def check_labels(labels: ArrayLike, samples: int, name: str = "labels") -> np.ndarray:
    """Returns labels as integers (samples,)."""
    array = as_array(labels, name)
    if array.shape != (samples,) or not np.issubdtype(array.dtype, np.integer):
        raise ArgumentError(
            name,
            f"be one integer for each of the {samples} samples",
            f"has shape {array.shape} and dtype {array.dtype}",
            opening="",
        )
    return array


def as_number(value: float, name: str) -> float:
    """Returns the value as a float; refuses what is not a number, and one that no float holds."""
    try:
        if isinstance(value, str | bool | np.bool_) or np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"Argument `{name}` must be a number, but is {value!r}.") from None
    except OverflowError:
        raise ArgumentError(name, "be a number below 1e308", "is larger") from None


def check_finite(
    values: ArrayLike, name: str, *, nonnegative: bool = False, opening: str = "Argument "
) -> None:
    """Raises unless every entry is finite, and at least 0 if wanted; names the first that is not.

    Args:
        values: a number, or an array of them.
        name: the argument's name, for the error.
        nonnegative: refuse negative entries too.
        opening: see `ArgumentError`.
    """
    array = np.asarray(values)
    good = np.isfinite(array) & (array >= 0) if nonnegative else np.isfinite(array)
    if good.all():
        return
    index = tuple(np.argwhere(~np.atleast_1d(good))[0].tolist())[: array.ndim]
    entry = f"{name}[{', '.join(map(str, index))}] " if index else ""
    must = "be finite and nonnegative" if nonnegative else "be finite"
    raise ArgumentError(name, must, f"{entry}is {float(array[index])}", opening=opening)


def check_choice(value: str, name: str, choices: Iterable[str]) -> None:
    """Raises unless the value is one of the given names."""
    choices = tuple(choices)
    if value not in choices:
        raise ArgumentError(name, f"be one of {', '.join(choices)}", f"is {value!r}")


def check_positive(value: float, name: str) -> None:
    """Raises unless the number is above 0 and finite."""
    if not 0 < as_number(value, name) < math.inf:
        raise ArgumentError(name, "be positive and finite", f"is {value}")


def check_nonnegative(value: float, name: str) -> None:
    """Raises unless the number is at least 0 and finite."""
    if not 0 <= as_number(value, name) < math.inf:
        must = "be finite" if value == math.inf else "be nonnegative"
        raise ArgumentError(name, must, f"is {value}")


def check_fraction(value: float, name: str) -> None:
    """Raises unless the number lies strictly between 0 and 1."""
    if not 0 < as_number(value, name) < 1:
        raise ArgumentError(name, "lie between 0 and 1", f"is {value}")


def check_seed(seed: int, name: str = "seed") -> int:
    """Returns the seed if it is a whole number from 0 to 2^63 − 1, which every generator takes."""
    must = "be a whole number from 0 to 2^63 − 1"
    try:
        whole = operator.index(seed)
    except TypeError:
        raise ArgumentError(name, must, f"is {seed!r}") from None
    if isinstance(seed, bool) or not 0 <= whole < 2**63:
        raise ArgumentError(name, must, f"is {seed}")
    return whole


def check_whole(value: float, name: str, least: int) -> None:
    """Raises unless the number is whole and at least `least`; 1e3 is whole too."""
    exact = isinstance(value, numbers.Real) and not isinstance(value, bool)
    number = value if exact else as_number(value, name)  # 10^400 is whole, and no float
    if number < least:
        raise ArgumentError(name, f"be at least {least}", f"is {value}")
    if number % 1 != 0:
        raise ArgumentError(name, f"be a whole number of at least {least}", f"is {value}")


def check_resamples(resamples: float) -> None:
    """Raises unless it is a number of bootstrap resamples: 0, or at least 2, for their spread."""
    check_whole(resamples, "resamples", 0)
    if resamples == 1:
        raise ArgumentError("resamples", "be 0, or at least 2 for a spread", "is 1")


def check_runs(runs: float, samples: int) -> int:
    """Returns the number of training runs that the samples hold, the same inputs in each."""
    check_whole(as_number(runs, "runs"), "runs", 1)
    if samples % runs:
        raise ArgumentError("runs", f"divide the {samples} samples", f"is {runs}")
    return int(runs)
