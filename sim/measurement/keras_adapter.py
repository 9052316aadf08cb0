"""Keras 3 models as scores, on whichever backend they run."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array
from sim.measurement.partial_score import (
    BYPASSED,
    PartialScore,
    check_once,
    chosen_layer,
    passes_by,
)


@overload
def keras_score(model: Any, *, at: None = None) -> Callable[[np.ndarray], np.ndarray]: ...
@overload
def keras_score(model: Any, *, at: str) -> PartialScore: ...


def keras_score(
    model: Any, *, at: str | None = None
) -> Callable[[np.ndarray], np.ndarray] | PartialScore:
    """A Keras model as a function from a batch of inputs to logits, both numpy.

    It runs as in inference. With `at`, players are regions of a layer's output, as by
    `torch_score(at=)`: the score's own `inputs` makes these outputs, the score puts masked ones in
    their place, and what leads around the layer stays that of the sample itself. The model is not
    edited: its layer is listened to while it runs, and no longer.

    Args:
        model: a `keras.Model` from (m, *shape) to logits (m, classes): without a softmax at its
            end.
        at: name of one of the model's layers, `inner/name` of one in a model inside it. Of a layer
            that returns several tensors the first is meant.

    Returns:
        The score, which reads the model's weights as they are when it is called.

    Raises:
        TypeError: `model` is not a Keras model.
        ValueError: there is no layer `at`; when called, it does not run exactly once.
        ImportError: Keras is not installed.

    Example:
        >>> import keras
        >>> dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="dense")
        >>> model = keras.Sequential([keras.Input((2,)), dense, keras.layers.ReLU()])
        >>> keras_score(model)(np.ones((1, 2)))
        array([[2.]], dtype=float32)
        >>> score = keras_score(model, at="dense")
        >>> maps = score.inputs(np.ones((1, 2)))
        >>> maps, score(-maps)
        (array([[2.]], dtype=float32), array([[0.]], dtype=float32))
    """
    keras = _imported_keras()
    if not isinstance(model, keras.Model):
        raise TypeError(f"Argument `model` must be a keras.Model, but is a {type(model).__name__}.")

    def called(given: Any) -> np.ndarray:
        returned: np.ndarray = keras.ops.convert_to_numpy(model(given, training=False))
        return returned

    if at is None:
        return called
    layer = chosen_layer(_layers(model), at)

    def first(output: Any) -> Any:
        return output[0] if isinstance(output, list | tuple) and output else output

    def output_of(seen: list[Any]) -> Any:
        """The tensor that the layer returned; Keras would bury an error of the layer itself."""
        check_once(len(seen), at)
        if not keras.ops.is_tensor(tensor := first(seen[0])):
            must, got = "name a layer that returns a tensor", f"a {type(seen[0]).__name__}"
            raise ArgumentError("at", must, f"'{at}' returns {got}")
        return tensor

    def split(given: ArrayLike) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        shown, seen = as_array(given, "given"), list[Any]()

        def look(output: Any) -> Any:
            seen.append(output)
            return output

        if not model.built:
            called(shown)  # which runs layers once more, to learn their shapes
        with _listened(layer, look):
            called(shown)
        maps = np.array(keras.ops.convert_to_numpy(output_of(seen)))
        if passes_by(lambda x: run(maps[:2], {"shown": x}), shown[:2]):
            warnings.warn(BYPASSED.format(at=at), stacklevel=3)
        return maps, {"shown": shown}

    def run(maps: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
        seen = list[Any]()

        def replace(output: Any) -> Any:
            seen.append(output)
            own = first(output)
            if tuple(getattr(own, "shape", ())) != maps.shape:
                return output  # and an error below
            placed = keras.ops.convert_to_tensor(maps, own.dtype)
            return placed if own is output else type(output)((placed, *output[1:]))

        with _listened(layer, replace):
            logits = called(kept["shown"])
        shape = tuple(output_of(seen).shape)
        if shape != maps.shape:
            must = f"hold outputs of the layer '{at}', of shape {shape} with the samples"
            raise ArgumentError("batch", must, f"has shape {maps.shape}")
        return logits

    return PartialScore(split, run)


def _layers(model: Any, before: str = "") -> dict[str, Any]:
    """All layers by name, those in models inside it with the models' names before their own."""
    found = {}
    for layer in model.layers:
        found[before + layer.name] = layer
        if hasattr(layer, "layers"):
            found |= _layers(layer, f"{before}{layer.name}/")
    return found


@contextlib.contextmanager
def _listened(layer: Any, hear: Callable[[Any], Any]) -> Iterator[None]:
    """While this block runs the model, the layer returns what is made of its own output."""
    call, before = layer.call, dict(vars(layer))
    vars(layer)["call"] = lambda *given, **named: hear(call(*given, **named))
    try:
        yield
    finally:
        del vars(layer)["call"]
        if "call" in before:  # somebody else listens too
            vars(layer)["call"] = before["call"]


def _imported_keras() -> Any:
    try:
        import keras
    except ModuleNotFoundError as error:
        if error.name != "keras":
            raise
        raise ImportError(
            "This needs the package 'keras'; pip install 'interaction-dynamics[integrations]'."
        ) from None
    return keras
