"""Arguments and options that several commands share, and the parsing of names, numbers and
cells.
"""

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
        help="The name of a benchmark; list them with snas benchmarks.",
        autocompletion=known_benchmarks,
    ),
]
CellsArgument = Annotated[
    list[str],
    "Cells as strings in the notation of their space, as indices, or as published names.",
]
FirstOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CELL|FILE",
        help=(
            "A cell to evaluate first, or a file with one cell per line; may be repeated."
        ),
    ),
]
RandomOption = Annotated[
    int | None,
    (
        "Number of random cells to evaluate after --first: by default 10, 0 for a training of"
        " your own, or the number that a suite sets."
    ),
]
StrategiesOption = Annotated[
    list[str] | None,
    typer.Option(
        help=(
            "Names or file.py:Class, separated by commas; may be repeated. By default the"
            " strategies of the suite; evolution and local_search in plan; elsewhere random,"
            " local_search, evolution, reinforce, bo."
        ),
        autocompletion=known,
    ),
]
BlindOption = Annotated[
    bool,
    (
        "Run each strategy a second time as blind:NAME, with renamed operations and metrics."
    ),
]
BenchOption = Annotated[
    str | None,
    "The benchmark, if it is defined in a Python file of yours.",
]
WithOption = Annotated[
    list[Path] | None,
    "A table that adds metrics to the benchmark, such as one written by snas measure.",
]
AgainstOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FOLDER|FILE|NAME",
        help=(
            "Earlier results on the same problems, to include in the comparison: a folder, an"
            " archive, or the name of a shipped archive."
        ),
    ),
]


class _Shared(Struct, kw_only=True):
    objective: Annotated[
        str | None,
        'The objective, such as "valid_error + 0.1*params"; by default that of the benchmark.',
    ] = None
    subject_to: Annotated[
        str | None, 'Constraints, such as "latency@raspi4 <= 20".'
    ] = None
    runs: Annotated[int, "Runs (seeds) per strategy, at each λ of a path."] = 10
    budget: Annotated[
        int | None, "The most cells a run evaluates; 150 if no budget is given."
    ] = None
    budget_seconds: Annotated[float | None, "The most simulated seconds of a run."] = (
        None
    )
    run: Annotated[int, "The number of the run, counted as in a comparison."] = 0


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
    """Return the heading under which the help of a command lists a parameter."""
    return _HEADINGS.get(parameter.name, f"{parameter.param_type_name}s".title())


def taking(shared: str, more: str = "") -> Callable[[Command], Command]:
    """Return a decorator that replaces the ``**options`` of a command with declared options. The
    command's own options come after the options in `shared` and before the options in `more`.
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
    """Build the objective of a command from `options`, and remove the entries that it uses."""
    benchmark = load(bench, with_=with_ or ())
    objective, limits = (options.pop(name) for name in ("objective", "subject_to"))
    return bind(benchmark, objective, limits, ObjectiveOptions.out_of(options))


def results_folder(
    out: Path | None, kind: str, command: str, *what: str | None
) -> Path:
    """Return the folder for results: the folder given by the user, or a default. The default name
    contains the command, the benchmark and, if it is not the default, the objective.
    """
    words = [
        re.sub(r"[^\w.]+", "-", word).strip("-") for word in (command, *what) if word
    ]
    folder = out or Path("results") / "-".join(words)[:120]
    if (stored := kind_of(folder)) not in ("", kind):
        raise UserError(
            f"{folder} contains a {stored}, and this is a {kind}. Name another folder with --out"
            " (in Python folder=)."
        )
    return folder


def names(given: Iterable[str] | None) -> list[str]:
    """Return the names given by an option that may be repeated and accepts comma-separated names.

    A comma within parentheses is part of a name, as in ``evolution(population=50,tournament=5)``.
    """
    parts = list(given or ())
    chosen = [name for part in parts for name in split_outside(part)]
    if parts and not chosen:
        raise UserError(f"{','.join(parts)!r:.40} contains no name.")
    return chosen


def numbers(given: str, what: str, kind: Callable[[str], Number]) -> list[Number]:
    """Parse the comma-separated numbers of an option as floats or ints."""
    try:
        return [kind(part) for part in given.split(",") if part.strip()]
    except ValueError as error:
        whole = "whole " if kind is int else ""
        raise UserError(
            f"A {what} must be a {whole}number, not {given:.40}."
        ) from error
