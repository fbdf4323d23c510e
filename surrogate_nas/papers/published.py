"""What the papers of two search protocols on NAS-Bench-201 print, and the strategies that are run beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Published = Mapping[str, tuple[float, float | None]]
"""By data set the mean test accuracy in %, and its standard deviation."""

DATA_SETS = {"CIFAR-10": "nb201-cifar10", "CIFAR-100": "nb201-cifar100", "ImageNet16-120": "nb201-imagenet16"}
"""The benchmark of every data set."""
_ALL_SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
_RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
REWARD, WHOLE = "valid_error[12]", "valid_error"
"""The papers' reward, and what stands behind it."""
_MANY, _FEW = 500, 20
_DENSITY = "bandwidth_factor=3,min_bandwidth=0.3,num_samples=4,random_fraction=0"


class Method(NamedTuple):
    """A strategy that is run.

    Attributes:
        title: What rows call it.
        strategy: As `surrogate_nas.strategies.resolve` takes it.
        mark: How sure its published figures are.
        published: Those, where there are some.
        objective: What it minimises.
        runs: How many runs are made of it where nobody says otherwise.
        says: What its row must say.
    """

    title: str
    strategy: str
    mark: str = ""
    published: Published = {}
    objective: str = REWARD
    runs: int = _MANY
    says: str = ""


BO, ZERO_COST, REA = "BO (ours)", "zero-cost BO (ours)", "REA"
_OWN_RUNS = "12 and 200 epochs as runs of their own"
_OURS = (
    Method("first-improvement local search (ours)", "first_improvement"),
    Method("iterated local search (ours)", "iterated_local_search"),
    Method("BOHB's density, no brackets", f"bohb({_DENSITY},rungs=1)", says="every cell trained once"),
    Method("Hyperband, 12 and 200 epochs", "hyperband", objective=WHOLE, says=_OWN_RUNS),
    Method("ASHA, 12 and 200 epochs", "asha", objective=WHOLE, says=_OWN_RUNS),
    Method("BOHB, 12 and 200 epochs", "bohb", objective=WHOLE, says=_OWN_RUNS),
    Method("BO, 12 and 200 epochs (ours)", "bo_epochs", objective=WHOLE, runs=_FEW, says=_OWN_RUNS),
    Method(ZERO_COST, "zero_cost", runs=_FEW, says="told proxies of all cells for free"),
    Method(BO, "bo", runs=_FEW),
)

NB201 = (
    Method(
        "random search", "random", "I",
        {"CIFAR-10": (93.70, 0.36), "CIFAR-100": (71.04, 1.07), "ImageNet16-120": (44.57, 1.25)},
    ),
    Method(
        REA, "evolution", "I",
        {"CIFAR-10": (93.92, 0.30), "CIFAR-100": (71.84, 0.99), "ImageNet16-120": (45.54, 1.03)},
    ),
    Method(
        "REINFORCE", "reinforce", "I",
        {"CIFAR-10": (93.85, 0.37), "CIFAR-100": (71.71, 1.09), "ImageNet16-120": (45.24, 1.18)},
    ),
    Method(
        "BOHB", f"bohb({_DENSITY},rungs=3)", "I",
        {"CIFAR-10": (93.61, 0.52), "CIFAR-100": (70.85, 1.28), "ImageNet16-120": (44.42, 1.49)},
        says="as its code: all three rungs are the 12-epoch run, made again",
    ),
    *_OURS,
)  # fmt: skip
"""What is run on the protocol of table 5."""
UNCONFIRMED = {(REA, "ImageNet16-120")}
"""Figures of `NB201` that could not be confirmed."""
CELLS: dict[str, tuple[str, str | None, Published]] = {
    "DARTS V1/V2, ENAS (all-skip cell)": (
        "C", _ALL_SKIP, {"CIFAR-10": (54.30, None), "CIFAR-100": (15.61, None), "ImageNet16-120": (16.32, None)},
    ),
    "ResNet (cell)": (
        "C", _RESNET, {"CIFAR-10": (93.97, None), "CIFAR-100": (70.86, None), "ImageNet16-120": (43.63, None)},
    ),
    "optimum": (
        "D", None, {"CIFAR-10": (94.37, None), "CIFAR-100": (73.51, None), "ImageNet16-120": (47.31, None)},
    ),
}  # fmt: skip
"""Cells that are read from the table: mark, cell (None for the best), and what is published."""
_ONE_SHOT = "not made: one-shot methods train a supernet, which no table holds"
ROBOT = ("RoBoT", 3_051.0)
"""With what it is said to have cost."""
ABSENT: dict[str, tuple[str, Published, str]] = {
    f"{ROBOT[0]}, {ROBOT[1]:,.0f} s": (
        "I", {"CIFAR-10": (94.36, 0.0), "CIFAR-100": (73.51, 0.0), "ImageNet16-120": (46.34, 0.0)},
        "not made: zero-cost scores of its own, combined by Bayesian optimisation",
    ),
    "GDAS": ("C", {"CIFAR-10": (93.61, 0.09), "CIFAR-100": (70.70, 0.30), "ImageNet16-120": (41.84, 0.90)}, _ONE_SHOT),
    "RSPS, SETN": ("", {}, _ONE_SHOT),
}  # fmt: skip
"""What is not made here: mark, figures and the reason."""

NATS = (
    Method(
        "random search", "random", "?",
        {"CIFAR-10": (93.86, None), "CIFAR-100": (71.55, None), "ImageNet16-120": (45.28, None)},
    ),
    Method(
        REA, "evolution", "?",
        {"CIFAR-10": (94.02, None), "CIFAR-100": (72.23, None), "ImageNet16-120": (45.77, None)},
    ),
    Method(
        "REINFORCE", "reinforce", "?",
        {"CIFAR-10": (93.90, None), "CIFAR-100": (71.86, None), "ImageNet16-120": (45.64, None)},
    ),
    Method(
        "BOHB", f"bohb({_DENSITY},rungs=3)", "?",
        {"CIFAR-10": (93.94, None), "CIFAR-100": (72.00, None), "ImageNet16-120": (45.70, None)},
        says="all rungs are the 12-epoch run; its code reads epochs 1, 4 and 12 of that run, which no extract holds",
    ),
    *_OURS,
)  # fmt: skip
"""What is run on the protocol of NATS-Bench."""
NATS_ABSENT: dict[str, tuple[str, Published, str]] = {
    "MF-NAS": (
        "C", {"CIFAR-10": (94.36, 0.0), "CIFAR-100": (73.51, 0.0), "ImageNet16-120": (46.48, 0.21)},
        "not made: training-free scores and fidelities of its own",
    ),
}  # fmt: skip
"""What is not made here: mark, figures and the reason."""
NATS_SECONDS = {"CIFAR-10": 20_000.0, "CIFAR-100": 40_000.0, "ImageNet16-120": 120_000.0}
