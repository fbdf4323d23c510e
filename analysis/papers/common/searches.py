"""Searches within simulated seconds: what each run had found and when, and the rows of it.

The papers' conventions: no shared initial cells, and what would end after the budget does not
count. The two protocols on NAS-Bench-201 (`analysis.papers.nb201`,
`analysis.papers.nats`) report the best validated cell by its test accuracy after 200 epochs,
mean of seeds.

The study's runner makes the runs. Of each, only the trajectory is stored: 2 kB instead of the 42 kB
that all trials of 12,000 seconds take, and the two papers have 20,000 runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analysis.papers.common.paper import Row, Work, joined, published, published_fields
from analysis.papers.common.pictures import Level, Note, Panel, mean_curves, picture
from analysis.papers.common.ranks import Values
from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DATA_SETS = {
    "CIFAR-10": "nb201-cifar10",
    "CIFAR-100": "nb201-cifar100",
    "ImageNet16-120": "nb201-imagenet16",
}
"""The benchmark of every data set."""
METRIC = "test_accuracy"
REWARD = "valid_error[12]"
WHOLE = "valid_error"
"""The papers' reward, and the same after all epochs."""
BO = "BO (ours)"
ZERO_COST = "zero-cost BO (ours)"
REA = "REA"
DENSITY = "bandwidth_factor=3,min_bandwidth=0.3,num_samples=4,random_fraction=0"
"""Options of BOHB's density, as the code of both papers sets them."""
NOISE_NOTE = (
    "The papers drew one training seed at random as the reward. This table has the mean over seeds"
    " at 12 epochs, so searches do a little better here: that noise (about 0.85 points on CIFAR-10)"
    " is missing."
)
PROXIES_NOTE = (
    "Zero-cost BO knows the proxies of all cells, which were computed once for the whole space. The"
    " simulated seconds do not include that, while RoBoT's include its scores."
)
_TOLERANCE = {"CIFAR-10": 0.15, "CIFAR-100": 0.4, "ImageNet16-120": 0.6}
_IN_PICTURE = ("random search", REA, "REINFORCE", "BOHB", ZERO_COST, BO)
_MANY = 500
_FEW = 20
_ROUNDING = 0.005
"""Published figures have two decimals."""


class Search(NamedTuple):
    """One strategy on one benchmark."""

    benchmark: str
    objective: str
    strategy: str
    seconds: float  # The budget
    seed: int | None = (
        None  # The training seed that it sees; None for the benchmark's own choice
    )


class Trajectory(NamedTuple):
    """What one run had found, and when."""

    finished: list[float]  # When its trials ended, in simulated seconds
    # Each change of the best validated cell: the number of the trial, and the cell's index
    incumbents: list[tuple[int, int]]

    def incumbent_at(self, seconds: float) -> int | None:
        """The index of the best validated cell after some time; None where there was none yet."""
        n_trials = self.cells_at(seconds)
        known = [cell for trial, cell in self.incumbents if trial < n_trials]
        return known[-1] if known else None

    def cells_at(self, seconds: float) -> int:
        """How many trials had ended after some time."""
        return int(np.searchsorted(self.finished, seconds, side="right"))


def run_searches(
    n_runs: Mapping[Search, int], file: str, work: Work
) -> dict[Search, list[Trajectory]]:
    """Make the runs of every search that no earlier call has finished; returns all of them."""
    prints = {_objective(s.benchmark, s.objective, s.seed).fingerprint for s in n_runs}
    results = work.runs_of(trajectory_of, n_runs, file, {"objectives": sorted(prints)})
    return {
        search: [Trajectory(*run) for run in runs] for search, runs in results.items()
    }


@lru_cache(maxsize=8)
def _objective(benchmark: str, objective: str, seed: int | None) -> Objective:
    return Objective(objective, load(benchmark), training_seed=seed)


def trajectory_of(job: tuple[Any, ...]) -> Trajectory:
    """Make one run: a search's fields, and the number of the run."""
    search = Search(*job[:-1])
    number = job[-1]
    experiment = Experiment(
        objective=_objective(search.benchmark, search.objective, search.seed),
        strategies=[search.strategy],
        runs=number + 1,
        budget=Budget(seconds=search.seconds),
        n_random=0,
    )
    run = experiment.one(experiment.entries[0], number)
    if run.failure:
        raise UserError(run.failure)
    incumbents: list[tuple[int, int]] = []
    lowest = np.inf
    for trial in run.answers:
        if trial.score < lowest:
            lowest = trial.score
            incumbents.append((trial.index, trial.cell.index))
    return Trajectory([trial.finished for trial in run.trials], incumbents)


class Method(NamedTuple):
    """A strategy of a paper: its name in rows, what it minimises, its most runs, and a remark."""

    title: str
    strategy: str
    objective: str = REWARD
    runs: int = _MANY
    remark: str = ""


_SEPARATE_RUNS = "12 and 200 epochs as runs of their own"
OURS = (
    Method("first-improvement local search (ours)", "first_improvement"),
    Method("iterated local search (ours)", "iterated_local_search"),
    Method(
        "BOHB's density, no brackets",
        f"bohb({DENSITY},rungs=1)",
        remark="every cell trained once",
    ),
    Method("Hyperband, 12 and 200 epochs", "hyperband", WHOLE, remark=_SEPARATE_RUNS),
    Method("ASHA, 12 and 200 epochs", "asha", WHOLE, remark=_SEPARATE_RUNS),
    Method("BOHB, 12 and 200 epochs", "bohb", WHOLE, remark=_SEPARATE_RUNS),
    Method("BO, 12 and 200 epochs (ours)", "bo_epochs", WHOLE, _FEW, _SEPARATE_RUNS),
    Method(
        ZERO_COST,
        "zero_cost",
        runs=_FEW,
        remark="knows proxies of all cells for free",
    ),
    Method(BO, "bo", runs=_FEW),
)
"""What is run on both protocols besides the papers' own methods."""


