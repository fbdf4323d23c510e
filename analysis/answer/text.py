"""How the page writes numbers, and what it says that is none."""

from __future__ import annotations

import math

import pandas as pd

BIBTEX = """@misc{surrogate_nas_answer,
  title = {Which loss should drive an architecture search?},
  author = {{surrogate\\_nas developers}},
  year = {2026},
  note = {Page and data of the package surrogate\\_nas, made by "make answer"}
}
"""


def number(value: float, digits: int = 2) -> str:
    """A number as the page prints it: no zero before the point, a true minus.

    Example:
        >>> number(-0.05), number(1.234), number(float("nan"))
        ('−.05', '1.23', '–')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    sign = "−" if value < 0 and float(text) else ""
    return sign + text.removeprefix("0")


def interval(low: float, high: float) -> str:
    """An interval as the page prints it."""
    return f"[{number(low)}, {number(high)}]"


def estimate(
    line: pd.Series, value: str = "difference", low: str = "low", high: str = "high"
) -> str:
    """A number with its interval."""
    return f"{number(line[value])} {interval(line[low], line[high])}"


def size(
    line: pd.Series, unit: str, value: str = "difference", prefix: str = ""
) -> str:
    """The same without its sign, which the words say."""
    low, high = line[f"{prefix}low"], line[f"{prefix}high"]
    ends = interval(low, high) if line[value] >= 0 else interval(-high, -low)
    return f"{number(abs(line[value]))} {unit} {ends}"


METHOD = (
    "Architectures are classes of NAS-Bench-201 cells that compute the same function, trained by"
    " this project on small tasks of many sources of data. A signal is what a search could see of"
    " one training: training loss, validation loss, or a measure on validation data, at 10, 20, 50"
    " and 100 % of the run, over its last fifth, or over the run. A goal is what the final network"
    " is worth on test data, the mean of the other seeds, so that no signal shares the noise of"
    " what judges it. How well a signal orders classes is Kendall's τ_b, averaged over which seed"
    " gives the signal.",
    "The unit of inference is the source of the data; tasks of one source are averaged first. A"
    " difference of τ has a variance by 1,000 resamples of classes, the same for all tasks."
    " Sources combine by a random-effects model (Paule and Mandel 1982) with the test of Hartung"
    " and Knapp (2001); a contrast is decided where Holm's correction over the four of a length"
    " leaves p below .05 and Hall's (1992) interval, which allows for skewness, leaves 0 out.",
    "Regret is the goal of the class that a signal picks among a random half of the classes, less"
    " that of the best of them, in standard deviations of the goal between the seeds of a class."
    " It is tested only where τ is decided.",
    "Tasks whose two seeds agree with τ < .3 in their final validation measure are noise and take"
    " no part in the means. The protocol (analysis/losses_protocol.md) names all of this"
    " beforehand.",
)
NOT_SAID = (
    "The cells are of one space, networks are small, runs last seconds: what holds for a new"
    " source of small data need not hold for large ones.",
    "The order of a hundred random classes is judged, not of the few good ones among which a"
    " search ends; regret is nearer to that.",
    "Signals that are early points of a long run share its schedule; a short run of its own may"
    " order otherwise.",
    "A mean over sources says nothing of one task: the interval of a new source does.",
    "Everything that is not one of the four contrasts, the moderator or the losses that train is"
    " exploratory.",
)
DEVIATIONS = (
    "Lengths were trained and opened one after another, ×1 first; the order was set on 28 November,"
    " 23:55 UTC, before any contrast was computed.",
    "The variance of regret is over all halves of the resampled classes, computed exactly; the"
    " estimate is over the 400 halves that the protocol names.",
    "A class takes part where every seed of its task trained it; the four seeds of a class are"
    " needed for a goal by the other three.",
    "The second space, macro, has 36 cells, not the 60 of the protocol: all are trained.",
    "The variances of two negative controls come from each class's part of τ instead of the"
    " bootstrap (400 studies × 1,000 resamples would take hours).",
)
NO_CURVES = (
    "It takes validation and test values along one run. This project's tables have test values at"
    " the end alone. NAS-Bench-201's runs of 200 epochs have one of the two; of those of 12 epochs"
    " three networks are public, too few. Points of LCDB are trainings of their own, and TabM's"
    " reports are of the best epoch. So the finding on accuracy stays untested here."
)
PAPERS = (
    "Don't stop me now (arXiv 2602.22107): which epoch of one run has the best test accuracy, where"
    " early stopping by validation accuracy chose worst and losses better. It compares epochs, not"
    " architectures, so it is asked again above and says nothing of the contrasts.",
    "TSE (arXiv 2006.04492): the final test accuracy, by the sum of training losses of a part of"
    " the run, Spearman's ρ. The kind of the third contrast, with a sum instead of a point: our"
    " training loss, mean of the run.",
    "Is one epoch all you need (arXiv 2307.15422): the final result of a search that keeps the best"
    " few after one epoch. The kind of the third contrast, by regret, with a validation score"
    " instead of the training loss.",
    "Overtuning (arXiv 2506.19540): the test error of what a search of hyperparameters picks, by"
    " the validation error of whole trainings. One signal and how far it misleads: the kind of our"
    " regret, no contrast.",
    "LC-PFN (arXiv 2310.20447): the rest of a curve, extrapolated from its beginning. It predicts"
    " the signal itself; no goal on test data, so no contrast.",
)
"""What others measured, with goal and length, and whether it is a contrast of the page."""
