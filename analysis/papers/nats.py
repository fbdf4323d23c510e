"""The NATS-Bench paper's search on each data set (Dong et al., TPAMI 2021): topology space.

The reward of `analysis.papers.nb201`, but a search on each data set, for 20,000, 40,000 and
120,000 simulated seconds; results of the two are never mixed. Finished runs are stored in
``runs.jsonl``.
"""

from __future__ import annotations

from analysis.papers.common.paper import PaperResult, Work
from analysis.papers.common.searches import (
    DENSITY,
    NOISE_NOTE,
    OURS,
    PROXIES_NOTE,
    REA,
    Method,
    accuracy_curves,
    method_row,
    published_only,
    run_methods,
)

_METHODS = (
    Method("random search", "random"),
    Method(REA, "evolution"),
    Method("REINFORCE", "reinforce"),
    Method(
        "BOHB",
        f"bohb({DENSITY},rungs=3)",
        remark=(
            "all rungs are the 12-epoch run; its code reads epochs 1, 4 and 12 of that run, which"
            " no extract has"
        ),
    ),
    *OURS,
)
_SECONDS = {"CIFAR-10": 20_000.0, "CIFAR-100": 40_000.0, "ImageNet16-120": 120_000.0}
_NOTES = [
    NOISE_NOTE,
    PROXIES_NOTE,
    "The published numbers of this protocol are not confirmed here, hence the question marks.",
]


def nats(work: Work) -> PaperResult:
    """The NATS-Bench paper's search on each data set: 500 runs a strategy, 20 with a model.

    Args:
        work: The folder, how many runs, and where.
    """
    runs = run_methods(_METHODS, _SECONDS, work)
    rows = []
    for dataset, seconds in _SECONDS.items():
        for method in _METHODS:
            rows.append(
                method_row(
                    "nats", method, dataset, runs[method.title, dataset], seconds
                )
            )
    rows += published_only("nats")
    curves = accuracy_curves(runs, _SECONDS["CIFAR-10"])
    title = "NATS-Bench (TPAMI 2021), topology space: test accuracy (%)"
    return work.result(title, rows, _NOTES, pictures={"curves.png": curves})
