"""What goes with the outputs to whoever looks at them: names, regions, the inputs themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array

TRAVELLING = ("player_names", "sample_names", "regions", "inputs")
"""Attributes of a measurement that no computation needs, and that stay with it in every file."""


def check_player_names(
    names: ArrayLike, inputs: int, n: int, argument: str = "player_names"
) -> np.ndarray:
    """Returns names of players as text (n,), or (inputs, n) where every input has its own."""
    array = _as_text(names, argument)
    if array.shape not in ((n,), (inputs, n)):
        raise ArgumentError(
            argument,
            f"have shape (n,) = ({n},), or ({inputs}, {n}) where every input has its own",
            f"has shape {array.shape}",
            opening="",
        )
    return array


def check_sample_names(names: ArrayLike, inputs: int) -> np.ndarray:
    """Returns names of inputs as text (inputs,)."""
    array = _as_text(names, "sample_names")
    if array.shape != (inputs,):
        raise ArgumentError(
            "sample_names",
            f"be one text for each of the {inputs} inputs",
            f"has shape {array.shape}",
            opening="",
        )
    return array


def check_regions(
    regions: ArrayLike, inputs: int, n: int, shown: np.ndarray | None = None
) -> np.ndarray:
    """Returns regions as bool (1, n, *shape), or (inputs, n, *shape) where every input has its own.

    Args:
        regions: bool, or 0 and 1; a first axis of length 1 may be left out.
        inputs: their number.
        n: number of players.
        shown: the inputs themselves, whose shape tells (n, *shape) from (inputs, n, …) where n is
            the number of inputs too.
    """
    array = as_array(regions, "regions")
    must = f"have shape (n, *shape) = ({n}, …), or ({inputs}, {n}, …) where every input has its own"
    whole = shown is not None and array.shape[1:] == shown.shape[1:]
    if array.ndim >= 3 and array.shape[1] == n and array.shape[0] in (1, inputs) and not whole:
        owned = array
    elif array.ndim >= 2 and len(array) == n:
        owned = array[None]
    else:
        raise ArgumentError("regions", must, f"has shape {array.shape}", opening="")
    if owned.dtype != bool:
        if not np.isin(owned, (0, 1)).all():
            raise ArgumentError(
                "regions", "be true or false, or 0 and 1", f"has dtype {array.dtype}", opening=""
            )
        owned = owned.astype(bool)
    empty = ~owned.reshape(*owned.shape[:2], -1).any(axis=-1)
    if empty.any():
        own, player = np.argwhere(empty)[0].tolist()
        whose = f" of input {own}" if len(owned) > 1 else ""
        raise ArgumentError(
            "regions",
            "give every player a place",
            f"has none for player {player}{whose}",
            opening="",
        )
    return owned


def check_inputs(shown: ArrayLike, inputs: int) -> np.ndarray:
    """Returns the measured inputs as numbers or text (inputs, *shape)."""
    array = as_array(shown, "inputs")
    if array.ndim == 0 or len(array) != inputs or array.dtype.kind not in "fiubU":
        raise ArgumentError(
            "inputs",
            f"be an array of {inputs} inputs, numbers or text",
            f"has shape {array.shape} and dtype {array.dtype}",
            opening="",
        )
    return array


def _as_text(values: ArrayLike, name: str) -> np.ndarray:
    array = as_array(values, name)
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise ArgumentError(name, "be text in UTF-8", f"{error}", opening="") from None
    if array.dtype.kind == "O" and all(isinstance(each, str) for each in array.ravel()):
        array = array.astype(str)
    if array.dtype.kind != "U":
        raise ArgumentError(
            name,
            "be text",
            f"is of type {type(values).__name__} and dtype {array.dtype}",
            opening="",
        )
    return array
