"""The list of commands that ``snas`` shows: in groups, so that a newcomer sees where to begin."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

PANELS = {
    "Compare strategies": ("compare", "suite", "lambda-path", "search", "baseline", "paper"),
    "Read what was found": ("report", "serve", "export"),
    "See what there is": ("benchmarks", "strategies", "losses", "query", "data", "path"),
    "Bring your own": ("new", "check"),
    "Train, measure, learn": ("train", "measure", "fit", "predict", "proxies", "table", "table-losses"),
}
"""Commands by heading; others come last."""

_OTHERS = "More"


class Panels(TyperGroup):
    """Commands under the headings of `PANELS`."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list.

        Args:
            ctx: What was called.
            formatter: Where the help is written to.
        """
        names = self.list_commands(ctx)
        placed = {name for group in PANELS.values() for name in group}
        groups = PANELS | {_OTHERS: tuple(name for name in names if name not in placed)}
        widest = max(map(len, names))
        for title, group in groups.items():
            commands = [(name, self.get_command(ctx, name)) for name in group]
            limit = formatter.width - 6 - widest
            rows = [(name.ljust(widest), one.get_short_help_str(limit)) for name, one in commands if one]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
