"""Searches within simulated seconds: runs that are kept, what each had found and when, and their
rows.

The papers' conventions: no shared first cells, and what would end after the budget does not count.
The two protocols on NAS-Bench-201 (`surrogate_nas.papers.nb201`, `surrogate_nas.papers.nats`)
report the best validated cell by its test accuracy after 200 epochs, mean of seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.papers.common.paper import Row, Work, canvas, draw_curves, published
from surrogate_nas.papers.common.ranks import Values
from surrogate_nas.study.options import Budget
from surrogate_nas.study.runner import Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DATA_SETS = {
    "CIFAR-10": "nb201-cifar10",
    "CIFAR-100": "nb201-cifar100",
    "ImageNet16-120": "nb201-imagenet16",
}
"""The benchmark of every data set."""
REWARD = "valid_error[12]"
WHOLE = "valid_error"
"""The papers' reward, and what stands behind it."""
BO = "BO (ours)"
ZERO_COST = "zero-cost BO (ours)"
REA = "REA"
DENSITY = "bandwidth_factor=3,min_bandwidth=0.3,num_samples=4,random_fraction=0"
"""BOHB's, as the code of both papers sets it."""
NOISE_NOTE = (
    "The papers drew one training seed at random as the reward; this table has the mean over seeds"
    " at 12 epochs, so that noise (about 0.85 points on CIFAR-10) is missing here and searches do a"
    " little better."
)
PROXIES_NOTE = (
    "Zero-cost BO is told the proxies of all cells, which were computed once for the whole space;"
    " the simulated seconds do not hold that, while RoBoT's hold its scores."
)
_TOLERANCE = {"CIFAR-10": 0.15, "CIFAR-100": 0.4, "ImageNet16-120": 0.6}
_DRAWN = ("random search", REA, "REINFORCE", "BOHB", ZERO_COST, BO)
_MANY = 500
_FEW = 20
_ROUNDING = 0.005
"""Published figures have two decimals."""


class Search(NamedTuple):
    """One strategy on one benchmark; `seed` is the training seed that it sees, None for what the
    benchmark says.
    """

    benchmark: str
    objective: str
    strategy: str
    seconds: float
    seed: int | None = None

    @property
    def name(self) -> str:
        """By which its runs are kept."""
        told = (self.benchmark, self.objective, self.strategy, self.seconds)
        return ", ".join(map(str, told if self.seed is None else (*told, f"seed {self.seed}")))


class Found(NamedTuple):
    """What one run found."""

    ends: list[float]  # When its trials ended, in simulated seconds
    # Each change of the best validated cell: the number of the trial, and the cell's index
    best: list[tuple[int, int]]

    def at(self, seconds: float) -> int | None:
        """The index of the best validated cell after some time; None where none had been trained to
        the end.
        """
        done = self.cells_at(seconds)
        return next((cell for trial, cell in reversed(self.best) if trial < done), None)

    def cells_at(self, seconds: float) -> int:
        """How many trials had ended."""
        return int(np.searchsorted(self.ends, seconds, side="right"))


def run_searches(
    searches: Sequence[tuple[Search, int]],
    kept: str,
    work: Work,
) -> dict[Search, list[Found]]:
    """Make as many runs of each as are asked for, but those that an earlier call has finished."""
    jobs = {f"{search.name}, {run}": (search, run) for search, n in searches for run in range(n)}
    prints = sorted({_objective(s.benchmark, s.objective, s.seed).fingerprint for s, _ in searches})
    made = work.results(run_search, jobs, kept, {"objectives": prints})
    return {
        search: [Found(*made[f"{search.name}, {run}"]) for run in range(n)]
        for search, n in searches
    }


@lru_cache(maxsize=8)
def _objective(benchmark: str, objective: str, seed: int | None) -> Objective:
    return Objective(objective, load(benchmark), seed=seed)


def run_search(job: tuple[Search, int]) -> Found:
    """Make one run."""
    search, number = job
    objective = _objective(search.benchmark, search.objective, search.seed)
    experiment = Experiment(
        objective, [search.strategy], number + 1, Budget(seconds=search.seconds), first_cells=0
    )
    run = experiment.one(experiment.entries[0], number)
    if run.failure:
        raise UserError(run.failure)
    best: list[tuple[int, int]] = []
    least = np.inf
    for trial in run.answers:
        if trial.score < least:
            least = trial.score
            best.append((trial.index, trial.cell.index))
    return Found([trial.finished for trial in run.trials], best)


class Method(NamedTuple):
    """A strategy that is run: what rows call it, what it minimises, its most runs, and what its row
    must say.
    """

    title: str
    strategy: str
    objective: str = REWARD
    runs: int = _MANY
    says: str = ""


_OWN_RUNS = "12 and 200 epochs as runs of their own"
OURS = (
    Method("first-improvement local search (ours)", "first_improvement"),
    Method("iterated local search (ours)", "iterated_local_search"),
    Method(
        "BOHB's density, no brackets", f"bohb({DENSITY},rungs=1)", says="every cell trained once"
    ),
    Method("Hyperband, 12 and 200 epochs", "hyperband", WHOLE, says=_OWN_RUNS),
    Method("ASHA, 12 and 200 epochs", "asha", WHOLE, says=_OWN_RUNS),
    Method("BOHB, 12 and 200 epochs", "bohb", WHOLE, says=_OWN_RUNS),
    Method("BO, 12 and 200 epochs (ours)", "bo_epochs", WHOLE, _FEW, _OWN_RUNS),
    Method(ZERO_COST, "zero_cost", runs=_FEW, says="told proxies of all cells for free"),
    Method(BO, "bo", runs=_FEW),
)
"""What is run on both protocols besides the papers' own."""


