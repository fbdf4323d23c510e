"""Language modelling: the next operation of Python's own library as bytecode, with causal cells.

Operations are named as `dis` names them; the 31 most frequent are told apart, and the rest is one
kind. All functions of a file go to one split. Bytecode differs between versions of Python, so
splits are fixed for one version. The perplexity per operation is ``exp(loss)``.
"""

from __future__ import annotations

import dis
import platform
import sysconfig
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.abc import InspectLoader
from itertools import islice
from pathlib import Path
from types import CodeType

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.tasks.base import SPLIT_SEED, Schedule, Task
from surrogate_nas.training.tasks.checking import Split
from surrogate_nas.training.tasks.symbols import next_ones

KINDS = 32
PACKAGES = (
    "asyncio",
    "collections",
    "concurrent",
    "ctypes",
    "email",
    "html",
    "http",
    "importlib",
    "json",
    "logging",
    "multiprocessing",
    "unittest",
    "urllib",
    "wsgiref",
    "xml",
    "xmlrpc",
)
"""Read besides the modules that are single files: what every distribution of Python installs."""
_LENGTH = 48
_SIZES = (1400, 700, 1500)

Operations = tuple[str, ...]


@cache
def functions() -> list[list[Operations]]:
    """Of every file of the library its different functions that are long enough, in the order of
    the files' names.
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [*library.glob("*.py")]
    for package in PACKAGES:
        files += (library / package).rglob("*.py")
    found = []
    for file in sorted(files):
        code = InspectLoader.source_to_code(file.read_bytes(), file.name)
        beginnings = dict.fromkeys(filter(None, map(_beginning, _inside(code))))
        found.append(list(beginnings))
    return found


def _inside(code: CodeType) -> Iterator[CodeType]:
    """A piece of code and all that is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inside(constant)


def _beginning(code: CodeType) -> Operations:
    """The first operations of a piece of code; empty where there are too few."""
    operations = tuple(
        one.opname for one in islice(dis.get_instructions(code), _LENGTH + 1)
    )
    return operations if len(operations) > _LENGTH else ()


def load() -> dict[str, Split]:
    """The first 49 operations of functions, file by file: 1,400 / 700 / 1,500."""
    by_file = functions()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(by_file))
    different = {one[:_LENGTH]: one for i in order for one in by_file[i]}
    chosen = list(different.values())[: sum(_SIZES)]
    if len(chosen) < sum(_SIZES):
        raise UserError(
            f"The task bytecode needs {sum(_SIZES)} functions of Python's library, and this Python"
            f" has {len(chosen)}."
        )
    times = Counter(operation for one in chosen for operation in one)
    frequent = sorted(times, key=lambda operation: (-times[operation], operation))[
        : KINDS - 1
    ]
    place = {operation: number for number, operation in enumerate(frequent)}
    numbers = np.array(
        [[place.get(operation, KINDS - 1) for operation in one] for one in chosen]
    )
    return next_ones(numbers, KINDS, _SIZES)


TASK = Task(
    name="bytecode",
    title="which operation comes next? Python's library as bytecode; perplexity is exp(loss)",
    load=load,
    classes=KINDS,
    kind="language",
    channels=8,
    residual=False,
    schedule=Schedule(epochs=4, batch=32, learning_rate=0.1),
    source=f"the library of the running Python, {platform.python_version()} (PSF licence)",
)
