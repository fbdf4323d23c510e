"""One Gaussian process, for strategies and surrogates: kernel, likelihood, and predictions at once or in steps."""

from surrogate_nas.surrogates.gaussian.growing import Foreseen, Growing, Places
from surrogate_nas.surrogates.gaussian.kernel import Floats, Scaling, matern_of_squares, squared_distances, weighted
from surrogate_nas.surrogates.gaussian.likelihood import MOST_FOR_LIKELIHOOD, Hyper, most_likely, most_likely_weights
from surrogate_nas.surrogates.gaussian.process import Process

__all__ = [
    "MOST_FOR_LIKELIHOOD", "Floats", "Foreseen", "Growing", "Hyper", "Places", "Process", "Scaling",
    "matern_of_squares", "most_likely", "most_likely_weights", "squared_distances", "weighted",
]  # fmt: skip
