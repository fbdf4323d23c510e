"""The command that holds a stranger's code against the contract."""

from __future__ import annotations

from typing import Annotated

import typer

from surrogate_nas.cli.output import JsonOption, emit, show_table
from surrogate_nas.core.errors import UserError


def check(
    what: Annotated[
        str, typer.Argument(help="A strategy, a space (space:NAME) or a surrogate: its name, or file.py:NAME.")
    ],
    json: JsonOption = False,
) -> None:
    """Check the contract of a strategy, a space or a surrogate.

    \b
    Examples:
      snas check evolution
      snas check mysearch.py:MySearch
      snas check mlp.py:Mlp
    """
    from dataclasses import asdict

    from surrogate_nas import contract

    checks = contract.check(what)
    emit([asdict(c) for c in checks], json, lambda: show_table(("", "promise", "found"), contract.rows(checks)))
    if verdict := contract.verdict(what, checks):
        raise UserError(verdict)
