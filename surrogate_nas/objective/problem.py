"""What a program or a person outside is told of a problem before the first question."""

from __future__ import annotations

from typing import Any

from surrogate_nas.objective.objective import Objective


def problem_of(objective: Objective) -> dict[str, Any]:
    """An objective without what a search must not see: no benchmark's name, no value of a cell.

    Args:
        objective: What is minimised.

    Returns:
        As JSON can hold it: ``terms``, each with ``name``, ``part`` (``L`` or ``R``),
        ``objective`` (its number from 0), ``weight``, ``divisor``, ``unit`` and
        ``larger_is_better``; ``limits``, each with ``name``, ``relation``, ``limit`` and ``unit``;
        ``diversity``, its weight; ``epochs``, the objective's own; ``cost_unit``; ``drawn_seeds``,
        whether a value is of one training seed.

    Example:
        >>> import surrogate_nas as sn
        >>> problem = problem_of(sn.Objective("valid_loss + 0.1*params", sn.load("fashion")))
        >>> [(term["name"], term["part"], term["weight"]) for term in problem["terms"]]
        [('valid_loss[5]', 'L', 1.0), ('params', 'R', 0.1)]
    """
    benchmark = objective.benchmark
    terms = [
        {
            "name": term.name,
            "part": "L" if term.is_loss else "R",
            "objective": term.part,
            "weight": term.weight,
            "divisor": term.divisor,
            "unit": term.unit,
            "larger_is_better": term.larger_is_better,
        }
        for term in objective.terms
    ]
    limits = []
    for constraint, *_ in objective.constraints:
        name, relation, _ = str(constraint).rsplit(" ", 2)
        unit = benchmark.metric(constraint.metric).unit
        limits.append({"name": name, "relation": relation, "limit": constraint.limit, "unit": unit})
    return {
        "terms": terms,
        "limits": limits,
        "diversity": objective.diversity_weight,
        "epochs": objective.epochs,
        "cost_unit": benchmark.cost,
        "drawn_seeds": objective.draws,
    }
