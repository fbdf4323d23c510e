"""A suite's result as ``snas suite --json`` prints it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import SuiteResult


def summary_of(result: SuiteResult) -> dict[str, Any]:
    """The problems, the strategies from the best rank on, the tests, and the verdict.

    Args:
        result: What the suite has found.
    """
    return {
        "suite": result.suite.name,
        "problems": [
            {
                "name": p.name,
                "benchmark": p.problem.benchmark,
                "objective": p.objective,
                "seed_policy": p.problem.seed_policy,
                "budget": {"cells": p.problem.cells, "seconds": p.problem.seconds},
                "fingerprint": p.fingerprint,
                "optimum": p.reference.optimum,
                "random": p.reference.optimum + p.reference.scale,
                "exact": p.reference.exact,
                "noise": p.noise,
            }
            for p in result.problems
        ],
        "not_run": [{"name": s.problem.name, "reason": s.reason} for s in result.skipped],
        "strategies": sorted(_strategies(result), key=lambda told: told["rank_mean"]),
        "tests": _tests(result),
        "verdict": {**asdict(result.verdict), "stability": asdict(result.stability)},
        "failures": result.failures,
    }


def _strategies(result: SuiteResult) -> list[dict[str, Any]]:
    last = result.critical[-1]
    return [
        {
            "name": aggregate.strategy,
            "runs": account.runs,
            "rank_mean": float(last.ranks[i]),
            "solved": None if np.isnan(result.profile.solved[i]) else float(result.profile.solved[i]),
            "probability_best": float(result.ranks.best[i]),
            "probability_best_here": float(result.ranks.best_here[i]),
            "regret_iqm": aggregate.iqm,
            "regret_ci95": [aggregate.low, aggregate.high],
            "regret_mean": aggregate.mean,
            "regret_median": aggregate.median,
            "failures": account.failures,
            "no_feasible_cell": account.empty,
            "evaluations": account.evaluations,
            "duplicates": account.duplicates,
            "queries": account.queries,
            "simulated_seconds": account.simulated_seconds,
            "real_seconds": account.real_seconds,
        }
        for i, (aggregate, account) in enumerate(zip(result.aggregates, result.accounts, strict=True))
    ]


def _tests(result: SuiteResult) -> dict[str, Any]:
    return {
        "friedman": [
            {
                "budget": one.fraction,
                "p": one.p,
                "critical_difference": one.distance,
                "ranks": dict(zip(result.strategies, one.ranks.tolist(), strict=True)),
                "not_told_apart": one.cliques,
            }
            for one in result.critical
        ],
        "pairs": [
            {
                **asdict(pair.test),
                "difference": pair.difference,
                "detectable": pair.detectable,
                "detectable_here": pair.detectable_here,
                "better": pair.better,
                "worse": pair.worse,
                "probability": improved.probability,
                "probability_ci95": [improved.low, improved.high],
            }
            for pair, improved in zip(result.pairs, result.improvements, strict=True)
        ],
    }
