"""Arguments and options that several commands share, and how their texts become names and cells."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.resolvers import known as known_benchmarks
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.reference import split_outside
from surrogate_nas.objective import Objective
from surrogate_nas.report.reading import kind_of
from surrogate_nas.runs.options import OPTIONS, USUAL_CELLS, ObjectiveOptions, Option
from surrogate_nas.runs.problem import bind
from surrogate_nas.space import Cell, ChoiceSpace, Space
from surrogate_nas.space.base import cell_written
from surrogate_nas.strategies import BLIND, controls_of, known, label

Command = TypeVar("Command", bound=Callable[..., None])
Number = TypeVar("Number", int, float)

DEFAULT_BUDGET = USUAL_CELLS
DEFAULT_STRATEGY = "bo"
PROCESSES = "processes"
_NO_NAME = re.compile(r"[^\w.]+")
_LONGEST_NAME = 120


BenchmarkArgument = Annotated[
    str,
    typer.Argument(
        help="A benchmark's name; snas benchmarks lists them.",
        autocompletion=known_benchmarks,
    ),
]
StrategyArgument = Annotated[
    str | None,
    typer.Argument(
        help="The strategy, as --strategy takes it; bo if left out.", autocompletion=known
    ),
]
BenchmarkOrFoldersArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[BENCH | FOLDER...]",
        help=(
            "A benchmark's name; fashion, which comes along, if left out. Or folders of finished"
            " results."
        ),
        autocompletion=known_benchmarks,
    ),
]
CellsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Cells as the field prints them, their indices, or published names."
    ),
]
StrategyOption = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        help=(
            "A name (snas strategies lists them), file.py:Class, or either as in"
            " evolution(population=50)."
        ),
        autocompletion=known,
    ),
]
StrategiesOption = Annotated[
    list[str] | None,
    typer.Option(
        help=(
            "Names or file.py:Class, with commas between or the option again. If left out: those of"
            " a suite; evolution and local_search in plan; elsewhere random, local_search,"
            " evolution, reinforce, bo."
        ),
        autocompletion=known,
    ),
]
BlindOption = Annotated[
    bool,
    typer.Option(
        "--blind",
        help=(
            "Run each strategy also as blind:NAME, which sees operations and metrics under other"
            " names."
        ),
    ),
]
ControlsOption = Annotated[
    bool,
    typer.Option(
        "--controls",
        help=(
            "Run each external program also with hidden names, without history, and beside random"
            " mutation."
        ),
    ),
]
ObjectiveOption = Annotated[
    str | None,
    typer.Option(
        help='Such as "valid_error + 0.1*params"; the benchmark\'s default if left out.'
    ),
]
SubjectToOption = Annotated[
    str | None, typer.Option(help='Limits, such as "latency@raspi4 <= 20".')
]
BudgetOption = Annotated[
    int | None,
    typer.Option(help="The most evaluated cells of a run; 150 if no budget is given."),
]
BudgetSecondsOption = Annotated[
    float | None, typer.Option(help="The most simulated seconds of a run.")
]
WithOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--with", help="A table whose metrics are joined, as snas measure writes it."
    ),
]
AgainstOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FOLDER|FILE|URL|NAME",
        help=(
            "Earlier results of the same problems, judged with these: a folder, an archive, or the"
            " name of a shipped archive."
        ),
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        help=(
            "How many jobs at once; if left out, one or two processes, or all that a cluster takes."
        )
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        help=(
            "Where jobs are done: processes, dask[:ADDRESS], ray[:ADDRESS], slurm[:OPTIONS], or"
            " FILE.py:NAME."
        )
    ),
]


def run_options(
    command: Command,
    *,
    more: Sequence[Option] = (),
    without: Sequence[str] = (),
) -> Command:
    """Let ``**options`` of a command stand for the flags of ``Options`` and for more: it is given
    those fields by their names.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    flags = []
    for option in (*more, *OPTIONS):
        if option.name not in (*without, "seed", "first_cells"):
            is_plain = option.type != str | Sequence[str]
            flag = typer.Option(f"--{option.name.replace('_', '-')}", help=option.help)
            flags.append(
                option.parameter(Annotated[option.type if is_plain else list[str], flag])
            )
    place = next(i for i, one in enumerate(own) if one.name == "seed") + 1
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in [*own[:place], *flags, *own[place:]]
    ]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command


def bound_objective(
    bench: str,
    with_: Sequence[Path] | None,
    objective: str | None,
    subject_to: str | None,
    options: dict[str, Any],
) -> Objective:
    """The objective that a command is given; its own options are taken out of all."""
    benchmark = load(bench, with_=with_ or ())
    return bind(benchmark, objective, subject_to, ObjectiveOptions.out_of(options))


def results_folder(out: Path | None, kind: str, command: str, *what: str | None) -> Path:
    """The folder that the user names, or one named after the question.

    Args:
        out: The folder that the user names, or None.
        kind: What is kept there.
        command: The beginning of the folder's name.
        what: The further words of its name: a benchmark, and an objective that is not the default.
    """
    words = [_NO_NAME.sub("-", word).strip("-") for word in (command, *what) if word]
    folder = out or Path("results") / "-".join(words)[:_LONGEST_NAME]
    if (stored := kind_of(folder)) not in ("", kind):
        raise UserError(
            f"{folder} holds a {stored}, and this is a {kind}; name another folder with --out."
        )
    return folder


def names(given: Iterable[str] | None) -> list[str]:
    """The names of an option that may be given several times, each time with commas between.

    A comma within parentheses belongs to the name, as in ``evolution(population=50,tournament=5)``.
    """
    parts = list(given or ())
    chosen = [name for part in parts for name in split_outside(part)]
    if parts and not chosen:
        raise UserError(f"There is no name in {','.join(parts)!r:.40}.")
    return chosen


def entering(given: Iterable[str] | None, usual: Iterable[str], blind: bool) -> list[str]:
    """The strategies of an option, or the usual ones; with `blind` each beside itself blinded."""
    chosen = names(given) or list(usual)
    if not blind:
        return chosen
    plain = dict.fromkeys(name.removeprefix(BLIND) for name in chosen)
    return [entered for name in plain for entered in (name, BLIND + name)]


def with_controls(chosen: Sequence[str], space: Space) -> list[str]:
    """Strategies, and what each program outside among them is held against.

    Args:
        chosen: The strategies.
        space: Where hidden names are left out as a control if it has no names to hide.
    """
    outside = [
        controls_of(label(name)) for name in chosen if len(controls_of(label(name))) > 1
    ]
    if not outside:
        raise UserError(
            "--controls adds controls to programs outside; name one with --strategies, as in"
            " external(command='python propose.py')."
        )
    added = [one for controls in outside for one in controls]
    if not isinstance(space, ChoiceSpace):
        added = [one for one in added if not one.startswith(BLIND)]
    labels = {label(name) for name in chosen}
    return [*chosen, *(one for one in dict.fromkeys(added) if one not in labels)]


def numbers(given: str, what: str, kind: Callable[[str], Number]) -> list[Number]:
    """The numbers of an option with commas between them, of the type float or int."""
    try:
        return [kind(part) for part in given.split(",") if part.strip()]
    except ValueError as error:
        whole = "whole " if kind is int else ""
        raise UserError(f"A {what} is a {whole}number, not {given:.40}.") from error


def cells_named(space: Space, texts: Sequence[str]) -> list[Cell]:
    """The cells that texts name: as the field prints them, or their indices in the order of the
    space.
    """
    return [cell_written(space, text) for text in texts]
