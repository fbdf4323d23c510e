"""Commands about data: list benchmarks, strategies and losses, look up cells, and fetch, import and
verify tables.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, Literal, get_args

from typer import Argument, Option, Typer, echo

from surrogate_nas.benchmarks import families, load, reserved
from surrogate_nas.benchmarks.doctor import (
    Examination,
    Finding,
    examine,
    examine_file,
    is_file,
)
from surrogate_nas.cli.options import (
    BenchmarkArgument,
    CellsArgument,
    WithOption,
)
from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, show_table
from surrogate_nas.core import (
    DIRECTIONS,
    REMOVAL,
    Kind,
    UserError,
    package_folder,
    plural,
    unknown,
)
from surrogate_nas.files import home, locked, table_path
from surrogate_nas.space import register
from surrogate_nas.stats.summaries import Row, Rows
from surrogate_nas.strategies import described
from surrogate_nas.tables import Table, write_table
from surrogate_nas.tables.sources import fetching, nats, nb101, spreadsheet
from surrogate_nas.tables.sources.base import declared, package_of, sources
from surrogate_nas.tables.sources.facts import verified
from surrogate_nas.tables.sources.nb201 import pth
from surrogate_nas.tables.sources.spreadsheet import Declared
from surrogate_nas.training.losses import LOSSES

app = Typer(no_args_is_help=True, help="Fetch, import and verify benchmark data.")


# Of an imported CSV file whose space is not named
_DEFAULT_SPACE = "nb201"
_PAGE = 80


UnitOption = Annotated[
    list[str] | None,
    "The unit of a metric, such as valid_error=fraction or valid_error=%; may be repeated.",
]
DirectionOption = Annotated[
    list[str] | None,
    "The better direction of a metric (min or max), such as val_acc=max; may be repeated.",
]


def benchmarks(
    what: Annotated[
        str | None,
        Argument(
            help="A family or a benchmark. Without it, one line per family is printed.",
            autocompletion=lambda: [family["name"] for family in families()],
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the benchmarks that are available or can be fetched.

    \b
    Examples:
      snas benchmarks                  one line per family
      snas benchmarks nb201            one line per benchmark
      snas benchmarks nb201-cifar10    one line per metric
      snas benchmarks --json           all details of all benchmarks
    """
    chosen = [family for family in families() if what in (None, family["name"])]
    listed = [entry for family in chosen for entry in family["benchmarks"]]
    if what is not None and not chosen:
        listed = [load(what).describe()]
    if what is None:
        emit(listed, json, lambda: _show_families(chosen))
    elif len(listed) == 1:
        emit(listed, json, lambda: _show_benchmark(*listed))
    else:
        emit(listed, json, lambda: _show_family(*chosen))


def _show_families(families: Rows) -> None:
    rows = [
        (
            family["name"],
            f"{sum(e['available'] for e in family['benchmarks'])} of {len(family['benchmarks'])}",
            family["benchmarks"][0]["name"],
            family["title"],
        )
        for family in families
    ]
    show_table(
        ("family", "available", "such as", "content"),
        rows,
        cut="content",
        spare=("such as",),
    )
    echo("Details: snas benchmarks FAMILY or snas benchmarks NAME.")


def _show_family(family: Row) -> None:
    views = dict.fromkeys(
        entry["name"].partition("/")[2] for entry in family["benchmarks"]
    )
    shown = [entry for entry in family["benchmarks"] if "/" not in entry["name"]]
    rows = [
        (
            e["name"],
            "yes" if e["available"] else "no",
            e["cells"],
            len(e["metrics"]),
            e["title"],
        )
        for e in shown
    ]
    heads = ("benchmark", "available", "cells", "metrics", "content")
    show_table(
        heads,
        rows,
        cut="content",
        spare=("metrics", "cells"),
    )
    if more := ", ".join(f"/{view}" for view in views if view):
        echo(f"Each name also accepts one of these suffixes: {more}.")
    _tell_how_to_get(shown)
    for word in ("licence", "citation"):
        for text in dict.fromkeys(entry[word] for entry in shown if entry[word]):
            echo(f"{word.capitalize()}: {text}")
    echo("Metrics of a benchmark: snas benchmarks NAME.")