def found_by(
    methods: Sequence[Method],
    seconds: Mapping[str, float],
    work: Work,
) -> dict[tuple[str, str], list[Found]]:
    """The runs of every method, by its title, on every data set that is searched on."""
    searches = {
        (method.title, data): (
            Search(DATA_SETS[data], method.objective, method.strategy, seconds[data]),
            min(method.runs, work.runs or method.runs),
        )
        for data in seconds
        for method in methods
    }
    made = run_searches(list(searches.values()), "runs.jsonl", work)
    return {key: made[search] for key, (search, _) in searches.items()}


def accuracy_of(dataset: str, found: Sequence[Found], seconds: float) -> Values:
    """Test accuracy (%) after 200 epochs of what runs had found after some time, of those that had
    anything.
    """
    test: Values = 100.0 - load(DATA_SETS[dataset]).column("test_error", 200)
    return test[[cell for one in found if (cell := one.at(seconds)) is not None]]


def row_of(
    method: str,
    dataset: str,
    found: Sequence[Found],
    seconds: float,
    says: Sequence[str],
    **more: Any,
) -> Row:
    """The row of what runs had found after some time."""
    accuracy = accuracy_of(dataset, found, seconds)
    cells = float(np.mean([one.cells_at(seconds) for one in found]))
    told = "; ".join(filter(None, says))
    return Row.over(
        method, dataset, "test_accuracy", accuracy, evaluations=cells, verdict=told, **more
    )


def verdict(ours: float, printed: float | None, dataset: str) -> str:
    """Whether our mean accuracy agrees with a printed one."""
    if printed is None:
        return "ours only"
    difference = ours - printed
    within = abs(difference) <= _TOLERANCE[dataset]
    return (
        f"{'agrees' if within else 'differs'}: {difference:+.2f} (tolerance {_TOLERANCE[dataset]})"
    )


def method_row(
    paper: str, method: Method, dataset: str, found: Sequence[Found], seconds: float, *says: str
) -> Row:
    """The row of a method within the whole budget."""
    told = published(paper).get((method.title, dataset, "test_accuracy"))
    mean = float(accuracy_of(dataset, found, seconds).mean())
    agrees = verdict(mean, told and told.value, dataset)
    beside = {"published": told.value, "published_std": told.std, "mark": told.mark} if told else {}
    says = (agrees, method.says, *says)
    return row_of(method.title, dataset, found, seconds, says, runs=len(found), **beside)


def not_made_rows(paper: str) -> Iterator[Row]:
    """What is printed and not made here, with the reason."""
    return (told.row() for told in published(paper).values() if told.note.startswith("not made"))


def against_published(ours: Values, name: str, mean: float) -> str:
    """Our runs against a published mean; no test, since a published search saw the noise of one
    seed.
    """
    difference = float(ours.mean() - mean)
    same = " in every run" if len(ours) > 1 and np.ptp(ours) == 0 else ""
    return (
        f"{name} {mean:.2f} is reached{same}"
        if same and abs(difference) <= _ROUNDING
        else (f"{difference:+.2f} to {name} {mean:.2f}{same}")
    )


def against_runs(ours: Values, name: str, theirs: Values) -> str:
    """Our runs against others of ours, by Mann & Whitney's test."""
    from scipy import stats

    p = stats.mannwhitneyu(ours, theirs).pvalue
    how = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return f"{float(ours.mean() - theirs.mean()):+.2f} to {name} (Mann–Whitney {how})"


def accuracy_curves(found: Mapping[tuple[str, str], Sequence[Found]], seconds: float) -> Figure:
    """Test accuracy on CIFAR-10 of the best validated cell so far, over simulated seconds; mean and
    95 % interval.
    """
    test = 100.0 - load(DATA_SETS["CIFAR-10"]).column("test_error", 200)
    grid = np.linspace(seconds / 100, seconds, 200)
    curves = {}
    for name in _DRAWN:
        runs = found[name, "CIFAR-10"]
        ends = [
            [np.nan if (cell := run.at(moment)) is None else test[cell] for moment in grid]
            for run in runs
        ]
        curves[f"{name} ({len(runs)} runs)"] = np.array(ends)
    figure = canvas(7, 4.5)
    axes = figure.add_subplot()
    draw_curves(axes, grid, curves, step="post")
    axes.set(
        xlabel="simulated seconds",
        ylabel="CIFAR-10 test accuracy (%) of the best validated cell",
        ylim=(92.0, 94.5),
        title="Search on 12-epoch validation, reported after 200 epochs",
    )
    axes.axhline(float(test.max()), color="grey", linewidth=0.8)
    axes.annotate(
        "optimum of the table", (seconds, float(test.max())), ha="right", va="bottom", fontsize=8
    )
    axes.legend(loc="lower right")
    return figure
