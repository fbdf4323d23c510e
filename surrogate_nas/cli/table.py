"""The commands that make tables of one's own: of a task, of losses, of zero-cost proxies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from surrogate_nas.cli.options import PROCESSES, EngineOption, WorkersOption, workers_or_usual
from surrogate_nas.cli.output import JsonOption, emit, in_a_line, note, progress_bar, show_table
from surrogate_nas.core.errors import UserError

if TYPE_CHECKING:
    from surrogate_nas.benchmarks.building.losses.pairs import Pair


_SEEDS = 3
_NOISY_CLASSES = 500
_LATENCIES = 500


def table(
    task: Annotated[
        str, typer.Argument(help="A task's name, file.py:TASK, or file.py:TRAINING.")
    ] = "fashion",
    out: Annotated[
        Path | None, typer.Option(help="The table's file; among the imported ones if left out.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="The length of every run; the task's default if left out.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="How many seeds tell the noise; 3, or those of your own training."),
    ] = None,
    noisy_classes: Annotated[
        int | None,
        typer.Option(help="How many classes all seeds train, the others seed 0 only; 500."),
    ] = None,
    latencies: Annotated[
        int | None, typer.Option(help="Cells whose latency is measured here; 500, 0 for none.")
    ] = None,
    workers: WorkersOption = None,
    engine: EngineOption = PROCESSES,
    space: Annotated[
        str | None, typer.Option(help="Whose cells: a space's name, or file.py:SPACE.")
    ] = None,
    beside: Annotated[
        str | None, typer.Option(help="A table of the same space whose order to compare.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train every cell of a space: a benchmark.

    On a task, cells of one functional class share a training. A training of your own trains each by
    all of its seeds. Interrupted, it goes on.

    \b
    Examples:
      snas table digits --workers 2
      snas table digits --space macro
      snas table mine.py:MINE --workers 2 --out mine.h5
    """
    from surrogate_nas.benchmarks.building.make import make_table
    from surrogate_nas.space import register
    from surrogate_nas.study.own_table import is_own, make_own_table

    started = time.perf_counter()
    with progress_bar("trainings") as progress:
        if is_own(task):
            of_tasks = {
                "--noisy-classes": noisy_classes,
                "--latencies": latencies or None,
                "--space": space,
                "--beside": beside,
            }
            if given := [option for option, value in of_tasks.items() if value is not None]:
                raise UserError(
                    f"{task} has a space and a network of its own, and every cell is trained with"
                    f" every seed: leave out {', '.join(given)}."
                )
            path, card = make_own_table(
                task,
                out=out,
                epochs=epochs,
                seeds=seeds,
                workers=workers,
                engine=engine,
                progress=progress,
                note=lambda line: note(in_a_line(line)),
            )
        else:
            path, card = make_table(
                task,
                out=out,
                epochs=epochs,
                seeds=_SEEDS if seeds is None else seeds,
                noisy_classes=_NOISY_CLASSES if noisy_classes is None else noisy_classes,
                latencies=_LATENCIES if latencies is None else latencies,
                workers=workers,
                engine=engine,
                space=register(space).definition if space else None,
                other=beside,
                progress=progress,
            )
    content = {
        "table": str(path),
        "bytes": path.stat().st_size,
        "seconds": time.perf_counter() - started,
        **card,
    }
    emit(content, json, lambda: show_table(("", str(path)), list(content.items())))


_USUAL = 2
"""Trainings or passes at once, each on one core."""


