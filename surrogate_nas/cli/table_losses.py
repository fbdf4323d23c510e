"""The command that makes the table of losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from surrogate_nas.cli.options import PROCESSES, EngineOption, WorkersOption, at_once
from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, show_table
from surrogate_nas.core.errors import UserError

if TYPE_CHECKING:
    from surrogate_nas.benchmarks.making.losses.pairs import Pair

_USUAL = 2
"""Trainings at once, each on one core."""


def table_losses(
    classes: Annotated[
        int | None, typer.Option(help="How many classes of cells each task and loss trains; 300.", show_default=False)
    ] = None,
    tasks: Annotated[str, typer.Option(help="Names with commas between, or file.py:TASK; all that are here.")] = "",
    losses: Annotated[str, typer.Option(help="Names with commas between, or file.py:LOSS; all that fit.")] = "",
    noisy_classes: Annotated[
        int | None, typer.Option(help="How many of the classes three further seeds train; 300.", show_default=False)
    ] = None,
    design: Annotated[str, typer.Option(help="What is trained, by steps: protocol, or a file.toml.")] = "",
    hours: Annotated[
        float | None, typer.Option(help="Leave out pairs from the end until all takes so many processor hours.")
    ] = None,
    workers: WorkersOption = None,
    engine: EngineOption = PROCESSES,
    out: Annotated[Path | None, typer.Option(help="The tables' folder; in the home folder if left out.")] = None,
    assemble: Annotated[bool, typer.Option("--assemble", help="Train nothing; write what there is by now.")] = False,
    json: JsonOption = False,
) -> None:
    """Train the same cells on every task by every loss.

    Rounds of fifty classes of everything: what is made when it is interrupted is a table (--assemble). What the tables
    in the folder hold counts as trained, so the same command goes on where they end.

    \b
    Examples:
      snas table-losses --workers 2
      snas table-losses --tasks digits,fashion --losses cross_entropy,brier --classes 200
      snas table-losses --design protocol --hours 12 --out data/losses
      snas compare losses-digits --objective "valid_loss@brier + 0.1*params"
    """
    from surrogate_nas.benchmarks.making.losses.rounds import hours_given, train_rounds
    from surrogate_nas.benchmarks.making.losses.write import seconds_in_tables, write_losses
    from surrogate_nas.files import home

    most, say = hours_given(hours), _once()
    pairs = _pairs(tasks, losses, classes, noisy_classes, design, say)
    folder = home() / "losses" if out is None else out
    if not assemble:
        elsewhere = seconds_in_tables(pairs, folder, note=say)
        with progress_bar("trainings") as progress:
            failures = train_rounds(
                [pair.plan for pair in pairs], elsewhere=elsewhere, hours=most,
                workers=at_once(workers, engine, _USUAL), engine=engine, progress=progress, note=say,
            )  # fmt: skip
        for name, reason in failures.items():
            note(f"{name} was not trained to its end ({reason}); run the same command again to go on.")
    cards = write_losses(pairs, folder, note=say)
    rows = [row for card in cards.values() for row in _rows(card)]
    size = sum((folder / f"{table}.h5").stat().st_size for table in cards)
    whole = sum(loss["processor_hours_of_all"] or 0 for card in cards.values() for loss in card["losses"].values())
    title = f"{folder}: {size / 1e6:.2f} MB; all of these take {whole:.1f} processor hours"
    emit(cards, json, lambda: show_table(_HEADS, rows, title=title))


def _pairs(
    tasks: str, losses: str, classes: int | None, noisy_classes: int | None, design: str, say: Callable[[str], object]
) -> list[Pair]:
    """What is asked for."""
    from surrogate_nas.benchmarks.making.losses.pairs import CLASSES, NOISY_CLASSES, pairs_of, read_design

    if not design:
        named = [list(filter(None, map(str.strip, text.split(",")))) for text in (tasks, losses)]
        numbers = CLASSES if classes is None else classes, NOISY_CLASSES if noisy_classes is None else noisy_classes
        return pairs_of(*named, classes=numbers[0], noisy_classes=numbers[1], note=say)
    given = {"--tasks": tasks, "--losses": losses, "--classes": classes, "--noisy-classes": noisy_classes}
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


_HEADS = ("task", "loss", "classes", "trainings", "diverged", "s each", "τ of two seeds", "", "95 %", "")


def _rows(card: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """A row for every loss of a task, and one for every further metric whose order two seeds tell."""
    for loss, about in card["losses"].items():
        seconds = about["processor_seconds_a_training"]
        classes, task = about["classes"], card["task"] + f" ×{card['length']}" * (card["length"] > 1)
        counted: tuple[object, ...] = (task, loss, classes[0], sum(classes.values()), about["diverged"], seconds)
        shown = {name: about["two_seeds"].get(name) for name in ("valid_loss", card["judged_by"])}
        for name, found in shown.items():
            if found is None or found["tau"] is None:
                yield (*counted, name, None, "", "noise" if found else "")
            else:
                interval = f"{found['low']:.2f} – {found['high']:.2f}"
                yield (*counted, name, round(found["tau"], 3), interval, "noise" if found["is_noise"] else "")
            counted = ("",) * len(counted)
