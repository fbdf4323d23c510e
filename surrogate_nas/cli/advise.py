"""The command that says which signal should drive a search."""

from __future__ import annotations

from typing import Annotated

import typer

from surrogate_nas.cli.output import JsonOption, emit, say


def advise(
    what: Annotated[
        str,
        typer.Argument(
            metavar="BENCH|TASK|FILE.csv",
            help="A benchmark with seeds, a task (or live:TASK), or the file of a pilot.",
        ),
    ],
    goal: Annotated[
        str, typer.Option(help="What judges in the end, on test data: measure, or loss.")
    ] = "measure",
    json: JsonOption = False,
) -> None:
    """Say which signal should drive a search, and how early.

    It also says what a pilot would tell. A benchmark is judged by its own seeds; a task and a pilot
    also by the sources of data that are shipped. It says "not known" where nothing is better than
    the validation measure at the end.

    \b
    Examples:
      snas advise fashion
      snas advise scripture
      snas advise live:fashion --goal loss --json
    """
    from surrogate_nas.study.advice import advise as advised

    found = advised(what, goal=goal)  # type: ignore[arg-type]

    def show() -> None:
        for sentence in found.sentences:
            say(sentence)

    emit(found.to_json(), json, show)
