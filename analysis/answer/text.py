"""How the page writes numbers, and what it says that is none."""

from __future__ import annotations

import math

import pandas as pd

from surrogate_nas.core import fixed

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


def in_prose(line: pd.Series, value: str = "difference") -> str:
    """A number with its interval, as a sentence of a document has it.

    Example:
        >>> in_prose(pd.Series({"difference": -0.13, "low": -0.4, "high": 0.14}))
        '−0.13, 95 % CI −0.40 to 0.14'
    """
    mean, low, high = (fixed(round(end, 2), 2) for end in line[[value, "low", "high"]])
    return f"{mean}, 95 % CI {low} to {high}"


def size(line: pd.Series, value: str = "difference") -> str:
    """The same without its sign, which the words say."""
    low, high = line["low"], line["high"]
    ends = interval(low, high) if line[value] >= 0 else interval(-high, -low)
    return f"{number(abs(line[value]))} {ends}"


METHOD = (
    "Architectures are classes of NAS-Bench-201 cells that compute the same function. This"
    " project trained them on small tasks of many sources of data. A signal is what a search can"
    " read of one training: the training loss, the validation loss or the validation metric, at a"
    " point of the run. The goal is the test metric (or test loss) of the final network, the mean"
    " of the other seeds. So no signal shares the noise of its goal. How well a signal orders"
    " architectures is Kendall's τ_b, averaged over the seed that gives the signal. δ is τ of the"
    " training loss less τ of the validation metric, both at the end of the run with the test"
    " metric.",
    "The unit of inference is the source of the data. Tasks of one source are averaged first. A"
    " difference has a variance by 1,000 resamples of architectures, the same for all tasks."
    " Sources combine by a random-effects model (Paule and Mandel 1982) with the interval and the"
    " test of Hartung and Knapp (2001). Sources count as worse or better than 0 after Holm's"
    " correction over the sources of a row.",
    "First experiment (protocol of 26 and 28 November 2026, analysis/losses_protocol.md): a"
    " contrast is decided where p is below .05 after Holm's correction over the four contrasts of"
    " a length and Hall's (1992) interval of the plain mean leaves out 0. Second experiment"
    " (protocol of 1 December 2026, analysis/regimes_protocol.md): a contrast is decided where"
    " the Hartung–Knapp test, an exact sign flip and Hall's test of the mean all have p below"
    " .025 after Holm's correction over the three.",
    "Regret is the goal of the architecture that a signal picks, less that of the best one, in"
    " standard deviations of the goal between the training seeds of an architecture.",
)
NOT_SAID = (
    "All cells are of one space, networks are small and runs last seconds. What holds for a new"
    " source of small data need not hold for large networks.",
    "τ is about the order of random architectures, not of the few good ones among which a search"
    " ends. Regret is nearer to that.",
    "An early point of a long run shares the learning rates of that run. A short run of its own may"
    " order architectures differently.",
    "A mean over sources says little about one task: see the interval for a new source.",
    "Only the contrasts named in the protocols, the moderator and the losses that train are tests."
    " All else is exploratory.",
)
DEVIATIONS = (
    "Second experiment: before any δ was computed, the null calibration of the protocol's rule"
    " failed for skewed effects (11 % of 400 studies decided something). Decisions now need"
    " Hall's test too, and .025 instead of .05, which can only take decisions away (1 December"
    " 2026, 07:39 UTC).",
    "First experiment: lengths were trained and opened one after another, ×1 first. This order was"
    " set on 28 November, 23:55 UTC, before any contrast was computed.",
    "First experiment: the point at 20 % was rounded up to whole epochs, so it is at 25 to 33 %"
    " of the run on 15 tasks, and is the first epoch on 13. The second experiment has exact"
    " shares.",
    "First experiment: the contrast of the training loss mixes the split with the type of signal."
    " The twins of the second experiment compare like with like.",
    "First experiment: the variance of regret is over all halves of the resampled architectures,"
    " computed exactly; the estimate is over the 400 halves that the protocol names. An"
    " architecture takes part where every seed of its task trained it. The space macro has 36"
    " cells, not 60. The variances of two negative controls come from each class's part of τ, not"
    " from resamples.",
)
