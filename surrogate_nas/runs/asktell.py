"""A search whose loop is the caller's: ask for cells, evaluate them anywhere, tell what came
out.
"""

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, SupportsFloat, overload

from surrogate_nas.benchmarks.computed import Computed, Function, Metric, declared
from surrogate_nas.core import (
    Direction,
    UserError,
    check_argument,
    check_number,
    check_whole,
    checked,
    former,
    plural,
)
from surrogate_nas.objective import Expression, Objective
from surrogate_nas.runs.beginning import FirstLike, read_beginning
from surrogate_nas.runs.ledger import Asked, Ledger, Outcome
from surrogate_nas.runs.options import N_RANDOM, Options
from surrogate_nas.runs.run import Run
from surrogate_nas.runs.sandbox import introduce
from surrogate_nas.runs.search import first_cells, strategy_of
from surrogate_nas.space import Cell, Request, Space, Trial
from surrogate_nas.strategies import StrategyLike, strategy_entry

if TYPE_CHECKING:
    import pandas


class AskTell:
    """One strategy under one objective, driven by hand.

    Cells are evaluated on the objective's benchmark, or by the caller, who then tells the metrics.
    Asked and told in turn, it makes the same trials as run `run` of a comparison of the same
    ``seed``.

    Example:
        >>> import surrogate_nas as sn
        >>> loop = AskTell(
        ...     sn.Objective("valid_loss + 0.1*params", sn.load("fashion")),
        ...     "evolution",
        ...     run=3,
        ... )
        >>> for _ in range(20):
        ...     for cell in loop.ask():
        ...         trial = loop.tell(cell)
        >>> (
        ...     len(loop.trials),
        ...     loop.incumbent.score == min(trial.score for trial in loop.trials),
        ... )
        (20, True)

    Without a benchmark, `AskTell.on` takes a space and what the caller measures:

    Example:
        >>> space = sn.ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> loop = AskTell.on(space, "error", "random", unit="%")
        >>> trials = loop.tell(loop.ask(3), [7.0, 5.5, 6.0])
        >>> loop.incumbent.values["error"], len(loop.to_frame())
        (5.5, 3)

    Attributes:
        objective: What is minimised.
        trials: Everything told so far.
        pending: What was asked for and not told yet, in the order of asking.
    """

    @checked
    def __init__(
        self,
        objective: Objective,
        strategy: StrategyLike = "bo",
        *,
        run: int = 0,
        seed: int = 0,
        first: FirstLike = (),
        n_random: int = N_RANDOM,
        hidden: bool = False,
    ) -> None:
        """Make the strategy.

        Args:
            objective: What is minimised.
            strategy: A name, ``file.py:Class``, or a class.
            run: The number of the run.
            seed: The root of all randomness.
            first: Cells that are asked for before all others, as `surrogate_nas.search` takes them.
            n_random: How many random cells come next, before the strategy's own.
            hidden: Whether the strategy is denied the free terms.

        Raises:
            UserError: There is no such strategy, or it could not be made.
        """
        if not isinstance(objective, Objective):
            raise UserError(
                f"A loop needs a surrogate_nas.Objective, not {objective!r:.80}."
            )
        run = check_whole("run", run)
        options = Options(seed=seed, n_random=n_random, hidden=hidden)
        self.objective = objective
        self.trials = list[Trial]()
        self.pending = list[Asked]()
        self._space = objective.benchmark.space
        self._ledger = Ledger(objective, root=options.seed, run=run)
        drawn = first_cells(self._space, options.n_random, options.seed, run)
        self._first = read_beginning(objective, first).asked(drawn)
        entry = strategy_entry(strategy)
        introduce(entry, objective.n_objectives)
        self._strategy = strategy_of(entry, objective, options, run)
        self._label, self._number = entry.label, run

    @classmethod
    def on(
        cls,
        space: Space,
        metrics: str | Sequence[str] | Mapping[str, Metric | Function],
        strategy: StrategyLike = "bo",
        objective: str | Expression | None = None,
        *,
        unit: str = "",
        direction: Direction | None = None,
        **options: Any,
    ) -> "AskTell":
        """Make a loop without a benchmark: the caller measures what is minimised.

        Args:
            space: The space of the cells.
            metrics: The metric that is told, such as ``error``; or several metrics by name, each a
                `surrogate_nas.Metric`. One with a function of a cell is computed, not told. The
                divisor of a told cost is 1, as its median over the space is not known.
            strategy: As for the class.
            objective: Text or an expression; None for the metric, or the first loss of several.
            unit: The unit of the metric, such as ``%`` or ``fraction``; that of its name if empty.
            direction: ``min`` or ``max``, if the name of the metric does not say it.
            **options: ``run``, ``seed``, ``first``, ``n_random``, ``hidden``, as for the class.

        Raises:
            UserError: A metric, the objective, the strategy or an option is invalid.
        """
        alone = isinstance(metrics, str)
        given = Metric(unit=unit, direction=direction)
        if not alone and given != Metric():
            raise UserError(
                "unit= and direction= are of one metric; of several, declare each by"
                " surrogate_nas.Metric(unit=…, direction=…)."
            )
        own = declared({metrics: given} if alone else metrics, "metrics")
        told = Computed(space, own, cheap=[n for n, m in own.items() if m.function])
        first = told.metrics[0]
        if alone and first.quantity == "cost":
            told.metrics = (replace(first, quantity="loss"), *told.metrics[1:])
        asked = objective or told.objective or first.name
        return cls(Objective(asked, told), strategy, **options)

    def ask(self, n: int = 1) -> Sequence[Any]:
        """Ask for cells, also while others are still being evaluated.

        Args:
            n: The most that may be returned, at least 1.

        Returns:
            Between 1 and `n` cells; requests where the strategy chooses epochs; none where a
            program outside wants no more.

        Raises:
            UserError: `n` is below 1, or the strategy failed.
        """
        n = check_whole("The number of cells to ask for", n, 1)
        asked: Sequence[Asked]
        if self._first:
            asked = self._first[:n]
            self._first = self._first[n:]
        else:
            while (seconds := self._strategy.work()) is not None:
                self._ledger.owed += seconds
            asked = self._strategy.ask(n)
        self.pending += asked
        return asked

    @overload
    def tell(  # type: ignore[overload-overlap]
        self,
        cell: Cell | str | Request,
        values: Mapping[str, SupportsFloat] | SupportsFloat | None = None,
        *,
        cost: float = 0.0,
    ) -> Trial: ...

    @overload
    def tell(
        self,
        cell: Sequence[Cell | Request] | list[str],
        values: Iterable[Mapping[str, SupportsFloat] | SupportsFloat] | None = None,
        *,
        cost: float = 0.0,
    ) -> list[Trial]: ...

    def tell(self, cell: Any, values: Any = None, *, cost: float = 0.0) -> Any:
        """Tell how a cell did; it need not have been asked for.

        Args:
            cell: The cell; or the request, as it was asked for, whose epochs the values are of; or
                a list of these, with a list of values.
            values: The objective's metrics as the caller measured them, in their own units, and
                what the request reads besides; free terms may be left out. A single
                number where one metric is not known. Left out, everything is looked up in the
                objective's benchmark, which charges it.
            cost: What the caller's evaluation cost, in seconds; of a training that went on, what
                going on cost.

        Returns:
            The trial, as the strategy was told it; for a list of cells a list of trials.

        Raises:
            UserError: The cell is foreign, a metric is missing, unknown or no finite number, or the
                strategy failed; or the lists differ in length.
        """
        if isinstance(cell, list | tuple) and not isinstance(cell, Request):
            each = [None] * len(cell) if values is None else values
            is_list = isinstance(each, Sized) and not isinstance(each, Mapping)
            if not is_list or len(each) != len(cell):
                raise UserError(
                    f"{plural(len(cell), 'cell')} need a list of as many values, not"
                    f" {values!r:.80}."
                )
            return [
                self.tell(*pair, cost=cost) for pair in zip(cell, each, strict=True)
            ]
        asked = self._asked(cell)
        if values is None:
            (outcome,) = self._ledger.look_up([asked])
        else:
            cost = check_number("The cost of an evaluation", cost)
            named = self._by_name(asked, values)
            try:
                outcome = self._ledger.given(asked, named, cost)
            except UserError as error:
                raise UserError(
                    f"{error} Report a failed evaluation by fail(cell, reason)."
                ) from error
        return self._tell(asked, outcome)

    def fail(
        self,
        cell: Cell | str | Request,
        reason: str,
        *,
        cost: float = 0.0,
    ) -> Trial:
        """Tell that the evaluation of a cell failed: an error, say, or no memory or time left.

        The trial is infeasible, ranks after all feasible ones and is never the best. No number is
        made up for it: it has no values, and strategies that learn a model leave it out.

        Args:
            cell: The cell, or the request.
            reason: Why it failed, which is kept with the trial.
            cost: What the attempt cost, in seconds; it is charged.

        Returns:
            The trial, as the strategy was told it.

        Raises:
            UserError: The cell is foreign, there is no reason, or the strategy failed.

        Example:
            >>> import surrogate_nas as sn
            >>> loop = AskTell(sn.Objective("valid_loss", sn.load("fashion")), "random")
            >>> trial = loop.fail(loop.ask()[0], "out of memory", cost=12.0)
            >>> trial.feasible, trial.failure, trial.cost
            (False, 'out of memory', 12.0)
        """
        asked = self._asked(cell)
        reason = " ".join(
            check_argument("The reason of a failure", reason, str).split()
        )
        if not reason:
            raise UserError(
                "A failed evaluation needs a reason, such as 'out of memory'."
            )
        cost = check_number("The cost of an evaluation", cost)
        return self._tell(asked, self._ledger.failed(asked, reason, cost))

    def _asked(self, cell: Cell | str | Request) -> Cell | Request:
        if isinstance(cell, Request):
            return cell._replace(cell=self._space.cell(cell.cell))
        return self._space.cell(cell)

    def _by_name(self, asked: Asked, values: object) -> Mapping[str, float]:
        if isinstance(values, Mapping):
            return values
        free = {*self.objective.free.terms, *self.objective.free.names}
        questions = self._ledger.questions(asked)
        missing = [str(question) for question in questions if str(question) not in free]
        if not isinstance(values, Real) or isinstance(values, bool):
            raise UserError(
                f"values is a mapping of metrics to numbers, or one number, not {values!r:.80}."
            )
        if len(missing) != 1:
            raise UserError(
                f"One number will not do: tell {', '.join(missing)}, each by its name."
            )
        return {missing[0]: values}  # type: ignore[dict-item]

    def _tell(self, asked: Asked, outcome: Outcome) -> Trial:
        trial = self._ledger.trial(outcome, self._ledger.cost)
        self.trials.append(trial)
        if asked in self.pending:
            self.pending.remove(asked)
        self._strategy.tell([trial])
        return trial

    @property
    def run(self) -> Run:
        """The trials so far as a run, with its curves, its frames and its front."""
        return Run(
            self._label,
            self._number,
            tuple(self.trials),
            real_seconds=0.0,
            strategy_seconds=0.0,
            epochs=self.objective.epochs,
            objective=self.objective,
        )

    def to_frame(self) -> "pandas.DataFrame":
        """Every trial so far as a row (`surrogate_nas.Run.to_frame`)."""
        return self.run.to_frame()

    @property
    def incumbent(self) -> Trial:
        """The best trial after the objective's own epochs, as it was seen, the earliest among
        equals. Where seeds are drawn, ``run.answer`` has it by the mean over seeds.

        Raises:
            UserError: None was told yet, or all failed; or there are several objectives.
        """
        best = self.run.incumbent
        if best.failure:
            raise UserError(
                f"All evaluations failed, the first one by {best.failure!r:.200}; there is no"
                " incumbent."
            )
        return best

    best = former("best", "incumbent")

    def __repr__(self) -> str:
        return f"<AskTell {str(self.objective)!r}: {len(self.trials)} trials>"
