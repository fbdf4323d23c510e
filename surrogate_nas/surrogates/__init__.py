"""Surrogates: models that learn one metric from a few cells and predict it, with uncertainty, for the others.

`MODELS` names every model; its file is imported when the model is first made, so that none of the libraries behind
them is loaded before it is used.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.extras import opened
from surrogate_nas.core.metrics import Quantity
from surrogate_nas.core.plugin import import_file
from surrogate_nas.surrogates.base import Prediction, Surrogate

__all__ = ["MODELS", "Prediction", "Surrogate", "make_model", "model_class"]

MODELS: dict[str, str] = {
    "xgboost": "surrogates.boosting:Boosting",
    "gp": "surrogates.gp:GaussianProcess",
    "extra_trees": "surrogates.extra_trees:ExtraTrees",
    "ridge": "surrogates.ridge:Ridge",
    "gnn": "surrogates.gnn:GraphNetwork",
    "latency": "surrogates.latency:Latency",
    "mlp": "surrogates.mlp:Perceptrons",
    "ensemble": "surrogates.ensemble:Ensemble",
}
"""Every model by name, as ``module:Class`` inside this package."""


def model_class(name: str) -> type[Surrogate]:
    """Return a model's class.

    Args:
        name: A key of `MODELS`, or ``file.py:Class`` for one's own.

    Raises:
        UserError: There is no such model, or the library behind it is not installed.

    Example:
        >>> model_class("extra_trees").__name__
        'ExtraTrees'
    """
    if not isinstance(name, str):
        raise UserError(f"A model is named by a text, not {name!r:.80}. Known: {', '.join(sorted(MODELS))}.")
    file, _, class_name = name.rpartition(":")
    if file.endswith(".py"):
        found = getattr(import_file(Path(file), "surrogate"), class_name, None)
        if not (isinstance(found, type) and issubclass(found, Surrogate)):
            raise UserError(f"{file} has no class {class_name} that is a Surrogate.")
        return found
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    cls: type[Surrogate] = opened(f"surrogate_nas.{MODELS[name]}", f"The model {name}")
    return cls


def make_model(name: str, quantity: Quantity = "error", *, seed: int = 0, **settings: Any) -> Surrogate:
    """Make an unfitted model.

    Args:
        name: A key of `MODELS`, or ``file.py:Class``.
        quantity: Of the metric to learn.
        seed: The root of the model's randomness.
        **settings: The model's own.

    Raises:
        UserError: There is no such model, or it has no such setting.

    Example:
        >>> model = make_model("gp", "loss", seed=3)
        >>> model.quantity, sorted(model.settings())
        ('loss', ['blocks', 'calibrate', 'quantity', 'seed', 'warp'])
    """
    found = model_class(name)
    known = inspect.signature(found).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        for setting in settings.keys() - known.keys():
            raise unknown(f"setting of the model {name}", setting, known)
    return found(quantity, seed=seed, **settings)
