"""Hugging Face models as scores: named inputs, attention masks, embeddings, next tokens."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.checks import ArgumentError, check_labels
from sim.measurement.partial_score import PartialScore, as_samples
from sim.measurement.torch_adapter import (
    BYPASSED,
    as_logits,
    as_tensor,
    check_module,
    evaluated,
    imported_torch,
    layer_of,
    output_of,
    output_replaced,
    passes_by,
)

EMBEDDINGS = "inputs_embeds"
ROWS = 32  # sentences at a time where every place of each has a logit for every token there is


def huggingface_score(
    model: Any,
    *,
    at: str | None = None,
    targets: ArrayLike | None = None,
    device: Any = None,
) -> PartialScore:
    """A PyTorch model of Hugging Face's transformers as a score.

    The score's own `inputs` takes what the tokenizer or the image processor returns, and gives
    what is masked: the token ids or pixels; with `at="inputs_embeds"` the word embeddings, as in
    [Ren24]; or the output of any layer. The rest, attention masks above all, stays that of each
    sample. The model runs in evaluation mode without gradients, and its modes are restored.

    Masking embeddings leaves the ids as they are for a model that looks for its padding there.
    With masked layers, what leads around the layer is never masked; see `torch_score`.

    Args:
        model: such as `AutoModelForSequenceClassification` or `AutoModelForCausalLM` load.
        at: what is masked; None for the model's main input.
        targets: (samples,) token ids, for language models: the score is then the log-odds of
            each sample's token to come next, after the last one that its attention mask shows.
            Measure it without labels.
        device: where the batches go; by default to the model's own first parameter.

    Returns:
        The score, which reads the model's parameters as they are when it is called.

    Raises:
        TypeError: `model` is not a module.
        ValueError: there is no layer `at`; when called: no main input, no logits, or logits of
            every place without targets.
        ImportError: PyTorch is not installed.

    Example:
        >>> import torch, types
        >>> class Sums(torch.nn.Module):  # in place of a model with a head
        ...     main_input_name = "input_ids"
        ...     def forward(self, input_ids, attention_mask):
        ...         summed = (input_ids * attention_mask).sum(dim=1, keepdim=True)
        ...         return types.SimpleNamespace(logits=summed.double())
        >>> score = huggingface_score(Sums())
        >>> ids = score.inputs({"input_ids": [[4, 2, 9]], "attention_mask": [[1, 1, 0]]})
        >>> from sim import measure_outputs, tokens
        >>> measure_outputs(score, ids, tokens(3, 2, mask=1, allowed=[True, True, False]))
        array([[2., 5., 3., 6.]])
    """
    check_module(model)
    main = getattr(model, "main_input_name", "input_ids")
    layer = _layer(model, at)

    def placed(array: np.ndarray) -> Any:
        return as_tensor(array, model, device)

    def called(given: Mapping[str, np.ndarray]) -> Any:
        return model(**{name: placed(array) for name, array in given.items() if name != "targets"})

    def split(given: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        arrays = as_samples(given if isinstance(given, Mapping) else {main: given})
        if main not in arrays:
            raise ArgumentError("given", f"hold '{main}'", f"holds {', '.join(arrays)}")
        if targets is not None:
            arrays["targets"] = check_labels(targets, len(arrays[main]))
        if layer is None:
            return arrays.pop(main), arrays
        maps = output_of(model, layer, str(at), lambda: called(arrays))
        few = {name: array[:2] for name, array in arrays.items()}
        if at != EMBEDDINGS and passes_by(lambda x: run(maps[:2], few | {main: x}), few[main]):
            warnings.warn(BYPASSED.format(at=at), stacklevel=3)
        return maps, arrays

    def run(masked: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
        step = len(masked) if targets is None else ROWS
        parts = []
        for start in range(0, len(masked), step):
            rows = slice(start, start + step)
            parts.append(_scored(masked[rows], {k: v[rows] for k, v in kept.items()}))
        return np.concatenate(parts)

    def _scored(masked: np.ndarray, kept: dict[str, np.ndarray]) -> np.ndarray:
        if layer is None:
            returned = evaluated(model, lambda: called(kept | {main: masked}))
        else:
            with output_replaced(layer, str(at), placed(masked)):
                returned = evaluated(model, lambda: called(kept))
        logits = _logits(returned)
        if targets is not None:
            return _next_token(logits, kept)
        if logits.ndim > 2:
            raise ArgumentError(
                "targets",
                "be the tokens whose log-odds to come next are the score, for a model with logits "
                f"{tuple(logits.shape)} at every place",
                "is None",
            )
        return as_logits(logits)

    return PartialScore(split, run)


def _layer(model: Any, at: str | None) -> Any:
    """The layer whose output is masked, or None for the model's input."""
    if at is None:
        return None
    if at != EMBEDDINGS:
        return layer_of(model, at)
    if not hasattr(model, "get_input_embeddings"):
        raise ArgumentError("at", "name a layer, for a model without word embeddings", f"is {at!r}")
    return model.get_input_embeddings()


def _logits(returned: Any) -> Any:
    logits = getattr(returned, "logits", None)
    if logits is None:
        raise ArgumentError(
            "model",
            "return logits, as one of AutoModelForSequenceClassification does",
            f"returns a {type(returned).__name__} without",
        )
    return logits


def _next_token(logits: Any, kept: Mapping[str, np.ndarray]) -> np.ndarray:
    """Log-odds (m,) of each row's target after the last token that is shown."""
    torch = imported_torch()
    rows, places, known = logits.shape
    shown = np.asarray(kept.get("attention_mask", np.ones((rows, places))), dtype=bool)
    last = places - 1 - shown[:, ::-1].argmax(axis=1)
    if (kept["targets"] >= known).any() or (kept["targets"] < 0).any():
        raise ArgumentError("targets", f"be token ids below {known}", f"is {kept['targets'].max()}")
    with torch.no_grad():
        final = logits[torch.arange(rows), torch.from_numpy(last)].double()
        target = torch.from_numpy(kept["targets"]).to(final.device)[:, None]
        others = final.scatter(1, target, -torch.inf).logsumexp(dim=1)
        return as_logits(final.gather(1, target)[:, 0] - others)
