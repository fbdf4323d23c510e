"""What a maintainer needs to see of a folder that gives trouble: versions, settings, sizes, and how
failures end.

Nothing that a user wrote passes as it is. A name stays where this package knows it. Of a message
the words stay that this package's own files have, and nothing else: no path, no number, no name.
"""

from __future__ import annotations

import builtins
import getpass
import json
import platform
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import is_installed
from surrogate_nas.core.reference import parse_reference
from surrogate_nas.files import shipped, write_whole
from surrogate_nas.report.reading import (
    PROBLEMS,
    STEP,
    STORED,
    RunWatch,
    Store,
    as_file_name,
    numbers_of,
    provenance,
    results_of,
)
from surrogate_nas.space import SPACES
from surrogate_nas.strategies import BLIND, BRIDGES, strategy_entry

_HIDDEN = "…"
"""Stands for whatever does not pass."""
_PACKAGE = Path(__file__).parents[1]
_PARTS = ("runs", "failures", "sources", "files", "running", "tables", "baselines", "export")
"""Folders of a comparison or a suite, by which sizes are told."""
_OF_TASKS = ("live:", "losses-")
"""How benchmarks of a task are named."""
_LAST_LINES = 12
_MOST_FAILURES = 20
_MOST_REASONS = 3
"""Lines of a traceback, failures, and reasons of failed trainings of a run, that are told."""
_NOT_CODE = re.compile(r'"""[\s\S]*?"""|(?<=\s)#.*')
_WORD = re.compile(r"[^\W\d]\w*")
_VERSION = re.compile(r"\d+(?:\.\d+){0,3}(?:(?:a|b|rc|\.dev|\.post)\d+)?")
_SYSTEM = re.compile(r"(Linux|macOS|Darwin|Windows)-(\d+(?:\.\d+)*)")
_MACHINE = re.compile(r"x86_64|AMD64|aarch64|arm64|glibc\d+\.\d+|musl")
_ENGINE = re.compile(r"pytorch|compiled \d+(?:, (?:NumPy|BLAS) [0-9a-f]{8})*")
_SIZE = re.compile(r"\d+(?:\.\d+)?[KMGT]?I?B")
_FRAME = re.compile(r'\s*File "(?P<path>.*)", line (?P<line>\d+)(?:, in (?P<name>\S+))?')
_RAISED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?")
_PYTHON_SAYS = set(
    "operand operands unsupported broadcast together mismatch argument arguments positional keyword"
    " required missing takes given got unexpected multiple values expected unpack enough many too"
    " object attribute subscriptable iterable callable hashable unhashable assignment referenced"
    " before local variable defined division zero index indices range recursion maximum depth"
    " exceeded module named import name circular convert literal base invalid syntax string integer"
    " float boolean sequence mapping key dict list tuple set bytes array dimension dimensions"
    " dimensional shape shapes size dtype cast singular matrix converge infinity nan overflow"
    " encountered memory allocate permission denied directory exists connection refused timed"
    " empty ambiguous truth element elements modified during iteration closed"
    " LinAlgError OutOfMemoryError JSONDecodeError".split()
)
"""What messages of Python and NumPy say, beside the words of this package."""


