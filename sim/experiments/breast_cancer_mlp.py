"""A multilayer perceptron on scikit-learn's breast cancer table, with ten features as players."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_breast_cancer

from sim.experiments._registry import Experiment, Settings, Train, register
from sim.experiments._training import description, split, train
from sim.measurement import tabular_features

FEATURES, TRAINING_ROWS = 10, 400


@register("breast-cancer-mlp")
def breast_cancer_mlp(settings: Settings) -> Experiment:
    """MLP 10-128-128-128-2 with ReLU; SGD with learning rate 0.01, momentum 0.9, batch 64.

    The inputs are the table's first ten columns, the means of ten measures of cell nuclei, each
    standardised by the training set, so that a masked feature (0) has its mean value.
    """
    table = load_breast_cancer()
    data = split(
        table.data[:, :FEATURES],
        table.target,
        TRAINING_ROWS,
        settings.label_noise,
        settings.seed,
        standardise="columns",
    )
    inputs, labels = data.measured(settings)
    optimiser = optax.sgd(0.01, momentum=0.9)

    def seeded(seed: int) -> Train:
        key = jax.random.key(seed)
        model = eqx.nn.MLP(FEATURES, 2, width_size=128, depth=3, dtype=jnp.float32, key=key)
        return functools.partial(
            train, model, data, settings.epochs, optimiser, batch_size=64, seed=seed
        )

    return Experiment(
        inputs=inputs,
        labels=labels,
        masking=tabular_features(
            FEATURES,
            settings.players,
            names=table.feature_names[:FEATURES].tolist(),
            seed=settings.seed,
        ),
        epochs=settings.epochs,
        train=seeded(settings.seed),
        metadata=description(
            "breast-cancer-mlp",
            settings,
            data=f"scikit-learn breast cancer, {TRAINING_ROWS} training rows, mean columns",
            network="MLP 10-128-128-128-2, ReLU",
            optimiser="SGD, learning rate 0.01, momentum 0.9, batch 64",
            masking=f"{settings.players} of ten features, baseline 0 (mean value)",
        ),
        shown={"sample_names": data.names(settings, "row")},
        seeded=seeded,
    )
