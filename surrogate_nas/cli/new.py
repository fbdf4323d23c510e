"""The commands that write a starting point, a strategy, a task, a loss, a space, and hold it
against the contract.
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surrogate_nas.cli.output import JsonOption, emit, progress_bar
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.numbers import plural

if TYPE_CHECKING:
    from surrogate_nas.contract import Cause

_STRATEGY = '''"""{name}: a search strategy for surrogate_nas. Try it: snas check {file}:{name}

Its place over several problems: snas suite starter --strategies {file}:{name},evolution,random --runs 5
"""

import surrogate_nas as sn


class {name}(sn.Strategy):
    best = None

    def ask(self, n):
        parent = self.best.cell if self.best else self.space.sample(self.rng)
        return [self.space.mutate(parent, self.rng) for _ in range(n)]

    def tell(self, trials):
        known = [*trials, self.best] if self.best else trials
        self.best = min(known, key=lambda trial: trial.score)
'''  # noqa: E501
_TASK = '''"""{name}: a task for surrogate_nas. Try it: snas train 11 --task {file}:{name}"""

import numpy as np

from surrogate_nas.training.tasks import Schedule, Task
from surrogate_nas.training.tasks.base import split_images


def load():
    """Images of 8×8 noise, half of them with a bright square; 320 to train, 80 to validate, 80 to test."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=480)
    images = rng.normal(size=(480, 1, 8, 8))
    images[labels == 1, :, 2:6, 2:6] += 1
    return split_images(images, labels, (320, 80, 80))


{name} = Task(
    name="{name}",
    title="is there a bright square?",
    load=load,
    classes=2,
    schedule=Schedule(epochs=3, batch=32),
    source="made here",
)
'''  # noqa: E501
_POLICY = '''"""{name}: a policy task for surrogate_nas. Try it: snas train 11 --task {file}:{name}"""

import numpy as np

from surrogate_nas.training.tasks import Schedule, Task
from surrogate_nas.training.tasks.environment import Environment, starting


class Corridor(Environment):
    """Nine squares in a row, a light at one end, and 1 for reaching it; states are (square, square of the light)."""

    longest = 12
    discount = 0.9

    def observe(self, states):
        squares = np.arange(9)
        planes = np.stack([squares == states[:, :1], squares == states[:, 1:]], 1)
        return planes[:, :, None].astype(np.float32)

    def step(self, states, actions):
        squares = np.clip(states[:, 0] + 2 * actions - 1, 0, 8)
        reached = squares == states[:, 1]
        return np.stack([squares, states[:, 1]], 1), reached.astype(float), reached

    def greatest(self, states):
        return self.discount ** (np.abs(states[:, 0] - states[:, 1]) - 1)


def load():
    """Every square but the light's, with the light at either end: the same starts to train, to validate and to test."""
    starts = np.array([(square, light) for light in (0, 8) for square in range(9) if square != light])
    return starting(Corridor(), {{"train": starts, "valid": starts, "test": starts}})


{name} = Task(
    name="{name}",
    title="walk to the light",
    load=load,
    classes=2,
    kind="policy",
    schedule=Schedule(epochs=8, batch=32),
    source="computed here",
    environment=Corridor(),
)
'''  # noqa: E501
_TASKS = {"classification": _TASK, "policy": _POLICY}
"""By kind."""
_LOSS = '''"""{name}: a loss for surrogate_nas. Try it: snas train 11 --task digits --loss {file}:{name}

Compare strategies on it: snas compare "live:digits?loss={file}:{name}" --budget 10 --runs 1
"""

from surrogate_nas.training.losses import Loss

Q = 0.7


def each(outputs, targets):
    """The generalised cross-entropy (1 - p^q) / q (Zhang & Sabuncu, NeurIPS 2018): less afraid of wrong labels.

    Outputs are the scores (K, batch, classes) of K networks, targets (batch,) their common classes; what comes back is
    the loss of every network on every example, (K, batch), which PyTorch can differentiate.
    """
    p = outputs.softmax(2).gather(2, targets.expand(len(outputs), -1).unsqueeze(2)).squeeze(2)
    return (1 - p**Q) / Q


def chance(classes):
    """What uniform answers cost: ten times it is recorded of a network that diverged."""
    return (1 - classes**-Q) / Q


{name} = Loss(
    name="{table}",
    title="generalised cross-entropy, q = .7",
    unit="powers",
    fits=("classification",),
    each=each,
    chance=chance,
    comparable="{table}",
)
'''  # noqa: E501
_SPACE = '''"""{name}: a space for surrogate_nas, and a table of it: small networks on 8×8 scans of digits.

snas check {file}:{name}                                   holds the space against its contract
python {file}                                              trains every cell and writes {table}.csv
snas data import csv {table}.csv --name {table} --space {file}:{name}
snas compare {table} --budget 25                           compares strategies on it
"""

import csv

from surrogate_nas.space import EnumerableChoiceSpace  # ChoiceSpace, where there are too many cells to list

{name} = EnumerableChoiceSpace(
    "{name}",
    {{
        "layers": (1, 2, 3),
        "width": (4, 8, 16, 32),
        "activation": ("relu", "tanh", "logistic"),
    }},
)


def measure(cell):
    """Train a cell's network; its errors in %, its loss, and how many weights it has."""
    import warnings

    from sklearn.datasets import load_digits
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    layers, width, activation = (options[c] for options, c in zip({name}.options, cell.choices))
    x, y = load_digits(return_X_y=True)
    x = x / 16
    network = MLPClassifier((int(width),) * int(layers), activation=activation, max_iter=30, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thirty epochs are few
        network.fit(x[:1000], y[:1000])
    return {{
        "valid_error (%)": 100 * (1 - network.score(x[1000:1400], y[1000:1400])),
        "valid_loss (nats)": log_loss(y[1000:1400], network.predict_proba(x[1000:1400])),
        "test_error (%)": 100 * (1 - network.score(x[1400:], y[1400:])),
        "weights": sum(w.size for w in network.coefs_),
    }}


if __name__ == "__main__":
    rows = [{{"cell": str(cell)}} | measure(cell) for cell in {name}]
    with open("{table}.csv", "w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
'''  # noqa: E501
_LONGEST_NAME = 64
_WORD = re.compile("[A-Za-z][A-Za-z0-9_]*")
_IMPORTED = {"numpy", "torch", "surrogate_nas"}

app = typer.Typer(
    no_args_is_help=True, help="Write a starting point: a strategy, task, loss or space."
)
NameArgument = Annotated[
    str, typer.Argument(help="Its name; the file is named like it, in small letters.")
]
KindOption = Annotated[str, typer.Option(help=f"What kind of task: {' or '.join(_TASKS)}.")]
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
    _write("strategy", _STRATEGY, name, folder, "snas check {}", json)


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
    if kind not in _TASKS:
        raise unknown("kind of a new task", kind, _TASKS)
    _write("task", _TASKS[kind], name, folder, "snas train 11 --task {}", json)


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
    _write("loss", _LOSS, name, folder, "snas train 11 --task digits --loss {}", json)


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
    _write("space", _SPACE, name, folder, "snas check {}; what else it can do stands in it", json)


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
    template: str,
    name: str,
    folder: Path,
    then: str,
    json: bool,
) -> None:
    from surrogate_nas.files import write_whole

    _check_name(name, kind)
    file = folder / f"{name.lower()}.py"
    if file.exists():
        raise UserError(f"{file} exists already; choose another name.")
    write_whole(file, template.format(name=name, file=file.name, table=file.stem))
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
