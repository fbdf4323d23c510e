"""The commands that write a starting point, a strategy, a task, a loss, a space or a training, and
hold it against the contract.
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated

import typer

from surrogate_nas.cli.output import JsonOption, emit, progress_bar
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.numbers import plural

if TYPE_CHECKING:
    from surrogate_nas.contract import Cause

_KINDS_OF_TASK = {"classification": "task", "policy": "policy"}
"""The template of each."""
_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_NAME = 64
_WORD = re.compile("[A-Za-z][A-Za-z0-9_]*")
_IMPORTED = {"numpy", "torch", "surrogate_nas"}

app = typer.Typer(
    no_args_is_help=True, help="Write a first strategy, task, loss, space or training."
)
NameArgument = Annotated[
    str, typer.Argument(help="Its name; the file is named like it, in small letters.")
]
KindOption = Annotated[str, typer.Option(help=f"What kind of task: {' or '.join(_KINDS_OF_TASK)}.")]
FolderOption = Annotated[Path, typer.Option(help="Where to write the file.")]


@app.command("strategy")
def strategy(
    name: NameArgument,
    folder: FolderOption = Path(),
    json: JsonOption = False,
) -> None:
    """Write a strategy of ten lines to start from.

    \b
    Examples:
      snas new strategy MySearch
      snas check mysearch.py:MySearch
    """
    _write("strategy", name, folder, "snas check {}", json)


@app.command("task")
def task(
    name: NameArgument,
    kind: KindOption = "classification",
    folder: FolderOption = Path(),
    json: JsonOption = False,
) -> None:
    """Write a task that any cell can be trained on at once.

    It has a few images, or for policies a small world.

    \b
    Examples:
      snas new task Squares
      snas new task Corridor --kind policy
      snas train 11 --task squares.py:Squares
    """
    if kind not in _KINDS_OF_TASK:
        raise unknown("kind of a new task", kind, _KINDS_OF_TASK)
    template = _KINDS_OF_TASK[kind]
    _write("task", name, folder, "snas train 11 --task {}", json, template=template)


@app.command("loss")
def loss(
    name: NameArgument,
    folder: FolderOption = Path(),
    json: JsonOption = False,
) -> None:
    """Write a loss that any classification can be trained by at once.

    \b
    Examples:
      snas new loss Robust
      snas train 11 --task digits --loss robust.py:Robust
    """
    _write("loss", name, folder, "snas train 11 --task digits --loss {}", json)


@app.command("space")
def space(
    name: NameArgument,
    folder: FolderOption = Path(),
    json: JsonOption = False,
) -> None:
    """Write a space of 36 small networks. The loop that trains them all into a table comes with it.

    \b
    Examples:
      snas new space Mlp
      snas check mlp.py:Mlp
      python mlp.py
      snas data import csv mlp.csv --name mlp --space mlp.py:Mlp
      snas compare mlp --budget 25
    """
    _write("space", name, folder, "snas check {}; what else it can do stands in it", json)


@app.command("training")
def training(
    name: NameArgument,
    folder: FolderOption = Path(),
    json: JsonOption = False,
) -> None:
    """Write a training of small PyTorch networks.

    It learns scikit-learn's digits, reports every epoch and goes on from its checkpoint.

    \b
    Examples:
      snas new training Mine
      snas search mine.py:Mine --strategy asha --budget 30
    """
    _write("training", name, folder, "snas search {} --strategy asha --budget 30", json)


def check(
    what: Annotated[
        str,
        typer.Argument(
            help="A strategy, a space (space:NAME) or a surrogate: its name, or file.py:NAME."
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Check the contract of a strategy, a space or a surrogate.

    One line where all promises hold; else why not, each cause once. What each check found is in
    --json.

    \b
    Examples:
      snas check evolution
      snas check mysearch.py:MySearch
      snas check mlp.py:Mlp
    """
    from dataclasses import asdict

    from surrogate_nas import contract

    with progress_bar("promises") as progress:
        checks = contract.check(what, progress=progress)
    causes = contract.causes(checks)
    emit([asdict(check) for check in checks], json, lambda: _show_causes(what, len(checks), causes))
    if causes:  # without --json they stand above
        raise UserError(contract.verdict(what, checks, with_causes=json))


def _show_causes(what: str, n: int, causes: Sequence[Cause]) -> None:
    """One line where all holds, or why not, each cause once."""
    if not causes:
        typer.echo(f"{what} keeps all {n} promises.")
    for cause in causes:
        first, *others = cause.broken
        more = f" and {plural(len(others), 'other')}" if others else ""
        typer.echo(f"{cause.detail}\n    breaks: {first}{more}")
        if cause.hint:
            typer.echo(f"    hint: {cause.hint}")


def _write(
    kind: str,
    name: str,
    folder: Path,
    then: str,
    json: bool,
    *,
    template: str = "",
) -> None:
    from surrogate_nas.files import write_whole

    _check_name(name, kind)
    file = folder / f"{name.lower()}.py"
    if file.exists():
        raise UserError(f"{file} exists already; choose another name.")
    text = (_TEMPLATES / f"{template or kind}.txt").read_text(encoding="utf-8")
    write_whole(file, Template(text).substitute(name=name, file=file.name, table=file.stem))
    spec = f"{file}:{name}"
    emit(
        {"file": str(file), kind: spec},
        json,
        lambda: typer.echo(f"Wrote {file}. Next: {then.format(spec)}"),
    )


def _check_name(name: str, kind: str) -> None:
    """Refuse a name that Python cannot use, or that would hide something else."""
    if not _WORD.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UserError(
            f"{name!r:.80} is no name for a {kind}: use up to {_LONGEST_NAME} letters, digits and"
            " underscores, as in MySearch."
        )
    if keyword.iskeyword(name) or hasattr(builtins, name):
        raise UserError(
            f"{name!r} is a word of Python's own; choose another name, such as"
            f" My{name.capitalize()}."
        )
    module = name.lower()
    if module in sys.stdlib_module_names or module in _IMPORTED or keyword.iskeyword(module):
        raise UserError(
            f"{module}.py would hide Python's module {module}; choose another name, such as"
            f" My{name}."
        )
