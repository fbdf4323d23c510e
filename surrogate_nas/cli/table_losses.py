"""The command that makes the table of losses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from surrogate_nas.cli.options import PROCESSES, EngineOption, WorkersOption, at_once
from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, show_table

_USUAL = 2
"""Trainings at once, each on one core."""


def table_losses(
    classes: Annotated[int, typer.Option(help="How many classes of cells each task and loss trains.")] = 1000,
    tasks: Annotated[str, typer.Option(help="Names with commas between, or file.py:TASK; all that are here.")] = "",
    losses: Annotated[str, typer.Option(help="Names with commas between, or file.py:LOSS; all that fit.")] = "",
    noisy_classes: Annotated[int, typer.Option(help="How many of the classes a second seed trains.")] = 200,
    workers: WorkersOption = None,
    engine: EngineOption = PROCESSES,
    out: Annotated[Path | None, typer.Option(help="The tables' folder; in the home folder if left out.")] = None,
    assemble: Annotated[bool, typer.Option("--assemble", help="Train nothing; write what there is by now.")] = False,
    json: JsonOption = False,
) -> None:
    """Train the same cells on every task with every loss.

    Rounds of a hundred classes of everything: what is made when it is interrupted is a table (--assemble).

    \b
    Examples:
      snas table-losses --workers 2
      snas table-losses --tasks digits,fashion --losses cross_entropy,brier --classes 200
      snas compare losses-digits --objective "valid_loss@brier + 0.1*params"
    """
    from surrogate_nas.files import home
    from surrogate_nas.making.losses.pairs import CLASSES, pairs_of
    from surrogate_nas.making.losses.rounds import train_rounds
    from surrogate_nas.making.losses.write import write_losses

    named = [list(filter(None, map(str.strip, text.split(",")))) for text in (tasks, losses)]
    pairs = pairs_of(*named, classes=classes, noisy_classes=noisy_classes, note=note)
    if not assemble:
        with progress_bar("trainings") as progress:
            together = at_once(workers, engine, _USUAL)
            failures = train_rounds([pair.plan for pair in pairs], workers=together, engine=engine, progress=progress)
        for name, reason in failures.items():
            note(f"{name} was not trained to its end ({reason}); run the same command again to go on.")
    folder = home() / "losses" if out is None else out
    cards = write_losses(pairs, folder, note=note)
    rows = [row for card in cards.values() for row in _rows(card)]
    size = sum((folder / f"{task}.h5").stat().st_size for task in cards)
    hours = sum(loss["processor_hours_of_all"] or 0 for card in cards.values() for loss in card["losses"].values())
    title = f"{folder}: {size / 1e6:.2f} MB; {CLASSES} classes of all take {hours:.1f} processor hours"
    emit(cards, json, lambda: show_table(_HEADS, rows, title=title))


_HEADS = ("task", "loss", "classes", "of two seeds", "diverged", "s each", "τ of two seeds", "", "95 %", "")


def _rows(card: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """A row for every loss of a task, and one for every further metric whose order two seeds tell."""
    for loss, about in card["losses"].items():
        seconds = about["processor_seconds_a_training"]
        counted = (card["task"], loss, *about["classes"].values(), about["diverged"], seconds)
        shown = {name: about["two_seeds"].get(name) for name in ("valid_loss", card["judged_by"])}
        for name, found in shown.items():
            if found is None or found["tau"] is None:
                yield (*counted, name, None, "", "noise" if found else "")
            else:
                interval = f"{found['low']:.2f} – {found['high']:.2f}"
                yield (*counted, name, round(found["tau"], 3), interval, "noise" if found["is_noise"] else "")
            counted = ("",) * len(counted)