def _show_benchmark(entry: Row) -> None:
    cells = (
        "too many cells to list"
        if entry["cells"] is None
        else f"{entry['cells']:,} cells"
    )
    echo(f"{entry['name']}: {entry['title']}; {cells} of the space {entry['space']}")
    _tell_how_to_get([entry])
    kinds = get_args(Kind)
    metrics = sorted(entry["metrics"], key=lambda metric: kinds.index(metric["kind"]))
    rows = [
        (
            m["name"],
            m["unit"] or None,
            m["direction"],
            m["kind"],
            ", ".join(map(str, m["epochs"])) or None,
        )
        for m in metrics
    ]
    show_table(("metric", "unit", "better", "kind", "epochs"), rows, cut="epochs")
    for word in ("source", "licence", "citation", "banner"):
        if entry[word]:
            echo(f"{word.capitalize()}: {entry[word]}")


def _tell_how_to_get(entries: Rows) -> None:
    for way in dict.fromkeys(entry["get"] for entry in entries if entry.get("get")):
        echo(f"Not available yet: {way}.")


def path(json: JsonOption = False) -> None:
    """Print the path of the data directory.

    The data directory contains fetched and imported data.

    \b
    Examples:
      snas path
    """
    emit({"path": str(home())}, json, lambda: echo(home()))


@app.command()
def fetch(
    name: Annotated[
        str,
        Argument(help="The source, or all.", autocompletion=fetching.fetchable),
    ] = "nb201",
    json: JsonOption = False,
) -> None:
    """Fetch public data and assemble its tables.

    Every file is verified by its SHA-256. Files that are already available are not fetched again.

    \b
    Examples:
      snas data fetch nb201
      snas data fetch all
    """
    started = time.perf_counter()
    if name not in ("all", *fetching.fetchable()):
        raise unknown("data source", name, ["all", *fetching.fetchable()])
    files: list[Path] = []
    tables: list[tuple[str, str, int]] = []
    for wanted in fetching.fetchable() if name == "all" else [name]:
        source = declared(wanted)
        if name == "all" and source.package and not fetching.is_ready(wanted):
            note(f"{wanted} is skipped: {fetching.how_to_get(wanted)}.")
            continue
        if source.package:
            package_folder(package_of(wanted))  # nothing is fetched where it is missing
        with progress_bar(f"files of {wanted}") as progress:
            files += fetching.fetch(wanted, progress)
        only_read = [*source.predicts, *(source.names if source.lazy else ())]
        tables += [(benchmark, source.title, 0) for benchmark in only_read]
        assembled = () if source.lazy else source.names
        with progress_bar(f"tables of {wanted}") as progress:
            for done, benchmark in enumerate(assembled, 1):
                with locked(table_path(benchmark), what=f"the table {benchmark}"):
                    tables.append(_written(fetching.assembled(benchmark)))
                progress(done, len(assembled))
    _report(name, tables, files, started, json)


@app.command("import")
def import_(
    kind: Annotated[
        Literal["nats", "nb201-pth", "nb101", "csv"],
        "The format of the source.",
    ],
    source: Annotated[
        Path,
        "The official folder or file, or your own CSV or Parquet file.",
    ],
    name: Annotated[
        str | None,
        "For csv: the name of the benchmark; by default the file name.",
    ] = None,
    space: Annotated[
        str | None,
        "For csv: the space of its cells, FILE.py:SPACE or a registered name [nb201].",
    ] = None,
    unit: UnitOption = None,
    direction: DirectionOption = None,
    json: JsonOption = False,
) -> None:
    """Import official benchmark files or a CSV file.

    Official files are a NATS-Bench folder, the .pth file of NAS-Bench-201, and the records of
    NAS-Bench-101 in the format of data-full.json. Your own CSV file must have a column `cell` (or
    one column per choice) and one column per metric. State whether errors and accuracies are
    percentages or fractions, either in the column name, such as 'valid_error (fraction)', or with
    --unit.

    \b
    Examples:
      snas data import nats NATS-tss-v1_0-3ffb9-simple
      snas data import nats NATS-sss-v1_0-50262-simple
      snas data import nb201-pth NAS-Bench-201-v1_1-096897.pth
      snas data import nb101 data-full.json
      snas import csv mine.csv --name mine
      snas data import csv mine.csv --unit valid_error=fraction --direction val_f1=max
    """
    started = time.perf_counter()
    given = {"name": name, "space": space, "unit": unit, "direction": direction}
    for option, value in given.items():
        if value is not None and kind != "csv":
            raise UserError(
                f"--{option} does not apply to {kind}: the format defines it or has none."
            )
    if kind == "csv":
        advice = (
            f" The cells were read as cells of {_DEFAULT_SPACE}. Use --space for another"
            " space."
        )
        cells = register(space or _DEFAULT_SPACE)
        table = spreadsheet.read(
            source,
            name or source.stem,
            reserved(),
            cells,
            advice="" if space else advice,
            declared=_declared(unit, direction),
        )
        _imported(kind, [table], [source], started, json)
    else:
        if kind == "nb201-pth":
            note(
                f"Reading {source} needs about {pth.memory_needed(source) / 1e9:.1f} GB of memory."
            )
        with progress_bar("architectures") as progress:
            tables = _OFFICIAL[kind](source, progress)
        files = sorted(source.iterdir()) if source.is_dir() else [source]
        _imported(kind, tables, files, started, json)


