"""scikit-learn classifiers as scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.checks import ArgumentError


def sklearn_score(model: Any, *, least: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    """A fitted classifier as a function from a batch of rows to log p, which do as logits.

    It asks `predict_log_proba`, or `predict_proba` where there is none; log-odds log p/(1−p) are
    the same whether they are made of logits or of log p. A label is a column of these, the place
    of the class in `model.classes_`. A model that was fitted with names of columns gets them.

    Args:
        model: an estimator or a pipeline, fitted.
        least: a probability below this counts as this. Trees say p = 0 where they have seen no
            example, whose log-odds are infinite; the interactions then hang on what is taken here.

    Returns:
        The score, from (m, features) to (m, classes).

    Raises:
        TypeError: `model` gives no probabilities.
        ValueError: `least` is not at least 0 and below 1; when called, some p is 0 and `least` too.

    Example:
        >>> class Always:
        ...     def predict_log_proba(self, rows):
        ...         return np.log([[0.2, 0.8]] * len(rows))
        >>> sklearn_score(Always())(np.ones((1, 3))).round(4)
        array([[-1.6094, -0.2231]])
    """
    asked = "predict_log_proba" if hasattr(model, "predict_log_proba") else "predict_proba"
    if not hasattr(model, asked):
        raise TypeError(
            f"Argument `model` must have predict_log_proba or predict_proba, but is of type "
            f"{type(model).__name__}."
        )
    if not 0 <= least < 1:
        raise ArgumentError("least", "be at least 0 and below 1", f"is {least}")

    def score(batch: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            found = getattr(model, asked)(_with_names(batch, model))
            logs = np.asarray(found if asked == "predict_log_proba" else np.log(found))
            logs = np.maximum(logs, np.log(least))
        if not np.isfinite(logs).all():
            raise ArgumentError(
                "least",
                "be above 0, such as 1e-6, for a model that gives some class no probability at all",
                f"is {least}",
            )
        return logs

    return score


def _with_names(batch: np.ndarray, model: Any) -> Any:
    """The rows as a table with the names of columns that the model was fitted with, if any."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return batch
    import pandas as pd  # such a model was fitted with a table of it, or of its kin

    return pd.DataFrame(batch, columns=names)
