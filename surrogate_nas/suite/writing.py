"""A suite as the TOML file that `read_suite` reads; its results keep one, so that they tell what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from surrogate_nas.files import replacing
from surrogate_nas.strategies import StrategyLike
from surrogate_nas.suite.problems import Suite

PROBLEMS = "problems"
"""The folder of the problems' folders, in a suite's."""
PLAN = "suite.toml"
"""The file of what was asked, in a suite's folder."""


def as_toml(suite: Suite) -> str:
    """The suite as a file; a strategy that was given as a class is written by its name.

    Args:
        suite: Problems and strategies.

    Example:
        >>> from surrogate_nas.suite import Entrant, Problem, Suite
        >>> print(as_toml(Suite("s", "S", [Problem("p", "fashion", cells=20)], [Entrant("random", 2)])))
        name = "s"
        title = "S"
        seed = 0
        <BLANKLINE>
        [[strategies]]
        name = "random"
        runs = 2
        <BLANKLINE>
        [[problems]]
        name = "p"
        benchmark = "fashion"
        seed_policy = "mean"
        cells = 20
        first_cells = 10
        <BLANKLINE>
    """
    entrants = [{"name": _name(entrant.strategy), "runs": entrant.runs} for entrant in suite.entrants]
    blocks = [_lines({"name": suite.name, "title": suite.title, "seed": suite.seed})]
    blocks += ["[[strategies]]\n" + _lines(entrant) for entrant in entrants]
    blocks += ["[[problems]]\n" + _lines(asdict(problem)) for problem in suite.problems]
    return "\n".join(blocks)


def write_suite(suite: Suite, folder: Path) -> None:
    """Write the suite into its results; the file is whole or as it was before.

    Args:
        suite: What is asked.
        folder: Of its results.

    Raises:
        UserError: The folder cannot be written.
    """
    with replacing(folder / PLAN) as temporary:
        temporary.write_text(as_toml(suite), encoding="utf-8")


def _name(strategy: StrategyLike) -> str:
    return strategy if isinstance(strategy, str) else strategy.__name__


def _lines(values: Mapping[str, Any]) -> str:
    """A table of TOML; what is None is left out."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in values.items() if value is not None)


def _value(value: str | float) -> str:
    """A text as TOML quotes it, which is JSON's way but for one character, or a number."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)