_OFFICIAL: dict[str, Callable[..., Any]] = {
    "nats": nats.read,
    "nb201-pth": pth.read,
    "nb101": nb101.imported,
}


def _declared(units: list[str] | None, directions: list[str] | None) -> Declared:
    for text in directions or ():
        if text.rpartition("=")[2] not in DIRECTIONS:
            raise UserError(
                f"--direction must be NAME=min or NAME=max, not {text!r:.80}."
            )
    return Declared(
        _pairs("--unit", "valid_error=fraction", units),
        _pairs("--direction", "val_acc=max", directions),
    )


def _pairs(option: str, example: str, texts: list[str] | None) -> Row:
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value or pairs.setdefault(name, value) != value:
            raise UserError(
                f"{option} must be NAME=VALUE, once per metric, such as {example}, not"
                f" {text!r:.80}."
            )
    return pairs


def _imported(
    name: str,
    tables: list[Table],
    files: list[Path],
    started: float,
    json: bool,
) -> None:
    _report(name, list(map(_written, tables)), files, started, json)
    for table in tables:
        examination = examine(table)
        note(examination.headline)
        for finding in examination.findings:
            if finding.level != "note":
                note(_line(finding))
        if examination.of("note"):
            note(f"Show the notes: snas data doctor {table.name}")


def _written(table: Table) -> tuple[str, str, int]:
    write_table(table, table_path(table.name))
    return table.name, table.title, len(table.columns)


def _report(
    name: str,
    tables: list[tuple[str, str, int]],
    files: list[Path],
    started: float,
    json: bool,
) -> None:
    result = {
        "name": name,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "seconds": time.perf_counter() - started,
        "benchmarks": [table for table, _, _ in tables],
    }
    emit(result, json, lambda: show_table(("benchmark", "holds", "columns"), tables))


@app.command()
def doctor(
    name: Annotated[
        str,
        (
            "A benchmark that is a table, or your own CSV or Parquet file before you"
            " import it."
        ),
    ],
    space: Annotated[
        str | None,
        "For a file: the space of the cells, FILE.py:SPACE or a registered name [nb201].",
    ] = None,
    unit: UnitOption = None,
    direction: DirectionOption = None,
    json: JsonOption = False,
) -> None:
    """Check the columns of a table before a search uses them.

    An alarm means that a search by this column would be meaningless. A warning means that you
    should inspect the column before you search by it. A note is additional information.

    \b
    Examples:
      snas data doctor fashion
      snas data doctor nb201-cifar10 --json
      snas data doctor mine.csv --space mine.py:SPACE --unit valid_error=fraction
    """
    examination = _examined(name, space, _declared(unit, direction))

    def show() -> None:
        echo(examination.headline)
        for finding in examination.findings:
            echo(_line(finding))

    emit(examination.to_json(), json, show)


def _examined(name: str, space: str | None, declared: Declared) -> Examination:

    if is_file(name):
        return examine_file(Path(name), register(space or _DEFAULT_SPACE), declared)
    if space is not None or any(declared):
        raise UserError(
            "--space, --unit and --direction apply only to a CSV or Parquet file; {name} is a"
            " benchmark that defines them."
        )
    return examine(load(name))


