"""`python -m analysis.papers NAME`: repeat a published comparison, or all of them."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from analysis.papers import PAPERS, Overview, PaperResult, overview, reproduce
from surrogate_nas.cli.output import emit, note, progress_bar, say, show_table
from surrogate_nas.core.errors import UserError

ALL = "all"


def main() -> int:
    """Read the command line, and repeat papers; 2 where one could not be made."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.papers", description=__doc__
    )
    parser.add_argument("name", help=f"{', '.join(PAPERS)}, or {ALL}")
    parser.add_argument(
        "--runs", type=int, help="runs per strategy; the paper's number if omitted"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", default="processes")
    parser.add_argument("--out", type=Path, help="results/paper-NAME if omitted")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    redo = partial(_redo, runs=given.runs, workers=given.workers, engine=given.engine)
    try:
        if given.name == ALL:
            return _show_all(
                overview(redo, given.out or Path("results"), note), given.json
            )
        folder = given.out or Path("results") / f"paper-{given.name}"
        result = redo(given.name, folder)
    except UserError as error:
        note(str(error))
        return 2
    emit(result.to_json(), given.json, partial(_show, result))
    note(f"Table and picture: {folder}")
    return 0


def _redo(
    name: str, folder: Path, *, runs: int | None, workers: int, engine: str
) -> PaperResult:
    with progress_bar("runs") as progress:
        return reproduce(
            name,
            runs=runs,
            workers=workers,
            engine=engine,
            folder=folder,
            progress=progress,
        )


def _show(result: PaperResult) -> None:
    for summary in result.summaries:
        show_table(summary.heads, summary.rows, title=result.title)
    if not result.summaries:
        spare = ("cells", "runs", "seconds", "ceiling")
        show_table(*result.table, title=result.title, spare=spare)
    for line in result.notes:
        say(line)


def _show_all(result: Overview, as_json: bool) -> int:
    heads = (
        "paper",
        "rows",
        "published and ours",
        "agree",
        "differ",
        "seconds",
        "failure",
    )
    rows = [
        (p.name, p.rows, p.compared, p.agree, p.differ, round(p.seconds, 1), p.failure)
        for p in result.papers
    ]
    emit(result.to_json(), as_json, lambda: show_table(heads, rows))
    if not result.failed:
        return 0
    first = result.failed[0]
    note(
        f"{len(result.failed)} of {len(rows)} were not made; {first.name}: {first.failure}"
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
