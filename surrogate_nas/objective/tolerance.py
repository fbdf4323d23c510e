"""λ by a tolerance: the amount of a term of R that a change of a metric is worth.

``100% params per 1 valid_error``: twice the median of the parameters for a point of error. A point
is converted to L by the ratio of interquartile ranges over the reference sample. λ has three
digits; it is printed on standard error and becomes a number of the expression.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.benchmarks.base import Values
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective.expression import (
    DIVERSITY,
    Expression,
    Term,
    Tolerance,
    parse_tolerances,
)
from surrogate_nas.objective.known import loss_divisor
from surrogate_nas.tables import Seed

_DIGITS = 3
"""Of λ: more would differ by the machine, and nobody tolerates by more."""


def spread(values: Values) -> float:
    """Return the interquartile range of values, shape ``(n,)``."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low)


def weighed(
    objectives: tuple[Expression, ...],
    text: str | None,
    benchmark: Benchmark,
    seed: Seed,
) -> tuple[tuple[Expression, ...], str]:
    """Add a weighted term of R for every tolerance, and say so in a line each.

    Raises:
        UserError: The text is malformed, a metric is not of its place, a spread is 0 or not known,
            or there are several objectives.
    """
    told = ""
    expression, *others = objectives
    for tolerance in [] if text is None else parse_tolerances(text):
        if others:
            raise UserError(
                "A tolerance weighs the terms of one objective, not of several."
            )
        weight = _weight(expression, tolerance, benchmark, seed)
        term = replace(tolerance.term, weight=float(f"{weight:.{_DIGITS}g}"))
        expression = expression + Expression((term,))
        told += f"By the tolerance {tolerance} the objective has {term}.\n"
    return (expression, *others), told


def _weight(
    expression: Expression, tolerance: Tolerance, benchmark: Benchmark, seed: Seed
) -> float:
    term, measure = tolerance.term, tolerance.measure
    by = benchmark.metric(measure.metric)
    if by.kind != "search" or not by.is_loss:
        raise UserError(
            f"A tolerance is per error, loss or quality that a search may see, not per {by.name}."
        )
    if benchmark.metric(term.metric).is_loss:
        raise UserError(
            f"A tolerance is of a metric of R, such as params, not of {term.name}."
        )
    if any(
        own.metric == term.metric and own.epochs == term.epochs for own in expression.terms
    ):
        raise UserError(f"{term.name} has a weight already: leave it out of the objective.")
    losses = [
        own
        for own in expression.terms
        if own.metric != DIVERSITY and benchmark.metric(own.metric).is_loss
    ]
    question = benchmark.question(term.metric, term.epochs)
    whole = 100.0 if tolerance.is_share else benchmark.scale(question, seed)[0]
    share = tolerance.amount / whole if whole > 0 else 0.0
    if not share > 0:
        raise UserError(
            f"The median of {term.name} is 0: no amount of it can be tolerated."
        )
    return tolerance.change * _rate(losses, measure, benchmark, seed) / share


def _rate(losses: list[Term], measure: Term, benchmark: Benchmark, seed: Seed) -> float:
    asked = [benchmark.question(one.metric, one.epochs) for one in losses]
    of_measure = benchmark.question(measure.metric, measure.epochs)
    factors = [_factor(one, benchmark) for one in losses]
    if asked == [of_measure]:  # the tolerance is in L's own unit
        return abs(factors[0])
    if not benchmark.has_columns:
        raise UserError(
            f"{benchmark.name} is no table, so how far its cells differ is not known: name L's own"
            " metric in the tolerance."
        )

    def column(question: Question) -> Values:
        sample = benchmark.reference_sample(question)
        return benchmark.measure(sample, (question,), seed).values[:, 0]

    by_loss = sum(f * column(question) for f, question in zip(factors, asked, strict=True))
    spreads = spread(np.asarray(by_loss)), spread(column(of_measure))
    for name, size in zip(
        (" + ".join(map(str, losses)), str(of_measure)), spreads, strict=True
    ):
        if not size > 0:
            raise UserError(
                f"{name or 'L'} does not differ between the middle half of the cells, so nothing"
                " can be tolerated by it."
            )
    return spreads[0] / spreads[1]


def _factor(term: Term, benchmark: Benchmark) -> float:
    metric = benchmark.metric(term.metric)
    return (-term.weight if metric.larger_is_better else term.weight) / loss_divisor(
        metric
    )[0]
