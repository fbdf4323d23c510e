"""The commands `new`, which writes a template, and `check`, which checks the contract of a
strategy, a space or a surrogate.
"""

import builtins
import keyword
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Annotated, Literal

from typer import echo

from surrogate_nas.cli.output import JsonOption, emit, progress_bar
from surrogate_nas.core import UserError, plural
from surrogate_nas.files import write_whole
from surrogate_nas.version import __version__

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_NAME = 64
_IMPORTED = {"numpy", "torch", "surrogate_nas"}
# By template what a user does with it, named so that commands find it, in its folder
_NEXT = {
    "strategy": "snas check {}",
    "task": "snas train 11 --task {}",
    "policy": "snas train 11 --task {}",
    "loss": "snas train 11 --task digits --loss {}",
    "space": "snas check {}; the file lists what else it can do",
    "training": "snas search {} --strategy asha --budget 30",
    "package": "pip install -e '{1}[test]', then snas check {0} and pytest {1}",
}


def new(
    what: Annotated[
        Literal["strategy", "task", "loss", "space", "training", "package"],
        "What to write a template of.",
    ],
    name: Annotated[
        str, "The name of the class; the file has the same name in lower case."
    ],
    kind: Annotated[
        Literal["classification", "policy"],
        "For a task: the type of task.",
    ] = "classification",
    folder: Annotated[Path, "The folder to write the files to."] = Path(),
    json: JsonOption = False,
) -> None:
    """Write a template of a strategy, task, loss, space, training or package.

    The strategy template has ten lines. The task template has a few images or, for a policy, a
    small environment. The space template has 36 small networks and a loop that trains them and
    writes a table. The training template fits a model to scikit-learn's digits, reports every
    epoch, and resumes from its checkpoint. The package template is a folder with a strategy and its
    tests. After installation, commands find the strategy by its name.

    \b
    Examples:
      snas new strategy MySearch
      snas check mysearch.py:MySearch
      snas new task Corridor --kind policy
      snas train 11 --task corridor.py:Corridor
      snas new loss Robust
      snas new space Mlp
      snas new training Mine
      snas search mine.py:Mine --strategy asha --budget 30
      snas new package Annealing
      snas compare --strategies annealing,evolution --runs 2
    """
    _check_name(name, what)
    module = name.lower()
    template = kind if what == "task" and kind == "policy" else what
    parts: dict[str, str] = {f"{module}.py": template}
    if what == "package":
        folder = folder / module
        parts = {
            f"{module}.py": "strategy",
            f"test_{module}.py": "test",
            "pyproject.toml": "pyproject",
        }
    file, *others = (folder / part for part in parts)
    for path in (file, *others):
        if path.exists():
            raise UserError(f"{path} already exists. Choose another name.")
    spec = module if what == "package" else f"{file}:{name}"
    words = {
        "name": name,
        "table": module,
        "file": file.name,
        "spec": Path(spec).name,
        "version": __version__,
    }
    for part, source in parts.items():
        text = (_TEMPLATES / f"{source}.txt").read_text(encoding="utf-8")
        write_whole(folder / part, Template(text).substitute(words))
    wrote = ", ".join(map(str, (file, *others)))
    emit(
        {"file": str(file), what: spec},
        json,
        lambda: echo(f"Wrote {wrote}. Next: {_NEXT[template].format(spec, folder)}"),
    )


def check(
    what: Annotated[
        str,
        "A strategy, a space (space:NAME) or a surrogate, by name or file.py:NAME.",
    ],
    json: JsonOption = False,
) -> None:
    """Check the contract of a strategy, a space or a surrogate.

    If all checks pass, the command prints one line. If checks fail, the command prints each cause
    of failure once. With --json, the output contains the result of every check.

    \b
    Examples:
      snas check evolution
      snas check mysearch.py:MySearch
      snas check mlp.py:Mlp
    """
    from surrogate_nas import contract

    with progress_bar("promises") as progress:
        checks = contract.check(what, progress=progress)
    broken: dict[str, list[str]] = {}
    for check in checks:
        if not check.passed:
            broken.setdefault(check.detail, []).append(check.name)
    emit(
        [asdict(check) for check in checks],
        json,
        lambda: _show(what, len(checks), broken),
    )
    if broken:
        n = sum(map(len, broken.values()))
        raise UserError(f"{what} fails {n} of {len(checks)} checks.")


def _show(what: str, n: int, broken: Mapping[str, Sequence[str]]) -> None:
    if not broken:
        echo(f"{what} passes all {n} checks.")
    for cause, (first, *others) in broken.items():
        more = f" and {plural(len(others), 'other')}" if others else ""
        echo(f"{cause}\n    failed: {first}{more}")


def _check_name(name: str, kind: str) -> None:
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or len(name) > _LONGEST_NAME:
        raise UserError(
            f"{name!r:.80} is not a valid name for a {kind}: use up to {_LONGEST_NAME} letters,"
            " digits and underscores, as in MySearch."
        )
    module = name.lower()
    if (
        hasattr(builtins, name)
        or {name, module} & {*keyword.kwlist, *_IMPORTED}
        or module in sys.stdlib_module_names
    ):
        raise UserError(
            f"{name!r} is a Python keyword or builtin, or {module}.py would hide a module of that"
            f" name. Choose another name, such as My{name.capitalize()}."
        )
    if kind == "package" and _is_taken(module):
        raise UserError(
            f"A module or a strategy named {module} already exists. Choose another name, such as"
            f" My{name.capitalize()}."
        )


def _is_taken(module: str) -> bool:
    from surrogate_nas.strategies import BRIDGES, known

    return module in {*known(), *BRIDGES} or find_spec(module) is not None
