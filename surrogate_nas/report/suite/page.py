"""The page of a suite: what stands in it, as data for its template."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.look import looks
from surrogate_nas.report.markup import Content, Head, Shown, Table, render
from surrogate_nas.report.numbers import plural
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.suite.aggregate import regret_intervals
from surrogate_nas.report.suite.critical import diagram
from surrogate_nas.report.suite.matrices import improvement_matrix, regret_map
from surrogate_nas.report.suite.overview import overview
from surrogate_nas.report.suite.tables import (
    accounts_table,
    pairs_table,
    problems_table,
    runtime_table,
    strategies_table,
)
from surrogate_nas.strategies.listing import described
from surrogate_nas.strategies.reference import Reference
from surrogate_nas.study.store import provenance
from surrogate_nas.study.suite.bootstrap import RESAMPLES

if TYPE_CHECKING:
    from surrogate_nas.study.suite import SuiteResult

_HEADLINE = 3
"""Sentences of the verdict that say who leads and whether that is decided; the others say what would change it."""
_MOST_FAILURES = 20
_LONGEST_TABLE = 30
"""Rows above which a table is folded."""


class Section(NamedTuple):
    """A table with its heading, its files and what a reader must know.

    Attributes:
        title: The heading.
        table: The table.
        files: The stem of its CSV and LaTeX in ``tables/``.
        note: In small letters.
    """

    title: str
    table: Table
    files: str
    note: str

    @property
    def folded(self) -> bool:
        """Whether it is opened by a click, because it is long."""
        return len(self.table.rows) > _LONGEST_TABLE


class SuitePage:
    """Gathers what a page shows."""

    def __init__(self, result: SuiteResult, command: str, explorer: str = "") -> None:
        """Take what is reported.

        Args:
            result: What the suite has found.
            command: The command that made it, or empty.
            explorer: The file of the explorer beside the page, or empty.
        """
        self.result = result
        self.command = command
        self.explorer = explorer
        self._looks = looks(result.strategies)
        self._order = [told["name"] for told in result.summary["strategies"]]

    @cached_property
    def figures(self) -> dict[str, list[Picture] | str]:
        """The figures of every section, or a sentence where there is nothing to draw."""
        result, order, by_name = self.result, self._order, self._looks
        return {
            "overview": [overview(result, order, by_name)],
            "critical": self._critical(),
            "regret": [regret_intervals(result, order, by_name)],
            "improvement": [improvement_matrix(result, order)] if result.improvements else [],
            "map": [regret_map(result, order)],
        }

    @property
    def pictures(self) -> list[Picture]:
        """Every figure of the page, in its order."""
        return [picture for drawn in self.figures.values() if not isinstance(drawn, str) for picture in drawn]

    def html(self) -> str:
        """The whole document."""
        result, runs = self.result, [entrant.runs for entrant in self.result.suite.entrants]
        sentences = result.verdict.sentences
        each = plural(max(runs), "run") if len(set(runs)) == 1 else f"{min(runs):,} to {plural(max(runs), 'run')}"
        return render(
            "suite.html",
            title=result.suite.title,
            counts=f"{len(result.strategies)} strateg{'y' if len(result.strategies) == 1 else 'ies'} on "
            f"{plural(len(result.problems), 'problem')}, {each} of each a problem, root seed {result.suite.seed}",
            failures=result.failures[:_MOST_FAILURES],
            more_failures=max(len(result.failures) - _MOST_FAILURES, 0),
            skipped=[(skipped.problem.name, skipped.reason) for skipped in result.skipped],
            headline=sentences[:_HEADLINE],
            changes=sentences[_HEADLINE:],
            **self.figures,
            tables=self._tables(),
            conventions=_CONVENTIONS,
            provenance=Table([Head(""), Head("")], self._provenance(), texts=2, facts=True),
            command=self.command,
            explorer=self.explorer,
        )

    def _critical(self) -> list[Picture] | str:
        drawn = [diagram(critical, self.result.strategies, self._looks) for critical in self.result.critical]
        said = [one for one in drawn if isinstance(one, str)]
        return said[0] if said else [one for one in drawn if not isinstance(one, str)]

    def _tables(self) -> list[Section]:
        result = self.result
        return [
            Section(
                "Strategies", strategies_table(result, self._looks), "strategies",
                "Probability best: the share of resamples in which the strategy has the best rank, with resampled runs "
                "on these problems, and with resampled problems too.",
            ),
            Section(
                "Problems", problems_table(result), "problems",
                "Normalised regret is (score − optimum) / (random sampling − optimum); where no table tells these, the "
                "best of all runs and their mean stand for them. Seed noise: the standard deviation over training "
                "seeds of the best cells, in the same unit; differences below it say nothing about the next training.",
            ),
            Section(
                "Pairs", pairs_table(result, self._looks), "pairs",
                "Over problems: Wilcoxon's signed-rank test of mean normalised regrets, Holm's correction over all "
                "pairs; bold below 0.05. Detectable: the smallest difference that so many problems, or so many runs, "
                "would show with a probability of 80 %. By its runs: problems on which the first is significantly "
                "better or worse over paired runs.",
            ),
            Section(
                "Expected running time", runtime_table(result, self._order), "runtime",
                "What all runs spent until the target, divided by how many reached it: what it takes when runs are "
                "begun again until one does.",
            ),
            Section(
                "Accounts", accounts_table(result, self._looks), "accounts",
                "Over all runs. A cell that is asked for again answers the same and is charged again. Time in all is "
                "that of strategy and evaluation on the machine that ran them.",
            ),
        ]  # fmt: skip

    def _provenance(self) -> list[list[Content]]:
        rows: list[tuple[str, str]] = [("suite", self.result.suite.name), ("root seed", str(self.result.suite.seed))]
        for name in dict.fromkeys(p.problem.benchmark for p in self.result.problems):
            rows += _benchmark(name)
        rows += [("to cite", paper) for paper in _papers(self.result.strategies)]
        rows += [(str(name), str(value)) for name, value in provenance().items()]
        return [[name, Shown(value, "code")] for name, value in rows]


def _benchmark(name: str) -> list[tuple[str, str]]:
    """Where a benchmark's data comes from; nothing where it is no longer here."""
    try:
        benchmark = load(name)
    except UserError:
        return []
    source = f"{name}: {benchmark.title}. Source: {benchmark.source}. Licence: {benchmark.licence}."
    return [("data", source), ("to cite", f"{benchmark.citation}; {benchmark.space.citation}".strip("; "))]


def _papers(strategies: Sequence[str]) -> list[str]:
    """The papers of strategies that name one, each once."""
    papers = {told["name"]: told["paper"] for told in described()}
    named = [papers.get(Reference.parse(name).head, "") for name in strategies]
    return list(dict.fromkeys(paper.replace('"', "") for paper in named if paper))


_CONVENTIONS = (
    "All strategies of a problem have the same L, R, λ, limits and budget. Run k of every strategy starts from the "
    "same first cells, and they count.",
    "Ranks are taken problem by problem, of mean normalised regrets; equals share the mean of their places.",
    "Random sampling draws with replacement; its expectation is exact on a table. The strategy random does not ask for "
    "a known cell again.",
    "Where a search sees one drawn training seed of each cell, what it hands over is reported by the mean over seeds.",
    "A run that failed, or found no feasible cell, counts as one random feasible cell: it is never left out.",
    f"Problems weigh equally. Bands and intervals hold 95 % of {RESAMPLES:,} resamples of the runs within each "
    "problem; they say nothing about other problems, the tests over problems do.",
)
