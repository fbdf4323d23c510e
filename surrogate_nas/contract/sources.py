"""The contract of a source of tables."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.benchmarks.doctor import examine
from surrogate_nas.tables import write_table


class SourceContract:
    """Checks of every table that a source makes, for tests with pytest.

    Attributes:
        source: The module under check, as `surrogate_nas.tables.sources.base` describes it.
    """

    source: ModuleType

    def test_it_says_what_it_makes(self) -> None:
        """It has a title and names, all different."""
        assert isinstance(self.source.TITLE, str) and self.source.TITLE
        assert len(self.source.NAMES) > 0, "NAMES is empty"
        assert len(set(self.source.NAMES)) == len(self.source.NAMES), "NAMES has a name twice"

    def test_tables_are_stored_and_opened(self, tmp_path: Path) -> None:
        """Each table has the name it was asked for, and the same values after it was written."""
        for name in self.source.NAMES:
            table = self.source.read(name)
            assert table.name == name
            path = tmp_path / f"{name}.h5"
            write_table(table, path)
            benchmark = TableBenchmark(path)
            assert benchmark.table.digest == table.digest(), f"{name} differs when read again"
            kinds = {metric.kind for metric in benchmark.metrics}
            assert "search" in kinds, f"{name} has nothing to search on"

    def test_no_column_raises_an_alarm(self) -> None:
        """A search can use every column (`snas data doctor`)."""
        for name in self.source.NAMES:
            alarms = examine(self.source.read(name)).of("alarm")
            assert not alarms, "; ".join(map(str, alarms))
