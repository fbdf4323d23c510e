"""The NATS-Bench paper's search on each data set (Dong et al., TPAMI 2021): topology space.

The reward of `surrogate_nas.papers.nb201`, but a search on each data set, for 20,000, 40,000 and
120,000 simulated seconds; never to be mixed with it. Finished runs are kept in ``runs.jsonl``.
"""

from __future__ import annotations

from surrogate_nas.papers.common.paper import PaperResult, Work
from surrogate_nas.papers.common.searches import (
    DENSITY,
    NOISE_NOTE,
    OURS,
    PROXIES_NOTE,
    REA,
    Method,
    accuracy_curves,
    found_by,
    method_row,
    not_made_rows,
)

_METHODS = (
    Method("random search", "random"),
    Method(REA, "evolution"),
    Method("REINFORCE", "reinforce"),
    Method(
        "BOHB",
        f"bohb({DENSITY},rungs=3)",
        says=(
            "all rungs are the 12-epoch run; its code reads epochs 1, 4 and 12 of that run, which"
            " no extract holds"
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
    """The NATS-Bench paper's search on each data set: at most 500 runs a strategy, 20 of what asks
    a model.

    Args:
        work: The folder, how many runs, and where.
    """
    found = found_by(_METHODS, _SECONDS, work)
    rows = [
        method_row("nats", method, data, found[method.title, data], seconds)
        for data, seconds in _SECONDS.items()
        for method in _METHODS
    ]
    curves = accuracy_curves(found, _SECONDS["CIFAR-10"])
    title = "NATS-Bench (TPAMI 2021), topology space: test accuracy (%)"
    return work.result(
        title, [*rows, *not_made_rows("nats")], _NOTES, pictures={"curves.png": curves}
    )
