"""The command that holds a stranger's code against the contract."""

from __future__ import annotations

from typing import Annotated

import typer

from surrogate_nas.cli.output import JsonOption, emit, show_table
from surrogate_nas.errors import UserError


def check(
    strategy: Annotated[str, typer.Argument(help="A strategy's name, or file.py:Class.")], json: JsonOption = False
) -> None:
    """Run the contract suite on a strategy.

    \b
    Examples:
      snas check evolution
      snas check mysearch.py:MySearch
    """
    from dataclasses import asdict

    from surrogate_nas.contract.strategies import check_strategy

    checks = check_strategy(strategy)
    rows = [("ok" if c.passed else "BROKEN", c.name, c.detail) for c in checks]
    emit([asdict(c) for c in checks], json, lambda: show_table(("", "promise", "found"), rows))
    if broken := [c.name for c in checks if not c.passed]:
        raise UserError(f"{strategy} breaks {len(broken)} of {len(checks)} promises: {'; '.join(broken)}.")
