"""The commands that serve and export stored results, and create or verify archives."""

import sys
import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, Typer, echo

from surrogate_nas.cli.options import BenchOption
from surrogate_nas.cli.output import (
    JsonOption,
    emit,
    in_a_line,
    note,
    progress_bar,
    show_table,
)
from surrogate_nas.core import UserError, plural
from surrogate_nas.report.export import EXPORTS
from surrogate_nas.results import archive
from surrogate_nas.results.verification import verify as verify_file

ServeOption = Annotated[
    bool,
    "Serve the results in a browser during the run; the address is printed.",
]


def serve(
    folder: Annotated[
        Path,
        "A comparison, a suite, or a folder of them; they may be unfinished.",
    ],
    port: Annotated[int, "The port on this machine; 0 for any free port."] = 8765,
    json: JsonOption = False,
) -> None:
    """Show comparisons and suites in a browser while they run.

    The page is served on this machine only, until Ctrl-C. The address ends in a secret token, so
    that other users of the machine cannot open the page.

    \b
    Examples:
      snas serve results/compare
      snas serve results --port 0
    """
    from surrogate_nas.report.live import Server

    with Server(folder, port) as server:
        content = {
            "address": server.address,
            "folder": str(server.folder),
            "token": server.token,
        }
        emit(content, json, lambda: echo(server.address))
        sys.stdout.flush()
        note(f"Serving {folder} until Ctrl-C.")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            note("Ended.")


_NAMES = ", ".join(EXPORTS.places)


def export(
    format_: Annotated[
        str, Argument(metavar="FORMAT", help=f"{_NAMES}, or FILE.py:NAME.")
    ],
    folder: Annotated[Path, "The --out folder of compare, suite or lambda-path."],
    out: Annotated[
        Path | None,
        "The file or folder to write; DIR/export/… by default.",
    ] = None,
    bench: BenchOption = None,
    json: JsonOption = False,
) -> None:
    """Export results for dashboards, trackers and papers.

    The results may be unfinished. Only finished runs are exported.

    \b
    Examples:
      snas export optuna results/compare   (then optuna-dashboard results/compare/export/optuna.log)
      snas export latex results/suite-starter --out paper/tables
    """
    from surrogate_nas.report.reading import results_of

    chosen = EXPORTS.find(format_)
    started = time.perf_counter()
    result = results_of(folder, benchmark=bench)
    target = out or folder / "export" / chosen.default
    files = chosen.write(result, target)
    comparisons = result.comparisons.values()
    runs = [run for comparison in comparisons for run in comparison.ended_runs]
    content = {
        "format": format_,
        "out": str(target),
        "files": [str(file) for file in files],
        "comparisons": len(comparisons),
        "runs": len(runs),
        "missing": result.missing,
        "trials": sum(len(run.trials) for run in runs),
        "bytes": sum(file.stat().st_size for file in files),
        "seconds": time.perf_counter() - started,
    }
    shown = [
        (name, len(value) if isinstance(value, list) else value)
        for name, value in content.items()
    ]
    emit(content, json, lambda: show_table(("", format_), shown))
    if result.missing:
        verb = "is" if result.missing == 1 else "are"
        note(
            f"{plural(result.missing, 'run')} {verb} not finished and not exported."
            " Repeat the export later to include them."
        )
    note(chosen.then.format(out=target))


app = Typer(
    no_args_is_help=True, help="Pack results into one file, or verify such a file."
)

NOT_CHECKED = 3
"""The exit code of a verification that was incomplete because a table is missing."""


@app.command()
def create(
    folder: Annotated[Path, "The --out folder of a finished compare or suite."],
    out: Annotated[Path, "The file to write, such as mine.zip."],
    name: Annotated[
        str,
        "The name of the archive; by default that of the suite or the folder.",
    ] = "",
    by: Annotated[str, "The author of the runs."] = "",
    how: Annotated[str, Option("--note", help="How the runs were made.")] = "",
    licence: Annotated[str, "The licence of the archive, such as CC-BY-4.0."] = "",
    json: JsonOption = False,
) -> None:
    """Pack a finished comparison or suite into one file.

    The archive contains all runs, the description of the study, the versions of the software, and
    the licences and papers of the tables. The archive also contains the source code of user-defined
    strategies.

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
        Argument(metavar="FILE|NAME", help="An archive, or the name of a shipped one."),
    ],
    replay: Annotated[
        str,
        "Which runs to repeat: share (some of each strategy) or all.",
    ] = "share",
    bench: BenchOption = None,
    json: JsonOption = False,
) -> None:
    """Verify an archive and repeat some of its runs.

    The command checks that the file is complete and that its results follow from its seeds. The
    command also looks up every score in the tables of this release, and repeats runs of built-in
    strategies. Code in an archive is never executed. Exit codes: 0 valid, 2 not valid, 3 not
    verified because a table is missing on this machine.

    \b
    Examples:
      snas archive verify starter.zip
      snas archive verify starter.zip --replay all
    """
    if replay not in ("share", "all"):
        raise UserError(f"--replay must be share or all, not {replay!r:.40}.")
    path = archive.file_of(what)
    with progress_bar("verifying") as progress:
        verification = verify_file(
            path, replay_all=replay == "all", benchmark=bench, progress=progress
        )
    content = verification.to_json()
    lists = ("problems", "absent", "notes")
    rows = [(name, value) for name, value in content.items() if name not in lists]
    if verification.valid is None:
        rows[0] = ("valid", "not verified here")
    emit(content, json, lambda: show_table(("", "archive"), rows))
    whole = plural(verification.runs_in_all, "run")
    note(f"Repeated {verification.replayed} of {whole} ({verification.share:.0%}).")
    for line in (*verification.notes, *verification.absent):
        note(in_a_line(line))
    if verification.problems:
        first, *others = content["problems"]
        for line in () if json else others:
            note(in_a_line(line))
        raise UserError(first)
    if verification.absent:
        note("Not verified: this machine lacks the tables named above.")
        raise Exit(NOT_CHECKED)
