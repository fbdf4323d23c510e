"""Final metrics and who may see them: no search, unless its study declares one, and then every report says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.core.errors import UserError


def declared(given: str | Sequence[str], benchmark: Benchmark) -> tuple[str, ...]:
    """The final metrics that a study declares as search metrics.

    Args:
        given: Their names; in a text with commas between.
        benchmark: What is searched.

    Raises:
        UserError: One is unknown, or no final metric.
    """
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, Sequence) or not all(isinstance(name, str) for name in listed):
        raise UserError(f"search_on_final is a list of metrics such as 'test_error', not {given!r:.80}.")
    names = tuple(dict.fromkeys(name.strip() for name in listed if name.strip()))
    for name in names:
        if benchmark.metric(name).kind != "final":
            raise UserError(f"{name} is no final metric of {benchmark.name}; a search may see it anyway.")
    return names


def check_used(names: Sequence[str], used: Iterable[str]) -> None:
    """Refuse a declared metric that is searched on nowhere.

    Args:
        names: What `declared` gave.
        used: The metrics of the objective.

    Raises:
        UserError: One is not among them.
    """
    if idle := sorted(set(names) - set(used)):
        raise UserError(f"--search-on-final names {', '.join(idle)}, which the objective does not use; leave it out.")


def check_visible(benchmark: Benchmark, name: str, names: Sequence[str]) -> None:
    """Refuse a final metric that a study does not declare.

    Args:
        benchmark: What is searched.
        name: The metric that a search would see.
        names: What `declared` gave.

    Raises:
        UserError: The metric is final and not declared, or unknown.
    """
    if benchmark.metric(name).kind == "final" and name not in names:
        raise UserError(
            f"{name} is a final metric of {benchmark.name}: it is reported, never searched on. Search on a training or "
            f"validation metric, or declare a study of it with --search-on-final {name}."
        )


def warning(names: Sequence[str]) -> str:
    """What every report of such a study says first; empty where nothing is declared.

    Args:
        names: What `declared` gave.
    """
    if not names:
        return ""
    one = len(names) == 1
    return (
        f"This study searches on {', '.join(names)}, {'a final metric' if one else 'final metrics'} "
        f"(--search-on-final): what is found was chosen by {'it' if one else 'them'}, so nothing that is said of "
        f"{'it' if one else 'them'} was held out."
    )
