"""Surrogates: models that learn one metric from a few cells and predict it, with uncertainty, for
the others.

`MODELS` names every model; its file is imported when the model is first made, so that none of the
libraries behind them is loaded before it is used.
"""

from __future__ import annotations

from surrogate_nas.surrogates.base import (
    MODELS,
    Prediction,
    Surrogate,
    make_model,
    model_class,
)

__all__ = ["MODELS", "Prediction", "Surrogate", "make_model", "model_class"]

MODELS.places.update(
    {
        "xgboost": "surrogate_nas.surrogates.bagging:Boosting",
        "gp": "surrogate_nas.surrogates.gaussian:GaussianProcess",
        "extra_trees": "surrogate_nas.surrogates.bagging:ExtraTrees",
        "ridge": "surrogate_nas.surrogates.ridge:Ridge",
        "gnn": "surrogate_nas.surrogates.gnn:GraphNetwork",
        "latency": "surrogate_nas.surrogates.latency:Latency",
        "mlp": "surrogate_nas.surrogates.mlp:Perceptrons",
        "ensemble": "surrogate_nas.surrogates.ensemble:Ensemble",
    }
)
MODELS.bridges["sklearn"] = "surrogate_nas.surrogates.bagging:regressor_class"
