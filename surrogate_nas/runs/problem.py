"""The definition of a study: problems, strategies with their numbers of runs, and suites, which
combine problems and strategies.

Suites are read by name or from a TOML file. If a file is invalid, the error message is one line
that names the file and the key. The file of a suite contains the settings that all problems share
(``budget``, ``budget_seconds``, ``n_random``, ``runs``, ``seed``), the strategies, and the
problems. Each strategy is a name, or a TOML table with ``name`` and ``runs``. Each problem is a
TOML table with the fields of `Problem`.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from surrogate_nas.benchmarks import Benchmark, SeedPolicy, load
from surrogate_nas.core import (
    UserError,
    check_file_name,
    check_whole,
    checked,
    checked_as,
    former,
    unknown,
)
from surrogate_nas.files.whole import read_regular
from surrogate_nas.objective import Expression, Objective
from surrogate_nas.runs.beginning import unasked
from surrogate_nas.runs.options import (
    MOST_RUNS,
    N_RANDOM,
    Budget,
    ObjectiveOptions,
    budget_of,
    unusual,
)
from surrogate_nas.strategies import (
    DEFAULTS,
    StrategiesLike,
    StrategyLike,
    strategy_entries,
    strategy_entry,
)

# Keys that folders, and files of 0.1.0, have under another name.
_STORED_AS = {"n_random": "first_cells", "budget": "cells", "budget_seconds": "seconds"}


@dataclass(frozen=True)
class Problem:
    """One optimisation problem: a benchmark, an objective and a budget.

    Attributes:
        benchmark: The name of a benchmark, or an opened benchmark. A stored suite can be read again
            only if all its benchmarks have a name or are defined in a file.
        objective: The objective, as a string or an expression. If None, the benchmark's default
            objective is used.
        name: The name of the problem in the suite, and of its folder. If empty, the benchmark's
            name is used.
        subject_to: Constraints as a string, or None.
        seed_policy: The values that strategies receive: ``mean``, the mean over training seeds, or
            ``draw``, the value of one random training seed per cell. If None, the benchmark's own
            policy applies.
        budget: The largest number of evaluations of a run, 150 if no budget is given.
        budget_seconds: The largest number of simulated seconds of a run, or None.
        n_random: Number of random cells that every strategy evaluates first.
        first: Cells that every strategy evaluates before the random ones, as strings or indices.

    Example:
        >>> small = Problem(
        ...     "fashion",
        ...     "valid_loss + 0.1*params",
        ...     subject_to="params <= 20000",
        ...     budget=50,
        ... )
        >>> small.run_budget
        Budget(cells=50, seconds=None)
    """

    benchmark: str | Benchmark
    objective: str | Expression | None = None
    _: KW_ONLY
    name: str = ""
    subject_to: str | None = None
    seed_policy: SeedPolicy | None = None
    budget: int | None = None
    budget_seconds: float | None = None
    n_random: int = N_RANDOM
    first: Sequence[Any] = ()

    def __post_init__(self) -> None:
        made = re.sub(r"[^A-Za-z0-9._+-]+", "-", self.address).lstrip("._+-")
        object.__setattr__(self, "name", self.name or made)
        check_file_name("A problem's name", self.name)
        check_whole(f"n_random of {self.name}", self.n_random)
        if not isinstance(self.first, Sequence) or isinstance(self.first, str):
            raise UserError(
                f"first of {self.name} must be a list of cells, not {self.first!r:.80}."
            )
        try:
            self.run_budget  # noqa: B018 - checks itself
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from error

    @property
    def run_budget(self) -> Budget:
        """The budget of each run on this problem."""
        return budget_of(self.budget, self.budget_seconds)

    def stored(self) -> dict[str, Any]:
        """Return the problem in the format in which a folder stores it."""
        stored = {_STORED_AS.get(n, n): own for n, own in vars(self).items()}
        stored |= {"benchmark": self.address, "first": [*map(str, self.first)]}
        stored["objective"] = self.objective and str(self.objective)
        return {name: own for name, own in stored.items() if own != []}

    @property
    def unasked(self) -> str:
        """A warning if the budget pays only for initial cells; otherwise an empty string."""
        return unasked(self.run_budget.cells, len(self.first) + self.n_random)

    @property
    def address(self) -> str:
        """The name by which the benchmark can be opened again or, if there is none, the name of the
        benchmark object.
        """
        given = self.benchmark
        if isinstance(given, Benchmark):
            return given.address or given.name
        return str(given)

    def on(self, benchmark: Benchmark) -> Objective:
        """Return the objective of the problem, bound to an opened benchmark. This method raises the
        errors of `Objective`.
        """
        options = ObjectiveOptions(seed_policy=self.seed_policy)
        return bind(benchmark, self.objective, self.subject_to, options)


@dataclass(frozen=True)
class Entry:
    """A strategy of a suite (in any form that `strategy_entry` accepts) and the strategy's number
    of runs.

    Example:
        >>> Entry({"few": "evolution(population=5)"}, 3).label
        'few'
    """

    strategy: StrategyLike
    runs: int

    def __post_init__(self) -> None:
        check_whole(f"The number of runs of {self.label}", self.runs, 1, MOST_RUNS)

    @property
    def label(self) -> str:
        """The name of the strategy in the results."""
        return strategy_entry(self.strategy).label


@dataclass(frozen=True)
class Suite:
    """A set of problems and strategies, with a number of runs for each strategy.

    Attributes:
        name: The name of the suite, such as ``starter``.
        title: The purpose of the suite in one line.
        problems: The problems of the suite, in the order in which reports show them.
        entries: The strategies with their numbers of runs.
        seed: The seed from which all randomness is derived, the same for all problems.
        options: Other options of all runs (see `surrogate_nas.runs.options`) that differ from their
            defaults.
        not_run: By name, the reason why a problem was not run.

    Example:
        >>> import surrogate_nas as sn
        >>> starter = sn.read_suite("starter")
        >>> mine = starter.select(["fashion"]).entered(["random", "evolution"], runs=3)
        >>> mine.labels, len(mine.problems)
        (['random', 'evolution'], 1)
    """

    name: str
    title: str
    problems: Sequence[Problem]
    entries: Sequence[Entry]
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    not_run: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, names in (
            ("problem", [p.name for p in self.problems]),
            ("strategy", self.labels),
        ):
            if not names:
                raise UserError(f"{self.name} has no {what}. Give at least one.")
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise UserError(f"{self.name} has the {what} {twice[0]} twice.")
        check_whole("A seed", self.seed)

    @property
    def not_run_rows(self) -> list[dict[str, str]]:
        """The problems that were not run and the reasons, in the format of the JSON output."""
        return [{"name": name, "reason": why} for name, why in self.not_run.items()]

    @property
    def labels(self) -> list[str]:
        """The names of the strategies."""
        return [entry.label for entry in self.entries]

    def entered(
        self, strategies: StrategiesLike = (), runs: int | None = None
    ) -> "Suite":
        """Return the suite with other strategies or another number of runs.

        If `strategies` is empty, the suite's own strategies are kept. Strategies of the suite keep
        their number of runs. Other strategies get the largest number of runs in the suite.
        """
        own = {entry.label: entry for entry in self.entries}
        most = max(entry.runs for entry in self.entries)
        entries = [
            own.get(entry.label) or Entry(entry, most)
            for entry in strategy_entries(strategies)
        ] or list(self.entries)
        if runs is not None:
            entries = [replace(entry, runs=runs) for entry in entries]
        return replace(self, entries=entries)

    def select(self, names: Sequence[str]) -> "Suite":
        """Return the suite with only the problems in `names`, or with all problems if `names` is
        empty.
        """
        known = {problem.name: problem for problem in self.problems}
        for name in names:
            if name not in known:
                raise unknown(f"problem of {self.name}", name, known)
        return (
            replace(self, problems=[known[name] for name in names]) if names else self
        )

    only = former("only", "select")


SUITES = ("starter", "families", "standard")
"""The suites that the package contains: `suites/NAME.toml`."""
_SUFFIX = ".toml"
_RUNS = 10

_PROBLEM = [field.name for field in fields(Problem)]


class _Entry(Struct, forbid_unknown_fields=True):
    name: str
    runs: int | None = None


class _File(Struct, forbid_unknown_fields=True):
    strategies: list[str | _Entry]
    problems: list[dict[str, Any]]
    title: str = ""
    runs: int = _RUNS
    seed: int = 0
    budget: int | None = None
    budget_seconds: float | None = None
    n_random: int = N_RANDOM
    seed_policy: SeedPolicy | None = None


def read_suite(name: str) -> Suite:
    """Read a suite.

    Args:
        name: One of `SUITES`, or the path of a TOML file.

    Raises:
        UserError: The suite does not exist, or its file is invalid. The message names the key.

    Example:
        >>> [problem.name for problem in read_suite("starter").problems]
        ['fashion', 'cifar10-drawn', 'imagenet16-drawn', 'cifar100-small']
    """
    path = Path(name)
    if name not in SUITES and path.suffix != _SUFFIX:
        raise unknown("suite", name, [*SUITES, f"FILE{_SUFFIX}"])
    try:
        if name in SUITES:
            suites = files(__package__).joinpath("suites")
            content = suites.joinpath(f"{name}{_SUFFIX}").read_bytes()
        else:
            content = read_regular(path)
        return parse_suite(path.stem, name, tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(
            f"{path} is not valid TOML: {' '.join(str(error).split())}."
        ) from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error


def parse_suite(name: str, source: str, content: Any) -> Suite:
    """Build a suite from the content of a TOML file. If the content is invalid, a UserError names
    the file and the key.
    """
    try:
        file = checked_as(_File, _present(content))
        given = [
            _Entry(entry) if isinstance(entry, str) else entry
            for entry in file.strategies
        ]
        entries = [
            Entry(entry.name, file.runs if entry.runs is None else entry.runs)
            for entry in given
        ]
        problems = [
            _problem(f"problems[{i}]", own, file) for i, own in enumerate(file.problems)
        ]
        return Suite(name, file.title or name, problems, entries, file.seed)
    except (UserError, ValueError) as error:
        reason = f"{source}: {error}".replace(": it: ", ": ").removesuffix(".")
        raise UserError(f"{reason}.") from error


def _present(content: Any) -> Any:
    """Replace former names of keys by the current ones."""
    if not isinstance(content, Mapping):
        return content
    names = {old: new for new, old in _STORED_AS.items() if old in content}
    if twice := [f"{old} and {new}" for old, new in names.items() if new in content]:
        raise UserError(f"{twice[0]} are two names of one key. Give only one.")
    return {names.get(name, name): value for name, value in content.items()}


def _problem(key: str, own: dict[str, Any], file: _File) -> Problem:
    own = _present(own)
    for name in own:
        if name not in _PROBLEM:
            raise unknown(
                "key", f"{key}.{name}", [f"{key}.{field}" for field in _PROBLEM]
            )
    budget = {"budget": file.budget, "budget_seconds": file.budget_seconds}
    budget = {} if budget.keys() & own.keys() else budget
    shared = {"n_random": file.n_random, "seed_policy": file.seed_policy}
    try:
        return checked(Problem)(**{**budget, **shared, **own})
    except (TypeError, UserError) as error:
        raise UserError(f"{key}: {error}") from error


def suite_with(
    given: Suite | Sequence[Problem] | str,
    strategies: StrategiesLike = (),
    runs: int | None = None,
) -> Suite:
    """Return a suite with the given strategies and numbers of runs. The argument is a suite, the
    name of a suite, or a list of problems.

    Raises:
        UserError: The argument is neither a suite nor a name nor a list of problems, or the
            strategies are invalid.
    """
    suite = read_suite(given) if isinstance(given, str) else given
    if isinstance(suite, Suite):
        return suite.entered(strategies, runs)
    if not isinstance(suite, Sequence) or not all(
        isinstance(problem, Problem) for problem in suite
    ):
        raise UserError(
            "A suite must be a name, a TOML file or a list of surrogate_nas.Problem, not"
            f" {given!r:.80}."
        )
    names = [problem.name for problem in suite]
    problems = [
        replace(p, name=f"{p.name}-{i + 1}") if p.name in names[:i] else p
        for i, p in enumerate(suite)
    ]
    entered = strategy_entries(strategies or DEFAULTS)
    entries = [Entry(entry, _RUNS if runs is None else runs) for entry in entered]
    return Suite("problems", "Problems", problems, entries)


def read_plan(path: Path) -> Suite:
    """Read a suite from the file ``plan.json`` that ``snas suite`` wrote. Raise a UserError if the
    file is invalid.
    """
    try:
        plan = json.loads(read_regular(path))
        problems = [
            {key: value for key, value in problem.items() if value is not None}
            for problem in plan["asked"]
        ]
        content = {key: plan[key] for key in ("title", "seed", "strategies")} | {
            "problems": problems
        }
        name = str(plan["suite"])
        options = unusual(plan.get("options", {}))
        not_run = {str(p["name"]): str(p["reason"]) for p in plan.get("not_run", [])}
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent} does not define its suite. Repeat its snas suite command."
        ) from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged or was written by an older version. Repeat its snas suite command."
        ) from error
    return replace(
        parse_suite(name, str(path), content), options=options, not_run=not_run
    )


_USUAL = ObjectiveOptions()
ObjectiveLike = str | Expression | Objective | None
"""A string, an expression, an objective bound to a benchmark, or None for the benchmark's
default.
"""


@checked
def bind(
    benchmark: str | Benchmark,
    objective: ObjectiveLike,
    subject_to: str | None,
    options: ObjectiveOptions = _USUAL,
) -> Objective:
    """Bind an objective (a string, an expression, or an `Objective`) to a benchmark. If the
    objective is None, the benchmark's default is used.

    Raises:
        UserError: The objective is invalid (see `Objective`) or is bound to another benchmark.

    Example:
        >>> objective = bind("fashion", "valid_loss + 0.1*params", "params <= 20000")
        >>> objective.benchmark.name, objective.optimum() > 0
        ('fashion', True)
    """
    opened = load(benchmark)
    if isinstance(objective, Objective):
        says_more = subject_to or any(asdict(options).values())
        if says_more or objective.benchmark.fingerprint != opened.fingerprint:
            raise UserError(
                f"This objective is bound to {objective.benchmark.name}. To use it on another"
                " benchmark, pass its expression."
            )
        return objective
    expression = opened.objective if objective is None else objective
    return Objective(expression, opened, subject_to=subject_to, **asdict(options))
