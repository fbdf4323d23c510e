"""Commands about archives: sealing results in one file, and verifying one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, Typer

from surrogate_nas.cli.options import BenchOption
from surrogate_nas.cli.output import (
    JsonOption,
    emit,
    in_a_line,
    note,
    progress_bar,
    show_table,
)
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import plural
from surrogate_nas.results import archive
from surrogate_nas.results.verification import verify as verify_file

app = Typer(no_args_is_help=True, help="Seal results in one file, or verify one.")

NOT_CHECKED = 3
"""The exit code of a verification that lacks a table."""


@app.command()
def create(
    folder: Annotated[Path, "What was --out of compare or suite, with all its runs."],
    out: Annotated[Path, "The file to write, such as mine.zip."],
    name: Annotated[
        str,
        "What others call it; the suite's or the folder's if left out.",
    ] = "",
    by: Annotated[str, "Who made the runs."] = "",
    how: Annotated[str, Option("--note", help="How they were made.")] = "",
    licence: Annotated[
        str, "The licence under which they are passed on, such as CC-BY-4.0."
    ] = "",
    json: JsonOption = False,
) -> None:
    """Seal a finished comparison or suite in one file.

    It holds all runs, what was asked, the versions that made them, and the licences and papers of
    the tables; of users' strategies also the source.

    \b
    Examples:
      snas archive create results/suite-starter starter.zip
      snas archive create results/mine mine.zip --by "A. Name" --licence CC-BY-4.0
    """
    created = archive.create(folder, out, name=name, by=by, note=how, licence=licence)
    content = {
        "name": created.name,
        "file": str(out),
        "bytes": out.stat().st_size,
        "files": len(created.files),
        "digest": created.digest,
    }
    emit(content, json, lambda: show_table(("", "archive"), list(content.items())))


@app.command()
def verify(
    what: Annotated[
        str,
        Argument(metavar="FILE|NAME", help="An archive, or a shipped one's name."),
    ],
    replay: Annotated[
        str,
        "Which runs are made again: a share of each strategy's, or all.",
    ] = "share",
    bench: BenchOption = None,
    json: JsonOption = False,
) -> None:
    """Check an archive and make runs of it again.

    It must be whole, and its results must follow from its seeds. Every score is looked up in the
    tables of this release, and runs of the project's own strategies are made again. Code that comes
    with an archive is never run. Exit codes: 0 valid, 2 not valid, 3 not checked here, as this
    machine lacks a table.

    \b
    Examples:
      snas archive verify starter.zip
      snas archive verify starter.zip --replay all
    """
    if replay not in ("share", "all"):
        raise UserError(f"--replay is share or all, not {replay!r:.40}.")
    path = archive.file_of(what)
    with progress_bar("verifying") as progress:
        verification = verify_file(
            path, replay_all=replay == "all", benchmark=bench, progress=progress
        )
    content = verification.to_json()
    lists = ("problems", "absent", "notes")
    rows = [(name, value) for name, value in content.items() if name not in lists]
    if verification.valid is None:
        rows[0] = ("valid", "not checked here")
    emit(content, json, lambda: show_table(("", "archive"), rows))
    whole = plural(verification.runs_in_all, "run")
    note(f"Replayed {verification.replayed} of {whole} ({verification.share:.0%}).")
    for line in (*verification.notes, *verification.absent):
        note(in_a_line(line))
    if verification.problems:
        first, *others = content["problems"]
        for line in () if json else others:
            note(in_a_line(line))
        raise UserError(first)
    if verification.absent:
        note("Not checked here: this machine lacks what the lines above name.")
        raise Exit(NOT_CHECKED)
