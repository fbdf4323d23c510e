"""Arguments and options that several commands share, and how their texts become names and cells."""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from msgspec import Struct

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.sourced import known as known_benchmarks
from surrogate_nas.core import UserError, split_outside
from surrogate_nas.objective import Objective
from surrogate_nas.report.reading import kind_of
from surrogate_nas.runs.options import ObjectiveOptions, Options, Resources
from surrogate_nas.runs.problem import bind
from surrogate_nas.strategies import known

Command = TypeVar("Command", bound=Callable[..., None])
Number = TypeVar("Number", int, float)


BenchmarkArgument = Annotated[
    str,
    typer.Argument(
        help="A benchmark's name; snas benchmarks lists them.",
        autocompletion=known_benchmarks,
    ),
]
CellsArgument = Annotated[
    list[str],
    "Cells as the field prints them, their indices, or published names.",
]
FirstOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CELL|FILE",
        help=(
            "A cell to ask for first, or a file with one a line; the option again for more."
        ),
    ),
]
RandomOption = Annotated[
    int | None,
    (
        "How many random cells come next; if left out 10, none on a training of your own, or as a"
        " suite says."
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
    (
        "Run each strategy also as blind:NAME, which sees operations and metrics under other"
        " names."
    ),
]
BenchOption = Annotated[
    str | None,
    "The benchmark again, where it is code of a file of yours.",
]
WithOption = Annotated[
    list[Path] | None,
    "A table whose metrics are joined, as snas measure writes it.",
]
AgainstOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FOLDER|FILE|NAME",
        help=(
            "Earlier results of the same problems, judged with these: a folder, an archive, or the"
            " name of a shipped archive."
        ),
    ),
]


class _Shared(Struct, kw_only=True):
    objective: Annotated[
        str | None,
        'Such as "valid_error + 0.1*params"; the benchmark\'s default if left out.',
    ] = None
    subject_to: Annotated[str | None, 'Limits, such as "latency@raspi4 <= 20".'] = None
    runs: Annotated[int, "Seeds per strategy, and at each λ of a path."] = 10
    budget: Annotated[
        int | None, "The most evaluated cells of a run; 150 if no budget is given."
    ] = None
    budget_seconds: Annotated[float | None, "The most simulated seconds of a run."] = (
        None
    )
    run: Annotated[int, "The number of the run, as in a comparison."] = 0


# without the ranges, which typer would print; `check_struct` checks them
_PLAIN_TYPES = {
    name: kind
    for options in (Options, ObjectiveOptions, _Shared)
    for name, kind in get_type_hints(options).items()
}
_DECLARED = {
    name: option
    for options in (Options, ObjectiveOptions, _Shared)
    for name, option in inspect.signature(options).parameters.items()
}
RESOURCES = " ".join(Resources.__struct_fields__)
OF_AN_OBJECTIVE = "seed_policy search_on_final"
_HEADINGS = {
    **dict.fromkeys(("budget", "budget_seconds", "budget_tokens", "target"), "Budget"),
    **dict.fromkeys(Resources.__struct_fields__, "Resources"),
    **dict.fromkeys(("out", "against", "serve"), "Stored"),
}


def heading(parameter: Any) -> str:
    """The heading of a parameter in the help of its command."""
    return _HEADINGS.get(parameter.name, f"{parameter.param_type_name}s".title())


def taking(shared: str, more: str = "") -> Callable[[Command], Command]:
    """Let ``**options`` of a command stand for declared options, by their names: for some before
    its own, and for more.
    """
    flags = []
    for option in map(_DECLARED.__getitem__, f"{shared} {more}".split()):
        kind, text = _PLAIN_TYPES[option.name], option.annotation.__metadata__[-1]
        kind = list[str] if kind == str | Sequence[str] else kind
        flags.append(option.replace(annotation=Annotated[kind, text]))

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in signature.parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        first = flags[: len(shared.split())]
        parameters = [*first, *own, *flags[len(first) :]]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=parameters
        )
        return command

    return decorate


def bound_objective(
    bench: str, with_: Sequence[Path] | None, options: dict[str, Any]
) -> Objective:
    """The objective that a command is given; its own options are taken out of all."""
    benchmark = load(bench, with_=with_ or ())
    objective, limits = (options.pop(name) for name in ("objective", "subject_to"))
    return bind(benchmark, objective, limits, ObjectiveOptions.out_of(options))


def results_folder(
    out: Path | None, kind: str, command: str, *what: str | None
) -> Path:
    """The folder that the user names, or one named after the question: the command, a benchmark,
    and an objective that is not the default.
    """
    words = [
        re.sub(r"[^\w.]+", "-", word).strip("-") for word in (command, *what) if word
    ]
    folder = out or Path("results") / "-".join(words)[:120]
    if (stored := kind_of(folder)) not in ("", kind):
        raise UserError(
            f"{folder} holds a {stored}, and this is a {kind}; name another folder with --out"
            " (in Python folder=)."
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


def numbers(given: str, what: str, kind: Callable[[str], Number]) -> list[Number]:
    """The numbers of an option with commas between them, of the type float or int."""
    try:
        return [kind(part) for part in given.split(",") if part.strip()]
    except ValueError as error:
        whole = "whole " if kind is int else ""
        raise UserError(f"A {what} is a {whole}number, not {given:.40}.") from error
