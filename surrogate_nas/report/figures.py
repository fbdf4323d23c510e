"""The figures of a report with their captions, or a sentence where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from surrogate_nas.benchmarks import Question
from surrogate_nas.report.curves import (
    Curve,
    Panel,
    curve_over_cells,
    curve_over_cost,
    draw_curves,
    is_cut_off,
    reaches_zero,
)
from surrogate_nas.report.distribution import draw_distribution
from surrogate_nas.report.findings import final_questions, shared_cells, values_of
from surrogate_nas.report.front import draw_front, front_of
from surrogate_nas.report.look import Look, plain
from surrogate_nas.report.numbers import MISSED, clock, plural
from surrogate_nas.report.objectives import draw_objectives
from surrogate_nas.report.picture import Picture, picture
from surrogate_nas.space import Cell, listed
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.comparison.statistics import Anytime, Values
from surrogate_nas.study.store import Run

_WIDTH = 5.8
_LONGEST_LABEL = 60
_NONE = "no run found a feasible cell."
_Histories = dict[str, list[tuple[Anytime, Values]]]


class Figures:
    """Draws the figures of one comparison with at least one finished run."""

    def __init__(self, comparison: Comparison, looks: dict[str, Look]) -> None:
        """Read the history of every run.

        Args:
            comparison: The comparison.
            looks: How each strategy is drawn.
        """
        self.comparison = comparison
        self.looks = looks
        self.benchmark = comparison.objective.benchmark
        self.runs = {name: comparison.runs_of(name) for name in comparison.strategies}
        self._feasible = {name: comparison.feasible_runs_of(name) for name in comparison.strategies}
        self._histories = {
            name: [comparison.anytime(run) for run in runs] for name, runs in self._feasible.items() if runs
        }

    @property
    def _mean_of(self) -> str:
        """What a curve's value and band are, in words."""
        counts = sorted({len(histories) for histories in self._histories.values()})
        if counts == [1]:
            return "One run per strategy, so there is no band and chance is not averaged out."
        n = plural(counts[0], "run") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} runs"
        return f"Line: mean over {n}; band: bootstrap 95 % interval of that mean."

    @property
    def _until_feasible(self) -> str:
        """What curves show of runs before they hold a feasible cell, in words."""
        if not self.comparison.objective.constraints:
            return ""
        rule = "A line starts when every run holds a feasible cell."
        none = sum(len(runs) - len(self._feasible[name]) for name, runs in self.runs.items())
        if none:
            rule += f" {plural(none, 'run')} that found none {'is' if none == 1 else 'are'} left out."
        return rule

    def _with(self, shown: Callable[[Run, Anytime], Values]) -> _Histories:
        """Every history with the value shown after each of its trials: NaN until it holds a feasible answer."""
        values: _Histories = {}
        for name, histories in self._histories.items():
            values[name] = []
            for run, history in zip(self._feasible[name], histories, strict=True):
                told = self.comparison.reported(run)
                held = np.isfinite(history.score) & np.array([told[i].feasible for i in history.best])
                values[name].append((history, np.where(held, shown(run, history), np.nan)))
        return values

    def score(self) -> list[Picture] | str:
        """The incumbent's regret, or score where regret is undefined, over both clocks."""
        if not self._histories:
            return f"No curve of scores: {_NONE}"
        optimum = self.comparison.optimum
        offset = optimum or 0.0
        values = self._with(lambda _, history: history.score - offset)
        if self.comparison.objective.parts > 1:
            panel = Panel("", "share of the hypervolume missed (log scale)", True, rounding=self.comparison.rounding)
            return self._two_clocks("score", f"{MISSED} by what was found", self._until_feasible, values, panel)
        if optimum is None:
            what, y_label = "Score of the incumbent", "score of the incumbent"
        else:
            what, y_label = "Regret of the incumbent: its score minus the optimum of the space", "regret (log scale)"
        noise = None if optimum is None else self.comparison.noise
        panel = Panel("", y_label, optimum is not None, noise=noise, rounding=self.comparison.rounding)
        rule = self._until_feasible
        if noise is not None:
            rule += (
                " Grey: a regret that the noise of training could make, as two cells that differ by less may be equal; "
                "the band ends at the standard deviation of the mean over a cell's seeds, the dotted line is that of "
                f"one seed (on average over the {plural(noise.cells, 'best cell')} with several seeds)."
            )
        return self._two_clocks("score", what, rule, values, panel)

    def test(self) -> list[Picture] | str:
        """The main final metric of the incumbent, which is chosen by score, over both clocks."""
        questions = final_questions(self.comparison.objective)
        if not questions:
            return f"{self.benchmark.name} holds no final (test) metric that no search saw, so nothing was held out."
        if not self._histories:
            return f"No curve of a final metric: {_NONE}"
        question, metric = questions[0], self.benchmark.metric(questions[0].metric)
        values = self._with(partial(self._final, question))
        if not all(len(curve_over_cells(runs).x) for runs in values.values()):
            return f"No curve of {question}: some strategy has no moment at which it is held of all its incumbents."
        what = (
            f"{question}{f' (split {metric.split})' if metric.split else ''} of the incumbent, the cell with the best "
            f"score so far, never the best {metric.name} so far"
        )
        rule = f"No strategy saw it; a better score can bring a worse test. {self._until_feasible}"
        objective = self.comparison.objective
        reference, over_space = None, objective.over_space() if objective.parts == 1 else None
        if over_space is not None and self.comparison.optimum is not None:
            best = listed(self.benchmark.space)[int(over_space.score.argmin())]
            reference = float(values_of(self.benchmark, question, [best])[0])
            rule += " Dashed grey: the cell of the optimal score."
        direction = "larger is better" if metric.larger_is_better else ""
        in_words = ", ".join(filter(None, [metric.unit, direction]))
        y_label = plain(f"{question} of the incumbent ({in_words})", _LONGEST_LABEL)
        panel = Panel("", y_label, False, 0.0, reference, "optimum of the score", metric.larger_is_better)
        return self._two_clocks("test", what, rule, values, panel)

    def _final(self, question: Question, run: Run, history: Anytime) -> Values:
        return values_of(self.benchmark, question, [run.trials[i].cell for i in history.best])

    def _two_clocks(self, name: str, what: str, rule: str, values: _Histories, panel: Panel) -> list[Picture]:
        shared = shared_cells(self.comparison)
        same = " Shaded: the first cells, the same for all strategies of a run." if shared > 1 else ""
        over_cells = {strategy: curve_over_cells(runs) for strategy, runs in values.items()}
        cells = replace(panel, x_label="evaluated cells", shared_until=shared)
        caption = f"{what}, over evaluated cells. {self._mean_of}{same} {rule}"
        pictures = [self._curves(f"{name}-by-cells", caption, over_cells, cells)]
        if self.benchmark.cost == "queries":
            return pictures
        longest = max(history.cost[-1] for runs in values.values() for history, _ in runs)
        divisor, unit = clock(longest)
        over_cost = {strategy: curve_over_cost(runs, divisor) for strategy, runs in values.items()}
        caption = (
            f"{what}, over simulated {unit} spent. {self._mean_of} Only finished trials count: a line starts when "
            "every run has finished one and ends with its strategy's longest run, until when shorter runs keep their "
            f"last value. {rule}"
        )
        cost = replace(panel, x_label=f"simulated {unit}")
        return [*pictures, self._curves(f"{name}-by-cost", caption, over_cost, cost)]

    def _curves(self, name: str, caption: str, curves: dict[str, Curve], panel: Panel) -> Picture:
        if panel.logarithmic and reaches_zero(curves.values(), panel):
            caption += " A line at the lower edge has found the optimum in every run."
        elif not panel.logarithmic and is_cut_off(curves.values(), panel):
            caption += " The steep start is cut off."
        draw = partial(draw_curves, curves=curves, looks=self.looks, panel=panel)
        return picture(name, caption, draw, (_WIDTH, 4.0))

    def distribution(self) -> list[Picture] | str:
        """The final score of every run."""
        if not self._histories:
            return f"No final score: {_NONE}"
        caption = (
            "Final score of every run (coloured points, moved apart vertically); where there are several, their mean "
            "(diamond) and its bootstrap 95 % interval (bar)."
        )
        if any(len(runs) > len(self._feasible[name]) for name, runs in self.runs.items()):
            caption += " Runs that found no feasible cell are counted, not drawn, and are not part of this mean."
        optimum = self.comparison.optimum
        scores = {name: self.comparison.scores(name) for name in self.runs}
        counts = {name: len(runs) for name, runs in self.runs.items()}
        draw = partial(draw_distribution, scores=scores, counts=counts, looks=self.looks, optimum=optimum)
        return [picture("final-scores", caption, draw, (_WIDTH, 1.1 + 0.55 * len(self.runs)))]

    def front(self) -> list[Picture] | str:
        """L against λR: the whole trade-off, and the part where the runs ended."""
        objective = self.comparison.objective
        if objective.has_history:
            return "No Pareto front: diversity makes scores depend on a run's history, so no exact front exists."
        if objective.parts > 1:
            return self._objectives()
        if all(term.is_loss for term in objective.terms):
            return "No Pareto front: the objective has no regulariser, so there is nothing to trade L against."
        front = front_of(objective, [run for runs in self._feasible.values() for run in runs])
        if front is None:
            return f"No Pareto front: {self.benchmark.name} is no table with feasible cells, so it is not known."
        caption = (
            f"L against λR. Grey: all {len(listed(self.benchmark.space)):,} cells of the table; black: its exact "
            f"Pareto front ({plural(int(front.on_front.sum()), 'cell')}); dashed: lines of equal score, the darkest "
            "through the optimum (star); coloured: the best cell of each run, larger where several "
            "runs ended at the same one."
        )
        if front.hidden:
            caption += f" {plural(front.hidden, 'cell')} of higher L lie above the frame."
        near = (
            "The same, enlarged around the optimum (star) and the best cell of each run, drawn as outlines, so that "
            "those in one place show through one another."
        )
        draw = partial(draw_front, front=front, runs=self._feasible, looks=self.looks)
        size = (_WIDTH, 5.0)
        return [
            picture("pareto-front", caption, partial(draw, frame=front.whole), size),
            picture("pareto-front-near", near, partial(draw, frame=front.around_found, hollow=True), size),
        ]

    def _objectives(self) -> list[Picture] | str:
        """The first two of several objectives: all cells, the exact front, and what the runs found."""
        objective = self.comparison.objective
        found = {name: [self.comparison.vectors(run) for run in runs] for name, runs in self._feasible.items()}
        points = objective.over_space()
        if not self._histories:
            return f"No Pareto front: {_NONE}"
        caption = f"{objective.part_text(0)} against {objective.part_text(1)}. Coloured: " + (
            "the median attainment surface of each strategy, which half of its runs reach or dominate."
            if objective.parts == 2
            else "what no other cell of a strategy's runs beats in every objective."
        )
        if points is not None:
            caption += (
                " Grey: all feasible cells of the table; black: their exact front. Hypervolumes are taken between its "
                "best and its worst, to 1.1 in each objective; what lies beyond Tukey's fence in an objective with a "
                "loss, as cells do that cannot learn, bounds none."
            )
        every = None if points is None else points.vector[points.feasible]
        labels = plain(objective.part_text(0), _LONGEST_LABEL), plain(objective.part_text(1), _LONGEST_LABEL)
        draw = partial(draw_objectives, every=every, found=found, looks=self.looks, labels=labels)
        return [picture("pareto-front", caption, draw, (_WIDTH, 5.0))]

    def cell(self, cell: Cell, rank: int) -> Picture:
        """The graph of one of the best cells.

        Args:
            cell: A cell of a space that has graphs.
            rank: Its place among them.
        """
        space = self.comparison.objective.benchmark.space
        size = space.drawing_size or (1.0, 1.0)
        return picture(f"cell-{rank}", f"Graph of the cell {cell}.", partial(space.draw, cell=cell), size, None)
