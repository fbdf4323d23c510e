"""A search with an ask-and-tell interface: the caller asks for cells, evaluates them anywhere, and
reports the results.
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
from surrogate_nas.runs.sandbox import inspect_strategy
from surrogate_nas.runs.search import first_cells, strategy_of
from surrogate_nas.space import Cell, Request, Space, Trial
from surrogate_nas.strategies import StrategyLike, strategy_entry

if TYPE_CHECKING:
    import pandas


class AskTell:
    """An ask-and-tell loop for one strategy under one objective.

    The caller evaluates cells on the objective's benchmark, or elsewhere, and reports the metrics
    with `tell`. If the result of every `ask` is reported with `tell` before the next `ask`, the
    loop makes the trials of run number `run` of a comparison with an equal ``seed``.

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

    If there is no benchmark, use `AskTell.on` with a space and the names of the metrics that you
    measure:

    Example:
        >>> space = sn.ChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> loop = AskTell.on(space, "error", "random", unit="%")
        >>> trials = loop.tell(loop.ask(3), [7.0, 5.5, 6.0])
        >>> loop.incumbent.values["error"], len(loop.to_frame())
        (5.5, 3)

    Attributes:
        objective: The objective to minimise.
        trials: All reported trials.
        pending: The cells that `ask` returned and that have no result yet, in the order in which
            they were returned.
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
        """Create the strategy.

        Args:
            objective: The objective to minimise.
            strategy: A name, ``file.py:Class``, or a class.
            run: The number of the run.
            seed: The seed from which all randomness is derived.
            first: Cells to propose first, in the format of `surrogate_nas.search`.
            n_random: Number of random cells to propose after `first`, before the strategy's own.
            hidden: Whether to hide the free terms from the strategy.

        Raises:
            UserError: The strategy does not exist, or could not be created.
        """
        if not isinstance(objective, Objective):
            raise UserError(
                f"AskTell requires a surrogate_nas.Objective, not {objective!r:.80}."
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
        inspect_strategy(entry, objective.n_objectives)
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
        """Create an ask-and-tell loop without a benchmark. The caller measures the metrics.

        Args:
            space: The search space.
            metrics: The name of the metric that the caller reports, such as ``error``, or a mapping
                from the names of several metrics to `surrogate_nas.Metric` objects. If a metric has
                a function of a cell, it is computed instead of reported. In the objective, a
                reported cost is not divided by its median over the space, because the median is not
                available.
            strategy: The strategy, in any form that the class accepts.
            objective: The objective as a string or an expression. If None, the metric is minimised
                or, if there are several metrics, the first loss.
            unit: The unit of the metric, such as ``%`` or ``fraction``. If empty, the unit is
                derived from the name of the metric.
            direction: Whether smaller (``min``) or larger (``max``) values are better, if the name
                of the metric does not determine this.
            **options: The arguments ``run``, ``seed``, ``first``, ``n_random`` and ``hidden`` of
                the class.

        Raises:
            UserError: A metric, the objective, the strategy or an option is invalid.
        """
        alone = isinstance(metrics, str)
        given = Metric(unit=unit, direction=direction)
        if not alone and given != Metric():
            raise UserError(
                "unit= and direction= apply to a single metric. Declare each of several metrics as"
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
        """Ask the strategy for cells to evaluate. Results of earlier cells may still be pending.

        Args:
            n: The largest number of cells to return, at least 1.

        Returns:
            Between 1 and `n` cells. A strategy that chooses the number of epochs returns requests
            (a cell and its epochs). The list is empty if an external program has ended the search.

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
        """Report the result of a cell. The cell need not have been requested with `ask`.

        Args:
            cell: The cell, or the request that `ask` returned, or a list of cells or requests. For
                a request, the values must be measured after its number of epochs. For a list,
                `values` must be a list, too.
            values: The metrics of the objective by name, in their own units, and any additional
                metrics of the request. Free terms, which need no training, may be left out. If only
                one metric has to be measured, a single number is accepted. If None, all metrics and
                the cost are looked up in the objective's benchmark.
            cost: The cost of the caller's evaluation in seconds. If the caller continued a
                training, pass only the cost of the continuation.

        Returns:
            The trial that the strategy observed, or a list of trials if `cell` is a list.

        Raises:
            UserError: The cell is not in the space, a metric is missing, unknown or not finite, the
                lists differ in length, or the strategy failed.
        """
        if isinstance(cell, list | tuple) and not isinstance(cell, Request):
            each = [None] * len(cell) if values is None else values
            is_list = isinstance(each, Sized) and not isinstance(each, Mapping)
            if not is_list or len(each) != len(cell):
                raise UserError(
                    f"{plural(len(cell), 'cell')} require a list of as many values, not"
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
                    f"{error} Report a failed evaluation with fail(cell, reason)."
                ) from error
        return self._tell(asked, outcome)

    def fail(
        self,
        cell: Cell | str | Request,
        reason: str,
        *,
        cost: float = 0.0,
    ) -> Trial:
        """Report that the evaluation of a cell failed, for example for lack of memory or time.

        The trial is infeasible, ranks after all feasible trials and is never the best. A failed
        trial has no values, and strategies that fit a model ignore it.

        Args:
            cell: The cell, or the request that `ask` returned.
            reason: The reason of the failure, which is stored with the trial.
            cost: The cost of the attempt in seconds. It is charged.

        Returns:
            The trial that the strategy observed.

        Raises:
            UserError: The cell is not in the space, the reason is empty, or the strategy failed.

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
                "fail(cell, reason) requires a reason, such as 'out of memory'."
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
                "values must be a mapping of metrics to numbers, or one number, not"
                f" {values!r:.80}."
            )
        if len(missing) != 1:
            raise UserError(
                f"One number is not enough: report {', '.join(missing)} by name."
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
        """Return the trials so far as a `Run`, which provides curves, data frames and the Pareto
        front.
        """
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
        """Return a data frame with one row per trial so far (see `surrogate_nas.Run.to_frame`)."""
        return self.run.to_frame()

    @property
    def incumbent(self) -> Trial:
        """The trial with the lowest search score at the objective's number of epochs. If scores are
        equal, the earliest trial. If training seeds are sampled, ``run.answer`` gives the
        incumbent's mean over seeds.

        Raises:
            UserError: There is no trial yet, all evaluations failed, or there are several
                objectives.
        """
        best = self.run.incumbent
        if best.failure:
            raise UserError(
                "All evaluations failed, so there is no incumbent. The first failure:"
                f" {best.failure!r:.200}."
            )
        return best

    best = former("best", "incumbent")

    def __repr__(self) -> str:
        return f"<AskTell {str(self.objective)!r}: {len(self.trials)} trials>"
