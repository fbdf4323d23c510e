"""Models that learn one metric from a few cells and predict it, with uncertainty, for other cells.

`surrogate_nas.Surrogate` is the interface for users. `MODELS` contains every model by name. The
file of a model is imported when the model is first used, so the model's libraries are loaded only
if needed. To add a model, subclass `Model`.
"""

from typing import Any

from surrogate_nas.core import warn_renamed
from surrogate_nas.surrogates import base
from surrogate_nas.surrogates.base import MODELS, Model, Prediction, model_class

__all__ = ["MODELS", "Model", "Prediction", "model_class"]

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
_FORMER = {"Surrogate": "surrogates.Model", "make_model": "Surrogate"}


def __getattr__(name: str) -> Any:
    if name not in _FORMER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warn_renamed(f"{__name__}.{name}", f"surrogate_nas.{_FORMER[name]}", 3)
    return Model if name == "Surrogate" else base.make_model
