"""Surrogates: models that learn one metric from a few cells and predict it, with uncertainty, for the others."""

from surrogate_nas.surrogates.base import Prediction, Surrogate

__all__ = ["Prediction", "Surrogate"]
