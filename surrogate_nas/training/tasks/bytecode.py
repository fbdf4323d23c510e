"""Language modelling of Python bytecode: predict the next operation in functions of Python's own
standard library, with causal cells.

Operations are named as in `dis`. The 31 most frequent operations are classes of their own, and all
others form one class. All functions of a library file belong to the same split. Bytecode differs
between versions of Python, so the splits are fixed for one version only. The perplexity per
operation is ``exp(loss)``.
"""

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

from surrogate_nas.training.tasks import (
    Schedule,
    Splits,
    Task,
    enough,
    next_ones,
    split_rng,
)

KINDS = 32
PACKAGES = (
    "asyncio collections concurrent ctypes email html http importlib json logging multiprocessing"
    " unittest urllib wsgiref xml xmlrpc"
).split()
"""The packages that are read in addition to single-file modules: those that every distribution of
Python installs.
"""
_LENGTH = 48
_SIZES = (1400, 700, 1500)

Operations = tuple[str, ...]


@cache
def functions() -> list[list[Operations]]:
    """Return, for each file of the standard library, the distinct functions that are long enough,
    in the order of file names.
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [*library.glob("*.py")]
    for package in PACKAGES:
        files += (library / package).rglob("*.py")
    by_file = []
    for file in sorted(files):
        code = InspectLoader.source_to_code(file.read_bytes(), file.name)
        beginnings = dict.fromkeys(map(_beginning, _inside(code)))
        by_file.append(
            [operations for operations in beginnings if len(operations) > _LENGTH]
        )
    return by_file


def _inside(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all code objects inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inside(constant)


def _beginning(code: CodeType) -> Operations:
    instructions = islice(dis.get_instructions(code), _LENGTH + 1)
    return tuple(instruction.opname for instruction in instructions)


def load() -> Splits:
    """Return splits with the first 49 operations of each function: 1,400 functions for training,
    700 for validation, 1,500 for testing.
    """
    by_file = functions()
    order = split_rng().permutation(len(by_file))
    different = {sequence[:_LENGTH]: sequence for i in order for sequence in by_file[i]}
    chosen = enough([*different.values()], sum(_SIZES), "functions of Python's library")
    times = Counter(operation for sequence in chosen for operation in sequence)
    frequent = sorted(times, key=lambda operation: (-times[operation], operation))
    index = {
        operation: number for number, operation in enumerate(frequent[: KINDS - 1])
    }
    numbers = [
        [index.get(operation, KINDS - 1) for operation in sequence]
        for sequence in chosen
    ]
    return next_ones(np.array(numbers), KINDS, _SIZES)


TASK = Task(
    name="bytecode",
    title="which operation comes next? Python's library as bytecode; perplexity is exp(loss)",
    load=load,
    classes=KINDS,
    kind="language",
    channels=8,
    residual=False,
    schedule=Schedule(epochs=4, batch=32),
    source=f"the library of the running Python, {platform.python_version()} (PSF licence)",
)