def write_for_help(folder: str | Path, out: str | Path, *, benchmark: str | None = None) -> Path:
    """Write what a maintainer needs to see, as JSON.

    Args:
        folder: A comparison, a suite or a path over λ; finished, unfinished or damaged.
        out: The file to write. Its ``digest`` is the sha256 of the rest, as JSON with sorted keys.
        benchmark: A benchmark's name again, where opening it runs a file of the user's.

    Raises:
        UserError: The folder holds none of them, or the file cannot be written.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     _ = sn.compare("fashion", ["random"], runs=2, budget=12, folder=place)
        ...     told = json.loads(write_for_help(place, f"{place}/help.json").read_text())
        >>> told["parts"][0]["strategies"]
        [{'name': 'random', 'runs': 2, 'ended': 2, 'failed': 0, 'damaged': 0, 'trials': 24}]
    """
    folder = Path(folder)
    parts = list(_parts(folder))
    if not parts:
        raise UserError(
            f"{folder} holds no comparison, suite or path over λ: give what was --out of one of"
            " them."
        )
    content = {
        "what": "a report for help",
        "here": _provenance(provenance()),
        "sizes": _sizes(folder),
        "reading": _reading(folder, benchmark),
        "parts": [_told(part) for part in parts],
    }
    digest = json_digest(content)
    whole = {**content, "digest": digest}
    return write_whole(Path(out), json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def _parts(folder: Path) -> Iterator[Path]:
    """The comparisons of a folder: itself, those of a suite's problems, or those of a path."""
    for pattern in ("", f"{PROBLEMS}/*/", f"{STEP}*/"):
        for file in sorted(folder.glob(f"{pattern}experiment.json")):
            yield file.parent


def _reading(folder: Path, benchmark: str | None) -> list[str]:
    """What happens when the folder is read, as a report does; empty where nothing is wrong."""
    try:
        results_of(folder, benchmark=benchmark)
    except UserError as error:
        return [plain(str(error))]
    except Exception:  # noqa: BLE001 - an error of ours is what a maintainer looks for
        return _last_lines(traceback.format_exc())
    return []


def _told(place: Path) -> dict[str, Any]:
    """A comparison: what was asked, who ran, and what failed."""
    store = Store(place)
    try:
        description = store.read()
    except UserError as error:
        return {"damaged": plain(str(error))}
    objective = description["objective"]
    extensions = description["extensions"]
    data = description.get("data") or {}
    told = {
        "benchmark": _benchmark(description["benchmark"]),
        "joined": len(description["with"]),
        "space": name_of(data.get("space", "")),
        "objective": _expression(objective["expression"]),
        "fingerprint": description["fingerprint"],
        "cost": name_of(objective.get("cost", "")),
        "engine": _as(_ENGINE, description.get("engine") or ""),
        "budget": description["budget"],
        "seed": description["seed"],
        "first_cells": description["first_cells"],
        "options": {one.name: _value(description.get(one.name)) for one in STORED},
        "made_by": _provenance(description["provenance"]),
        "extended_by": [_provenance(one.get("provenance", {})) for one in extensions],
    }
    strategies = []
    failures: list[dict[str, Any]] = []
    for number, label in enumerate(description["strategies"], 1):
        own = label in (description.get("sources") or {})
        watches = [store.watch(label, run) for run in numbers_of(description)]
        for watch in watches:
            watch.refresh()
        strategies.append(_strategy(store, label, own, watches))
        failures += _failures(store, label, number, watches)
    return {**told, "strategies": strategies, "failures": failures[:_MOST_FAILURES]}


def _strategy(store: Store, label: str, own: bool, watches: Sequence[RunWatch]) -> dict[str, Any]:
    """A strategy by a name that says nothing of the user's, and how far its runs are."""
    told: dict[str, Any] = {"name": "the user's own" if own else _label(label)}
    if own:
        files = [*(store.folder / "sources" / as_file_name(label)).glob("*")]
        told |= {"files": len(files), "bytes": sum(file.stat().st_size for file in files)}
    ends = [watch.end for watch in watches if watch.end]
    return {
        **told,
        "runs": len(watches),
        "ended": len(ends),
        "failed": sum(bool(end["failure"]) for end in ends),
        "damaged": sum(bool(watch.damage) for watch in watches),
        "trials": sum(len(watch.best) for watch in watches),
    }


def _failures(
    store: Store, label: str, number: int, watches: Sequence[RunWatch]
) -> Iterator[dict[str, Any]]:
    """The runs of a strategy that failed or are damaged, and the trainings that failed."""
    for run, watch in enumerate(watches):
        failure = (watch.end or {}).get("failure", "")
        trace = store.folder / "failures" / f"{as_file_name(label)}-{run}.txt"
        lines: list[str] = []
        with suppress(OSError):
            lines = _last_lines(trace.read_text(encoding="utf-8", errors="replace"))
        reasons = list(dict.fromkeys(plain(reason) for _, reason in watch.failed))
        if failure or watch.damage or lines or reasons:
            yield {
                "strategy": number,
                "run": run,
                "failure": plain(failure),
                "damage": plain(watch.damage),
                "last_lines": lines,
                "failed_trainings": watch.n_failed,
                "reasons": reasons[-_MOST_REASONS:],
            }


def _sizes(folder: Path) -> dict[str, dict[str, int]]:
    """Files and bytes of each kind."""
    sizes: dict[str, dict[str, int]] = {}
    for file in folder.rglob("*"):
        if file.is_symlink() or not file.is_file():
            continue
        inside = file.relative_to(folder).parts[:-1]
        kind = next((part for part in inside if part in _PARTS), "others")
        size = sizes.setdefault(kind, {"files": 0, "bytes": 0})
        size["files"] += 1
        size["bytes"] += file.stat().st_size
    return sizes


def _provenance(made: Mapping[str, Any]) -> dict[str, str]:
    """Versions, each cut to what a version is, and the system without what its builder added."""
    told = {}
    for name in provenance():
        value = str(made.get(name, ""))
        if name == "platform":
            system = _SYSTEM.match(value)
            found = ["-".join(system.groups())] if system else []
            told[name] = " ".join([*found, *_MACHINE.findall(value)])
        else:
            told[name] = _as(_VERSION, value, whole=False)
    return told


def _as(pattern: re.Pattern[str], text: str, *, whole: bool = True) -> str:
    """A text, or its beginning, where it is of a form; else nothing of it."""
    found = pattern.fullmatch(text) if whole else pattern.match(text)
    return found[0] if found else _HIDDEN if text else ""


def _value(value: Any) -> Any:
    """The value of an option: a number, or a word that is known."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if value in _vocabulary() or _SIZE.fullmatch(value) else _HIDDEN
    return _HIDDEN


def _label(label: str) -> str:
    """The label of a strategy of ours with those of its options that are numbers or known words."""
    blinded = BLIND if label.startswith(BLIND) else ""
    try:
        head, options = parse_reference(label.removeprefix(BLIND))
        origin = strategy_entry(label).origin
    except UserError:
        return _HIDDEN
    if origin == "bridge":
        library, _, algorithm = head.partition(":")
        head = f"{library}:{name_of(algorithm)}" if library in BRIDGES and algorithm else library
    elif origin != "built-in":
        return _HIDDEN
    given = ", ".join(
        f"{name if name in _vocabulary() else _HIDDEN}={_value(value)}"
        for name, value in options.items()
    )
    return f"{blinded}{head}({given})" if given else f"{blinded}{head}"


def _expression(text: str) -> str:
    """An objective with its numbers and the metrics that are known."""
    return re.sub(r"[^\W\d][\w@./:\\-]*", lambda name: _metric(name[0]), text)


def _metric(name: str) -> str:
    """The name of a metric, if its parts are known."""
    words = re.split(r"[_@]", name)
    return name if all(word in _vocabulary() for word in words) else _HIDDEN


def _benchmark(name: str) -> str:
    """The name of a benchmark: one of ours, or of a task of ours and a space."""
    prefix = next((one for one in _OF_TASKS if name.startswith(one)), "")
    parts = re.split(r"[/-]", name.removeprefix(prefix))
    is_task = bool(prefix) and all(part in _vocabulary() for part in parts)
    return name if is_task else name_of(name)


def name_of(name: str) -> str:
    """A name where this package knows it, else nothing of it.

    Args:
        name: Of a benchmark, a space, a metric, or of code.

    Example:
        >>> name_of("nb201-cifar10"), name_of("/home/jane/secret.h5")
        ('nb201-cifar10', '…')
    """
    return name if not name or name in _names() or name in _vocabulary() else _HIDDEN


def plain(text: str) -> str:
    """A message with the words that this package's own files have, and nothing else.

    Args:
        text: Of whatever origin, such as an error of the user's code.

    Example:
        >>> plain("ValueError when it was asked: no file /home/jane/x.csv for jane (mine.py:3)")
        'ValueError when it was asked: no file … for …'
    """
    told: list[str] = []
    for chunk in text.split():
        word = chunk.strip("()[]{}<>,.;:!?'\"`*")
        known = word in _vocabulary() or word in _PYTHON_SAYS or word.lower() in _words()
        if known and word.lower() not in _personal():
            told.append(chunk if chunk.strip(",.;:") == word else word)
        elif told[-1:] != [_HIDDEN]:
            told.append(_HIDDEN)
    return " ".join(told)


def _last_lines(trace: str) -> list[str]:
    """The end of a traceback: places of frames and the error; no line of code."""
    told: list[str] = []
    lines = trace.splitlines()
    for line in lines:
        if frame := _FRAME.fullmatch(line):
            name = frame["name"] or ""
            told.append(f"{_place(frame['path'])}, line {frame['line']}, in {name_of(name)}")
        elif line[:1].strip() and (raised := _RAISED.fullmatch(line)):
            kind = raised["kind"].rpartition(".")[2]
            kind = kind if kind in _PYTHON_SAYS else name_of(kind)
            told.append(f"{kind}: {plain(raised['message'] or '')}")
    return told[-_LAST_LINES:]


def _place(path: str) -> str:
    """A file of a traceback: ours by its name, a library's by the library."""
    parts = Path(path).parts
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] == _PACKAGE.name and (_PACKAGE.joinpath(*parts[place + 1 :])).is_file():
            return "/".join(parts[place:])
    for place, part in enumerate(parts[:-1]):
        following = parts[place + 1].removesuffix(".py")
        if part == "site-packages" and (following in _vocabulary() and is_installed(following)):
            return following
        if re.fullmatch(r"python3\.\d+", part) and following in sys.stdlib_module_names:
            return following
    return "a file of the user's"


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    """Every name and every message in the code of the package; docstrings and comments, which have
    examples, are left out, and so are capitalised words, which may be the names of people.
    """
    words: set[str] = set()
    for file in _PACKAGE.rglob("*.py"):
        code = _NOT_CODE.sub("", file.read_text(encoding="utf-8"))
        words.update(_WORD.findall(code))
    people = {word for word in words if word.istitle() and word.isalpha()}
    return frozenset(words - people | set(dir(builtins)))


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    """What a message may say: small words."""
    small = (word for word in _vocabulary() if word.isalpha() and word.islower())
    return frozenset(small)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    """The benchmarks and spaces that come with the package."""
    catalogue = json.loads(shipped("catalogue.json").read_text(encoding="utf-8"))
    return frozenset([*catalogue, *SPACES])


@lru_cache(maxsize=1)
def _personal() -> frozenset[str]:
    """The parts of the user's and the machine's names, which are told even less."""
    told: list[str] = [platform.node(), *Path.home().parts]
    with suppress(KeyError, OSError):  # a user without a name
        told.append(getpass.getuser())
    return frozenset(_parts_of(told))


def _parts_of(texts: Iterable[str]) -> Iterator[str]:
    """Names and what they are put together of, in small letters."""
    for text in texts:
        yield text.lower()
        yield from (part for part in re.split(r"[\W_]+", text.lower()) if len(part) > 1)
