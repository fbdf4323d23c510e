"""The contracts as pytest classes, for packages with a strategy, space, surrogate or table source.

A test class inherits one of these and gives one fixture; pytest then runs every check. Nothing else
of `surrogate_nas` imports pytest.

Example:
    A file ``test_mine.py``::

        import pytest
        from surrogate_nas.contract.testing import StrategyContract
        from mine import Mine


        class TestMine(StrategyContract):
            @pytest.fixture
            def strategy(self):
                return Mine
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.benchmarks.doctor import examine
from surrogate_nas.contract import spaces, strategies, surrogates
from surrogate_nas.contract.checks import BrokenContractError, CheckFunction
from surrogate_nas.contract.trying import LargeSpace, TinySpace
from surrogate_nas.runtime.packing import pack
from surrogate_nas.space import NB201, Space
from surrogate_nas.strategies import Strategy
from surrogate_nas.surrogates import Surrogate
from surrogate_nas.tables import write_table

__all__ = ["SourceContract", "SpaceContract", "StrategyContract", "SurrogateContract"]


def _each(checks: Sequence[CheckFunction]) -> pytest.MarkDecorator:
    """A test of each check, named as the check is."""
    names = [check.__name__.strip("_") for check in checks]
    return pytest.mark.parametrize("check", checks, ids=names)


def _run(check: CheckFunction, subject: object) -> None:
    """Make a check; a broken promise fails the test with the reason and the hint."""
    try:
        check(subject)
    except BrokenContractError as error:
        promise = " ".join((check.__doc__ or "").split())
        lines = [f"Broken: {promise}", str(error)]
        if error.hint:
            lines.append(f"Hint: {error.hint}")
        pytest.fail("\n".join(lines), pytrace=False)


class StrategyContract:
    """Every check of a strategy, on three spaces; give the fixture `strategy`.

    The spaces are NAS-Bench-201's, a tiny one and a large one. A one-shot strategy is checked on
    NAS-Bench-201's alone.
    """

    @pytest.fixture
    def strategy(self) -> type[Strategy]:
        """The class under check: a subclass of `surrogate_nas.Strategy`."""
        raise NotImplementedError("Give the fixture `strategy`, which returns the class.")

    @_each(strategies.CHECKS)
    @pytest.mark.parametrize("space", (NB201.name, TinySpace.name, LargeSpace.name))
    def test_contract(self, strategy: type[Strategy], space: str, check: CheckFunction) -> None:
        """One check of the strategy on one space."""
        subjects = _strategy_subjects(strategy)
        if space not in subjects:
            pytest.skip(f"a one-shot strategy is not checked on the space {space}")
        _run(check, subjects[space])


class SpaceContract:
    """Every check of a space; give the fixture `space`."""

    @pytest.fixture
    def space(self) -> Space:
        """The space under check: an instance of `surrogate_nas.space.Space`."""
        raise NotImplementedError("Give the fixture `space`, which returns an instance.")

    @_each(spaces.CHECKS)
    def test_contract(self, space: Space, check: CheckFunction) -> None:
        """One check of the space."""
        (subject,) = spaces.subjects(space)
        _run(check, subject)


class SurrogateContract:
    """Every check of a surrogate, on made-up values; give the fixture `surrogate`."""

    @pytest.fixture
    def surrogate(self) -> type[Surrogate]:
        """The class under check: a subclass of `surrogate_nas.surrogates.Surrogate`."""
        raise NotImplementedError("Give the fixture `surrogate`, which returns the class.")

    @_each(surrogates.CHECKS)
    def test_contract(self, surrogate: type[Surrogate], check: CheckFunction) -> None:
        """One check of the surrogate."""
        (subject,) = surrogates.subjects(surrogate, None, None)
        _run(check, subject)


class SourceContract:
    """Checks of every table that a source makes; give the fixture `source`."""

    @pytest.fixture
    def source(self) -> ModuleType:
        """The module under check, as `surrogate_nas.tables.sources.base` describes it."""
        raise NotImplementedError("Give the fixture `source`, which returns the module.")

    def test_it_says_what_it_makes(self, source: ModuleType) -> None:
        """It has a title and names, all different."""
        assert isinstance(source.TITLE, str) and source.TITLE
        assert len(source.NAMES) > 0, "NAMES is empty"
        assert len(set(source.NAMES)) == len(source.NAMES), "NAMES has a name twice"

    def test_tables_are_stored_and_opened(self, source: ModuleType, tmp_path: Path) -> None:
        """Each table has the name it was asked for, and the same values after it was written."""
        for name in source.NAMES:
            table = source.read(name)
            assert table.name == name
            path = tmp_path / f"{name}.h5"
            write_table(table, path)
            benchmark = TableBenchmark(path)
            assert benchmark.table.digest == table.digest(), f"{name} differs when read again"
            kinds = {metric.kind for metric in benchmark.metrics}
            assert "search" in kinds, f"{name} has nothing to search on"

    def test_no_column_raises_an_alarm(self, source: ModuleType) -> None:
        """No column is one that a search means nothing on (`snas data doctor`)."""
        for name in source.NAMES:
            alarms = examine(source.read(name)).of("alarm")
            assert not alarms, "; ".join(map(str, alarms))


@lru_cache(maxsize=4)
def _strategy_subjects(strategy: type[Strategy]) -> dict[str, strategies.Strategies]:
    """What checks are made on, by the name of the space; kept between the checks of a class."""
    subjects = strategies.subjects(strategy, pack(strategy), None)
    return {subject.space.name: subject for subject in subjects}
