"""The command that lists strategies."""

from __future__ import annotations

from surrogate_nas.cli.output import JsonOption, emit, show_table


def strategies(json: JsonOption = False) -> None:
    """List the search strategies: what each does, and its paper.

    \b
    Examples:
      snas strategies
      snas strategies --json
    """
    from surrogate_nas.strategies import described

    content = described()
    rows = [(s["name"], s["description"], s["paper"] or None) for s in content]
    emit(content, json, lambda: show_table(("strategy", "does", "paper"), rows))