def _line(finding: Finding) -> str:
    text = f"{finding.level:8} {finding}".replace(" %", "\N{NO-BREAK SPACE}%")
    lines = fill(text, _PAGE, subsequent_indent=" " * 9, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


@app.command()
def verify(
    name: Annotated[
        str,
        Argument(
            help="A source, or all sources whose tables are available.",
            autocompletion=sources,
        ),
    ] = "all",
    json: JsonOption = False,
) -> None:
    """Check tables against published constants and official records.

    \b
    Examples:
      snas data verify
      snas data verify nb201
    """
    started = time.perf_counter()
    whole = [
        source
        for source in sources()
        if all(table_path(b).is_file() for b in declared(source).names)
        and not (declared(source).predicts and fetching.lacks(source))
    ]
    wanted = whole if name == "all" else [name]
    checks = [check for source in wanted for check in verified(source)]
    files = [
        file
        for source in wanted
        if source in fetching.fetchable()
        for file in fetching.files(source)
    ]
    if not checks:
        raise UserError(
            "No source has a table here yet. List the benchmarks with: snas benchmarks."
        )
    result = {
        "name": name,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files if file.is_file()),
        "seconds": time.perf_counter() - started,
        "checks": [check.to_json() for check in checks],
    }
    rows = [
        ("ok" if check.passed else "WRONG", check.name, check.detail)
        for check in checks
    ]
    emit(result, json, lambda: show_table(("", "check", "found"), rows))
    if failed := [check.name for check in checks if not check.passed]:
        raise UserError(f"{plural(len(failed), 'check')} failed: {', '.join(failed)}.")


def strategies(json: JsonOption = False) -> None:
    """List the search strategies with their descriptions and papers.

    \b
    Examples:
      snas strategies
      snas strategies --json
    """
    content = described()
    rows = [(s["name"], s["description"], s["paper"] or None) for s in content]
    emit(content, json, lambda: show_table(("strategy", "does", "paper"), rows))


def losses(json: JsonOption = False) -> None:
    """List the training losses with their units, tasks and papers.

    Two losses are comparable if their entries in the last column of the list are equal. To train
    with a loss, use --loss NAME or the task name TASK?loss=NAME. NAME may also be file.py:LOSS, a
    loss in your own file.

    \b
    Examples:
      snas losses
      snas losses --json
      snas train 11 --task digits --loss focal
    """
    content = [
        {
            "name": loss.name,
            "description": loss.title,
            "unit": loss.unit,
            "fits": list(loss.fits),
            "comparable": loss.comparable,
        }
        for loss in LOSSES.values()
    ]
    rows = [
        (loss.name, loss.title, loss.unit, ", ".join(loss.fits), loss.comparable)
        for loss in LOSSES.values()
    ]
    emit(
        content,
        json,
        lambda: show_table(
            ("loss", "description", "unit", "trains", "comparable as"), rows
        ),
    )


def query(
    bench: BenchmarkArgument,
    cells: CellsArgument,
    metric: Annotated[str | None, "The metric; by default every search metric."] = None,
    epochs: Annotated[
        int | None,
        "The length of the training in epochs; by default the longest.",
    ] = None,
    training_seed: Annotated[
        int | None, "The training seed; by default the mean over seeds."
    ] = None,
    seed: Annotated[int | None, Option(hidden=True)] = None,
    with_: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Look up metrics of cells.

    \b
    Examples:
      snas query fashion 11
      snas query nb201-cifar10 0 1 2 --metric valid_error --epochs 12
      snas query fashion 11 --with local.h5 --metric latency@local
    """
    if seed is not None:
        note(f"--seed is now --training-seed. {REMOVAL} removes --seed.")
    bench_ = load(bench, with_=with_ or ())
    results: list[Any] = bench_.query(
        cells,
        metric,
        epochs=epochs,
        training_seed=seed if training_seed is None else training_seed,
    )
    answers = (
        results
        if metric
        else [answer for by_name in results for answer in by_name.values()]
    )
    content = [answer.to_json() for answer in answers]
    heads = ("cell", "metric", "epochs", "training_seed", "value", "unit", "source")
    rows = [[entry[head] for head in heads] for entry in content]
    for before, row in reversed(list(pairwise(rows))):
        if row[0] == before[0]:
            row[0] = ""  # a cell stands once
    emit(
        content,
        json,
        lambda: show_table(heads, rows, spare=("source", "training_seed")),
    )