def run_methods(
    methods: Sequence[Method], seconds: Mapping[str, float], work: Work
) -> dict[tuple[str, str], list[Trajectory]]:
    """The runs by a method's title and a data set, for every data set with a budget."""
    searches = {}
    n_runs = {}
    for dataset, budget in seconds.items():
        for method in methods:
            search = Search(
                DATA_SETS[dataset], method.objective, method.strategy, budget
            )
            searches[method.title, dataset] = search
            n_runs[search] = min(method.runs, work.runs or method.runs)
    runs = run_searches(n_runs, "runs.jsonl", work)
    return {key: runs[search] for key, search in searches.items()}


def accuracy_of(dataset: str, runs: Sequence[Trajectory], seconds: float) -> Values:
    """Test accuracy (%) after 200 epochs of what runs had found by then; runs without are left out.

    Returns:
        Shape ``(runs,)`` at most.
    """
    accuracy: Values = 100.0 - load(DATA_SETS[dataset]).column("test_error", 200)
    incumbents = [run.incumbent_at(seconds) for run in runs]
    return accuracy[[cell for cell in incumbents if cell is not None]]


def accuracy_row(
    method: str,
    dataset: str,
    trajectories: Sequence[Trajectory],
    seconds: float,
    remarks: Sequence[str],
    **fields: Any,
) -> Row:
    """The row of what runs had found after some time."""
    return Row.over(
        method,
        dataset,
        METRIC,
        accuracy_of(dataset, trajectories, seconds),
        evaluations=float(np.mean([run.cells_at(seconds) for run in trajectories])),
        verdict=joined(*remarks),
        **fields,
    )


def verdict(ours: float, printed: float | None, dataset: str) -> str:
    """Whether our mean accuracy agrees with a printed one."""
    if printed is None:
        return "ours only"
    difference = ours - printed
    tolerance = _TOLERANCE[dataset]
    word = "agrees" if abs(difference) <= tolerance else "differs"
    return f"{word}: {difference:+.2f} (tolerance {tolerance})"


def method_row(
    paper: str,
    method: Method,
    dataset: str,
    runs: Sequence[Trajectory],
    seconds: float,
    *remarks: str,
) -> Row:
    """The row of a method within the whole budget."""
    fields = published_fields(paper, method.title, dataset, METRIC)
    mean = float(accuracy_of(dataset, runs, seconds).mean())
    agreement = verdict(mean, fields.get("published"), dataset)
    remarks = (agreement, method.remark, *remarks)
    return accuracy_row(
        method.title, dataset, runs, seconds, remarks, **{**fields, "runs": len(runs)}
    )


def published_only(paper: str) -> list[Row]:
    """The published numbers that are not made here, with the reason."""
    entries = published(paper).values()
    return [entry.row() for entry in entries if entry.note.startswith("not made")]


def against_published(ours: Values, name: str, mean: float) -> str:
    """Our runs against a published mean; no test, since a published search saw one noisy seed."""
    difference = float(ours.mean() - mean)
    equal = len(ours) > 1 and np.ptp(ours) == 0
    if equal and abs(difference) <= _ROUNDING:
        return f"{name} {mean:.2f} is reached in every run"
    text = f"{difference:+.2f} to {name} {mean:.2f}"
    return f"{text} in every run" if equal else text


def against_runs(ours: Values, name: str, theirs: Values) -> str:
    """Our runs against others of ours, by Mann and Whitney's test."""
    from scipy import stats

    p = stats.mannwhitneyu(ours, theirs).pvalue
    p_text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    difference = float(ours.mean() - theirs.mean())
    return f"{difference:+.2f} to {name} (Mann–Whitney {p_text})"


def accuracy_curves(
    runs: Mapping[tuple[str, str], Sequence[Trajectory]], seconds: float
) -> Figure:
    """Test accuracy on CIFAR-10 of the best validated cell over simulated seconds."""
    accuracy = 100.0 - load(DATA_SETS["CIFAR-10"]).column("test_error", 200)
    moments = np.linspace(seconds / 100, seconds, 200)
    curves = {}
    for name in _IN_PICTURE:
        own = runs[name, "CIFAR-10"]
        values = np.full((len(own), len(moments)), np.nan)
        for i, run in enumerate(own):
            for j, moment in enumerate(moments):
                cell = run.incumbent_at(moment)
                if cell is not None:
                    values[i, j] = accuracy[cell]
        curves[f"{name} ({len(own)} runs)"] = values
    optimum = float(accuracy.max())
    panel = Panel(
        [
            *mean_curves(moments, curves, steps=True),
            Level(optimum),
            Note("optimum of the table", seconds, optimum),
        ],
        title="Search on 12-epoch validation, reported after 200 epochs",
        legend="lower right",
        axes={
            "xlabel": "simulated seconds",
            "ylabel": "CIFAR-10 test accuracy (%) of the best validated cell",
            "ylim": (92.0, 94.5),
        },
    )
    return picture([[panel]], 7, 4.5)
