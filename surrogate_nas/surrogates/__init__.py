"""Surrogates: models that learn one metric from a few cells and predict it, with uncertainty, for the others.

`MODELS` names every model; its file is imported when the model is first made, so that none of the libraries behind
them is loaded before it is used.
"""

from __future__ import annotations

from surrogate_nas.surrogates.base import MODELS, Prediction, Surrogate, make_model, model_class

__all__ = ["MODELS", "Prediction", "Surrogate", "make_model", "model_class"]

MODELS.update(
    {
        "xgboost": "surrogates.boosting:Boosting",
        "gp": "surrogates.gp:GaussianProcess",
        "extra_trees": "surrogates.extra_trees:ExtraTrees",
        "ridge": "surrogates.ridge:Ridge",
        "gnn": "surrogates.gnn:GraphNetwork",
        "latency": "surrogates.latency:Latency",
        "mlp": "surrogates.mlp:Perceptrons",
        "ensemble": "surrogates.ensemble:Ensemble",
    }
)