def table_losses(
    classes: Annotated[
        int | None,
        typer.Option(
            help="How many classes of cells each task and loss trains; 300.", show_default=False
        ),
    ] = None,
    tasks: Annotated[
        str, typer.Option(help="Names with commas between, or file.py:TASK; all that are here.")
    ] = "",
    losses: Annotated[
        str, typer.Option(help="Names with commas between, or file.py:LOSS; all that fit.")
    ] = "",
    noisy_classes: Annotated[
        int | None,
        typer.Option(
            help="How many of the classes three further seeds train; 300.", show_default=False
        ),
    ] = None,
    design: Annotated[
        str, typer.Option(help="What is trained, by steps: protocol, or a file.toml.")
    ] = "",
    hours: Annotated[
        float | None,
        typer.Option(help="Leave out pairs from the end until all takes so many processor hours."),
    ] = None,
    workers: WorkersOption = None,
    engine: EngineOption = PROCESSES,
    out: Annotated[
        Path | None, typer.Option(help="The tables' folder; in the home folder if left out.")
    ] = None,
    assemble: Annotated[
        bool, typer.Option("--assemble", help="Train nothing; write what there is by now.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Train the same cells on every task by every loss.

    Rounds of fifty classes of everything: what is made when it is interrupted is a table
    (--assemble). What the tables in the folder hold counts as trained, so the same command goes on
    where they end.

    \b
    Examples:
      snas table-losses --workers 2
      snas table-losses --tasks digits,fashion --losses cross_entropy,brier --classes 200
      snas table-losses --design protocol --hours 12 --out data/losses
      snas compare losses-digits --objective "valid_loss@brier + 0.1*params"
    """
    from surrogate_nas.benchmarks.building.losses.rounds import hours_given, train_rounds
    from surrogate_nas.benchmarks.building.losses.write import seconds_in_tables, write_losses
    from surrogate_nas.files import home

    most = hours_given(hours)
    say = _once()
    pairs = _pairs(tasks, losses, classes, noisy_classes, design, say)
    folder = home() / "losses" if out is None else out
    if not assemble:
        elsewhere = seconds_in_tables(pairs, folder, note=say)
        with progress_bar("trainings") as progress:
            failures = train_rounds(
                [pair.plan for pair in pairs],
                elsewhere=elsewhere,
                hours=most,
                workers=workers_or_usual(workers, engine, _USUAL),
                engine=engine,
                progress=progress,
                note=say,
            )
        for name, reason in failures.items():
            note(
                f"{name} was not trained to its end ({reason}); run the same command again to"
                " go on."
            )
    cards = write_losses(pairs, folder, note=say)
    rows = [row for card in cards.values() for row in _rows(card)]
    size = sum((folder / f"{table}.h5").stat().st_size for table in cards)
    whole = sum(
        loss["processor_hours_of_all"] or 0
        for card in cards.values()
        for loss in card["losses"].values()
    )
    title = f"{folder}: {size / 1e6:.2f} MB; all of these take {whole:.1f} processor hours"
    emit(cards, json, lambda: show_table(_HEADS, rows, title=title))


def _pairs(
    tasks: str,
    losses: str,
    classes: int | None,
    noisy_classes: int | None,
    design: str,
    say: Callable[[str], object],
) -> list[Pair]:
    """What is asked for."""
    from surrogate_nas.benchmarks.building.losses.pairs import (
        CLASSES,
        NOISY_CLASSES,
        pairs_of,
        read_design,
    )

    if not design:
        named = [list(filter(None, map(str.strip, text.split(",")))) for text in (tasks, losses)]
        numbers = (
            CLASSES if classes is None else classes,
            NOISY_CLASSES if noisy_classes is None else noisy_classes,
        )
        return pairs_of(
            *named,
            classes=numbers[0],
            noisy_classes=numbers[1],
            note=say,
        )
    given = {
        "--tasks": tasks,
        "--losses": losses,
        "--classes": classes,
        "--noisy-classes": noisy_classes,
    }
    if told := [name for name, value in given.items() if value not in ("", None)]:
        raise UserError(f"A design says what is trained: leave out {', '.join(told)}.")
    return read_design(design, note=say)


def _once() -> Callable[[str], object]:
    """Notes, each line once."""
    said: set[str] = set()

    def say(line: str) -> None:
        if line not in said:
            said.add(line)
            note(line)

    return say


_HEADS = (
    "task",
    "loss",
    "classes",
    "trainings",
    "diverged",
    "s each",
    "τ of two seeds",
    "",
    "95 %",
    "",
)


def _rows(card: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """A row for every loss of a task, and one for every further metric whose order two seeds
    tell.
    """
    for loss, about in card["losses"].items():
        seconds = about["processor_seconds_a_training"]
        classes = about["classes"]
        task = card["task"] + f" ×{card['length']:g}" * (card["length"] != 1)
        counted: tuple[object, ...] = (
            task,
            loss,
            classes[0],
            sum(classes.values()),
            about["diverged"],
            seconds,
        )
        shown = {name: about["two_seeds"].get(name) for name in ("valid_loss", card["judged_by"])}
        for name, found in shown.items():
            if found is None or found["tau"] is None:
                yield (*counted, name, None, "", "noise" if found else "")
            else:
                interval = f"{found['low']:.2f} – {found['high']:.2f}"
                yield (
                    *counted,
                    name,
                    round(found["tau"], 3),
                    interval,
                    "noise" if found["is_noise"] else "",
                )
            counted = ("",) * len(counted)


def proxies(
    space: Annotated[
        str,
        typer.Argument(
            help="A space's name, or file.py:SPACE; its cells must be listed and built."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The table's file, for --with of other commands.")],
    task: Annotated[str, typer.Option(help="A task's name, or file.py:TASK.")] = "fashion",
    seeds: Annotated[
        int, typer.Option(help="Initialisations and batches that every score is the mean over.")
    ] = 1,
    batch: Annotated[int, typer.Option(help="Training examples a batch.")] = 64,
    workers: WorkersOption = None,
    engine: EngineOption = PROCESSES,
    json: JsonOption = False,
) -> None:
    """Score every cell of a space without training. Interrupted, it goes on.

    \b
    Examples:
      snas proxies nb201 --task digits --out digits-proxies.h5
      snas search nb201-cifar10 --strategy zero_cost --with digits-proxies.h5
    """
    from surrogate_nas.benchmarks.building.proxies import Passes, make_proxies
    from surrogate_nas.space import register

    started = time.perf_counter()
    with progress_bar("passes") as progress:
        passes = Passes(
            register(space).definition,
            task,
            seeds=seeds,
            batch=batch,
        )
        together = workers_or_usual(workers, engine, _USUAL)
        card = make_proxies(
            passes,
            out,
            workers=together,
            engine=engine,
            progress=progress,
        )
    content = {
        "table": str(out),
        "bytes": out.stat().st_size,
        "seconds": time.perf_counter() - started,
        **card,
    }
    shown = [(name, value) for name, value in content.items() if not isinstance(value, dict)]
    shown += [
        (f"{proxy}: τ of two seeds", round(tau, 3))
        for proxy, tau in card["kendall_between_seeds"].items()
    ]
    emit(content, json, lambda: show_table(("", str(out)), shown))
