"""PyTorch networks as scores: from a module to what `measure_outputs` calls."""

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
def torch_score(
    module: Any, device: Any = None, *, at: None = None
) -> Callable[[np.ndarray], np.ndarray]: ...
@overload
def torch_score(module: Any, device: Any = None, *, at: str) -> PartialScore: ...


def torch_score(
    module: Any, device: Any = None, *, at: str | None = None
) -> Callable[[np.ndarray], np.ndarray] | PartialScore:
    """A PyTorch module as a function from a batch of inputs to logits, both numpy.

    Every call runs the module in evaluation mode without gradients, and leaves each of its layers
    in the mode that it was in, so that training can go on between two checkpoints. Floating inputs
    are cast to the type of the module's parameters; integers (token ids) stay as they are.

    With `at`, players are regions of a layer's output, as in [Ren24] for images. The score's own
    `inputs` makes these feature maps of the module's inputs; the score puts masked ones in their
    place, and the layers after it go on from there. The model is not edited: both are done by
    hooks that are gone when the call ends. The layers before run as well, on the sample itself,
    and what they lead around the layer is seen by those after it; a warning says so.

    Args:
        module: a `torch.nn.Module` from a batch (m, *shape) to logits (m, classes) or (m,).
        device: where the batches go; by default to the module's own first parameter. The module
            itself is never moved.
        at: name of a layer, as `module.named_modules()` has it, such as `features.2`. Of a layer
            that returns several tensors the first is meant.

    Returns:
        The score, which reads the module's parameters as they are when it is called.

    Raises:
        TypeError: `module` is not a module, or returns something else than a tensor.
        ValueError: there is no layer `at`; when called, it does not run exactly once.
        ImportError: PyTorch is not installed.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(2, 1, bias=False).double()
        >>> _ = layer.load_state_dict({"weight": torch.tensor([[2.0, 3.0]])})
        >>> torch_score(layer)(np.ones((1, 2)))
        array([[5.]])
        >>> from sim import measure_outputs, tabular_features
        >>> score = torch_score(torch.nn.Sequential(layer, torch.nn.Softplus()), at="0")
        >>> maps = score.inputs(np.ones((1, 2)))
        >>> maps, measure_outputs(score, maps, tabular_features(1, 1)).round(3)
        (array([[5.]]), array([[0.693, 5.007]]))
    """
    check_module(module)

    def placed(batch: np.ndarray) -> Any:
        return as_tensor(batch, module, device)

    if at is None:
        return lambda batch: as_logits(evaluated(module, lambda: module(placed(batch))))
    layer = layer_of(module, at)

    def split(given: ArrayLike) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        shown = as_array(given, "given")
        maps = output_of(module, layer, at, lambda: module(placed(shown)))
        few = maps[:2]
        if passes_by(lambda x: run(few, {"shown": x}), shown[:2]):
            warnings.warn(BYPASSED.format(at=at), stacklevel=3)
        return maps, {"shown": shown}

    def run(maps: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
        with output_replaced(layer, at, placed(maps)):
            return as_logits(evaluated(module, lambda: module(placed(kept["shown"]))))

    return PartialScore(split, run)


def check_module(module: Any) -> None:
    """Raises TypeError unless it is a module, and ImportError without PyTorch."""
    if not isinstance(module, imported_torch().nn.Module):
        raise TypeError(
            f"Argument `module` must be a torch.nn.Module, but is a {type(module).__name__}."
        )


def imported_torch() -> Any:
    """PyTorch, or an ImportError that says how to install it."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            "This needs the package 'torch'; pip install 'interaction-dynamics[torch]'."
        ) from None
    return torch


def as_tensor(batch: np.ndarray, module: Any, device: Any) -> Any:
    """A copy of a batch, which layers may change in place, of the module's type and device."""
    torch = imported_torch()
    tensor = torch.from_numpy(np.array(batch, order="C"))
    own = [*module.parameters(), *module.buffers()]
    floating = [parameter for parameter in own if parameter.is_floating_point()]
    if tensor.is_floating_point() and floating:
        tensor = tensor.to(floating[0].dtype)
    if device is not None or own:
        tensor = tensor.to(own[0].device if device is None else device)
    return tensor


def evaluated(module: Any, call: Callable[[], Any]) -> Any:
    """What a call returns in evaluation mode without gradients; each layer's mode is restored."""
    modes = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        with imported_torch().no_grad():
            return call()
    finally:
        for layer, mode in modes:
            layer.training = mode


def as_logits(returned: Any) -> np.ndarray:
    """A module's logits as float64; raises TypeError of what is no tensor."""
    torch = imported_torch()
    if not isinstance(returned, torch.Tensor):
        instead = "wrap it in a module that picks the logits out"
        if hasattr(returned, "logits"):
            instead = "for one of transformers, use sim.huggingface_score"
        raise TypeError(
            f"The module must return a tensor of logits, but returned a "
            f"{type(returned).__name__}; {instead}."
        )
    logits: np.ndarray = returned.to("cpu", torch.float64).numpy()
    return logits


def layer_of(module: Any, at: str) -> Any:
    """The layer of a name, as `named_modules` has it; see `chosen_layer`."""
    return chosen_layer({name: layer for name, layer in module.named_modules() if name}, at)


def output_of(module: Any, layer: Any, at: str, call: Callable[[], Any]) -> np.ndarray:
    """A layer's output while a call runs the module, float32 or float64."""
    torch = imported_torch()
    seen: list[Any] = []

    def look(_: Any, __: Any, output: Any) -> None:
        seen.append(_first(output, at).clone())  # layers after it may change it in place

    with _hooked(layer, look):
        evaluated(module, call)
    check_once(len(seen), at)
    kept = seen[0] if seen[0].dtype in (torch.float32, torch.float64) else seen[0].float()
    maps: np.ndarray = kept.cpu().numpy()
    return maps


@contextlib.contextmanager
def output_replaced(layer: Any, at: str, maps: Any) -> Iterator[None]:
    """Puts a tensor in the place of a layer's output while this block runs the module."""
    runs = 0

    def replace(_: Any, __: Any, output: Any) -> Any:
        nonlocal runs
        runs += 1
        shape = tuple(_first(output, at).shape)
        if tuple(maps.shape) != shape:
            raise ArgumentError(
                "batch",
                f"hold outputs of the layer '{at}', of shape {shape} with the samples",
                f"has shape {tuple(maps.shape)}",
            )
        return maps if output is _first(output, at) else type(output)((maps, *output[1:]))

    with _hooked(layer, replace):
        yield
    check_once(runs, at)


@contextlib.contextmanager
def _hooked(layer: Any, hook: Callable[..., Any]) -> Iterator[None]:
    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _first(output: Any, at: str) -> Any:
    """The tensor that a layer returns, or the first of several."""
    tensor = output[0] if isinstance(output, tuple) and output else output
    if not isinstance(tensor, imported_torch().Tensor):
        raise ArgumentError(
            "at", "name a layer that returns a tensor", f"'{at}' returns a {type(output).__name__}"
        )
    return tensor
