"""Keras 3 models as scores, on whichever backend they run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, as_array
from sim.measurement.partial_score import PartialScore
from sim.measurement.torch_adapter import BYPASSED, passes_by


@overload
def keras_score(model: Any, *, at: None = None) -> Callable[[np.ndarray], np.ndarray]: ...
@overload
def keras_score(model: Any, *, at: str) -> PartialScore: ...


def keras_score(
    model: Any, *, at: str | None = None
) -> Callable[[np.ndarray], np.ndarray] | PartialScore:
    """A Keras model as a function from a batch of inputs to logits, both numpy.

    It runs as in inference. With `at`, players are regions of a layer's output, as by
    `torch_score(at=)`: the score's own `inputs` makes these outputs, the score goes on from masked
    ones, and what leads around the layer stays that of the sample itself.

    Args:
        model: a `keras.Model` from (m, *shape) to logits (m, classes): without a softmax at its
            end.
        at: name of one of the model's layers; the model must be Sequential or functional, and the
            layer be called once.

    Returns:
        The score, which reads the model's weights as they are when it is called.

    Raises:
        TypeError: `model` is not a Keras model.
        ValueError: there is no layer `at`, or no graph to cut there.
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

    def called(part: Any, given: Any) -> np.ndarray:
        returned: np.ndarray = keras.ops.convert_to_numpy(part(given, training=False))
        return returned

    if at is None:
        return lambda batch: called(model, batch)
    outputs = _layer_outputs(model, at)
    front = keras.Model(model.inputs[0], outputs)
    back = keras.Model([*model.inputs, outputs], model.outputs[0])

    def split(given: ArrayLike) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        shown = as_array(given, "given")
        maps = called(front, shown)
        few = maps[:2]
        if passes_by(lambda x: run(few, {"shown": x}), shown[:2]):
            warnings.warn(BYPASSED.format(at=at), stacklevel=3)
        return maps, {"shown": shown}

    def run(maps: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
        return called(back, [kept["shown"], maps])

    return PartialScore(split, run)


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


def _layer_outputs(model: Any, at: str) -> Any:
    """The symbolic output of a layer."""
    names = [layer.name for layer in model.layers]
    if at not in names:
        raise ArgumentError(
            "at", f"name a layer of the model, such as {', '.join(names[:6])}", f"is {at!r}"
        )
    inputs = getattr(model, "inputs", None) or []
    try:
        outputs = model.get_layer(at).output
    except (AttributeError, ValueError):  # never called on symbols, or several times
        outputs = None
    if len(inputs) != 1 or len(model.outputs) != 1 or not hasattr(outputs, "shape"):
        raise ArgumentError(
            "at",
            "name a layer with one output, called once, in a Sequential or functional model of one "
            "input and one output",
            f"is {at!r}",
        )
    return outputs
