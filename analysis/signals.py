"""What a benchmark tells of its cells while they train, and what it is finally judged by.

The goal follows from the attributes of metrics, not from their names: the test metric that belongs
to the table's default objective; if only a loss belongs to it and the table has an error or a
quality, that one. A signal is the training loss, the validation loss, or the validation metric of
the goal's own kind, after a share of the run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.core.metrics import Metric
from surrogate_nas.objective import Objective

Values = NDArray[np.float64]
"""One number a cell."""

MARKS = (0.1, 0.2, 0.5, 1.0)
"""Shares of a run; a signal within a factor of 1.5 of one counts for it."""
TRAIN_LOSS, VALID_LOSS, VALID_MEASURE = SIGNALS = (
    "train loss",
    "valid loss",
    "valid measure",
)
"""What a search may see of a training."""
LOSS = "loss"
"""What a metric measures that is a loss, by its name."""
_FACTOR = 1.5
_PERCENT = {
    "half": 0.5,
    **{str(per_cent): per_cent / 100 for per_cent in range(1, 100)},
}
"""The share of a run that the end of a metric's name means."""
_SPLIT = re.compile(r"^(train|valid|test)_")


@dataclass(frozen=True)
class Goal:
    """The final metric that a search shall improve.

    Attributes:
        metric: The metric.
        question: With its epochs.
        values: Of all cells, smaller is better, shape ``(n,)``.
    """

    metric: Metric
    question: Question
    values: Values

    @property
    def measure(self) -> str:
        """The metric without its split, such as ``error`` or ``ssim``."""
        return measure_of(self.metric.name)

    @property
    def is_accuracy(self) -> bool:
        """Whether it is an error in %, which is shown as an accuracy."""
        return self.metric.quantity == "error" and self.metric.unit == "%"

    @property
    def title(self) -> str:
        """The metric as rows show it."""
        return (
            self.metric.name.replace("error", "accuracy")
            if self.is_accuracy
            else self.metric.name
        )

    def shown(self, value: float) -> float:
        """A value as rows show it: an accuracy, a quality, or a loss."""
        if self.is_accuracy:
            return 100.0 - value
        return -value if self.metric.larger_is_better else value


def measure_of(name: str) -> str:
    """What a metric measures, without its split and its device or attack.

    Args:
        name: Of the metric.

    Example:
        >>> measure_of("valid_error@focal")
        'error'
    """
    return _SPLIT.sub("", name).partition("@")[0]


def goal_of(bench: Benchmark) -> Goal:
    """The final metric of a table.

    Args:
        bench: With columns.
    """
    own = own_loss(bench)
    finals = [m for m in bench.metrics if m.kind == "final" and m.is_loss]
    like = own.name.replace("valid", "test").replace("train", "test")
    finals.sort(
        key=lambda m: (m.quantity == "loss", m.name != like, len(m.name), m.name)
    )
    metric = finals[0] if finals else own
    question = bench.question(metric.name)
    return Goal(metric, question, metric.minimised(bench.column(*question)))


def own_loss(bench: Benchmark) -> Metric:
    """The metric of the first loss in a table's default objective.

    Args:
        bench: With columns.
    """
    losses = [term for term in Objective(bench.objective, bench).terms if term.is_loss]
    return bench.metric(losses[0].name.partition("[")[0])


def split_of(metric: Metric) -> str:
    """The split that a metric's name says or, where it says none, its attribute.

    Args:
        metric: Such as ``valid_error``.
    """
    named = _SPLIT.match(metric.name)
    return named[1] if named else metric.split


def seeds_of(bench: Benchmark, metric: Metric, question: Question) -> list[Values]:
    """The columns of single seeds, smaller is better; NaN where a cell lacks one.

    Args:
        bench: With columns.
        metric: What is asked for.
        question: The same, with its epochs.
    """
    return [
        metric.minimised(bench.column(*question, seed))
        for seed in bench.seeds(question)
    ]


def final_goal(bench: Benchmark) -> Goal:
    """The final metric; in a table of losses the test measure of its task, after the usual loss.

    Args:
        bench: With columns.
    """
    condition = own_loss(bench).name.partition("@")[2]
    metrics = {metric.name: metric for metric in bench.metrics}
    if condition:
        for name in metrics:
            is_measure = name.startswith("valid_") and not name.startswith(
                "valid_loss@"
            )
            if is_measure and name.endswith(f"@{condition}"):
                metric = metrics.get(name.replace("valid_", "test_", 1))
                if metric is None:  # such as a mean over the last epochs
                    continue
                question = bench.question(metric.name)
                return Goal(metric, question, metric.minimised(bench.column(*question)))
    return goal_of(bench)


def signal_metrics(bench: Benchmark, goal: Goal) -> dict[str, Metric]:
    """By signal its metric, under the training's own conditions.

    The loss that was trained comes before another one, such as ``valid_nll`` after smoothed labels.

    Args:
        bench: With columns.
        goal: Its final metric, which is no signal.
    """
    metrics: dict[str, Metric] = {}
    condition = own_loss(bench).name.partition("@")[2]
    usual = {f"{split}_{LOSS}" for split in ("train", "valid")}

    def place(metric: Metric) -> tuple[bool, int]:
        return metric.name.partition("@")[0] not in usual, len(metric.name)

    for metric in sorted(bench.metrics, key=place):
        if (
            not metric.is_loss
            or metric.kind == "final"
            or metric.name == goal.metric.name
        ):
            continue
        # under other conditions, or earlier in a run
        if metric.name.partition("@")[2] != condition:
            continue
        split, is_goal = split_of(metric), measure_of(metric.name) == goal.measure
        if split == "valid" and is_goal and goal.measure != LOSS:
            metrics.setdefault(VALID_MEASURE, metric)
        elif split in ("train", "valid") and metric.quantity == "loss":
            metrics.setdefault(f"{split} loss", metric)
    return metrics


def marks_of(bench: Benchmark, metric: Metric) -> Iterator[tuple[float, Question]]:
    """The shares of a run at which the table has a metric, and how to ask for it there.

    By epochs, or by metrics that end in per cent (``@25``).

    Args:
        bench: With columns.
        metric: A signal.
    """
    questions = {}
    for other in bench.metrics:
        share = _PERCENT.get(other.name.removeprefix(f"{metric.name}@"))
        if share:
            questions[share] = Question(other.name, None)
    longest = max(metric.epochs, default=0)
    for epochs in metric.epochs:
        if epochs:
            questions[epochs / longest] = Question(metric.name, epochs)
    for mark, share in nearest_marks(questions).items():
        yield mark, questions[share]
    if 1.0 not in questions:
        yield 1.0, Question(metric.name, None)


def nearest_marks(shares: Collection[float]) -> dict[float, float]:
    """By mark the share of a run that is nearest to it.

    Args:
        shares: At which something is known, from 0 to 1.

    Example:
        >>> nearest_marks([0.2, 0.4, 0.6, 0.8, 1.0])
        {0.2: 0.2, 0.5: 0.6, 1.0: 1.0}
    """
    found = {}
    for mark in MARKS[:-1]:
        near = [s for s in shares if s < 1 and 1 / _FACTOR <= s / mark <= _FACTOR]
        if near:
            found[mark] = min(near, key=lambda share: abs(math.log(share / mark)))
    return found | {share: share for share in shares if share == 1}
