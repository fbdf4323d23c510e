"""The store of results in a folder: append-only, locked, crash-safe, and with checksums. All
reports are computed from the stored results.

The folder of a comparison has these files:

- ``experiment.json`` contains the description of the comparison, its fingerprint and the versions
  of the software.
- ``runs/STRATEGY-RUN.jsonl`` contains the trials of a run (see `surrogate_nas.runs.run`).
- ``answers/STRATEGY-RUN.journal`` contains the proposals of a strategy that represents a program or
  a person (see `surrogate_nas.runs.sandbox`).
- ``confirmed/STRATEGY-RUN.json`` contains a confirmed winner (see `surrogate_nas.runs.confirm`).

After a crash, an incomplete last line is dropped. An unfinished run is then replayed with its
strategy and continued. Any other damage to the files is an error.

A table may have grown since a results folder was created. The fingerprint of an objective covers
only the columns that the objective reads, but the cost of trials and the available epochs depend on
further columns. A comparison is therefore continued with the part of the table that existed when
its folder was created. The numbers in this part must agree bit by bit. Columns on which results
cannot depend (final metrics, and costs that the objective does not use) may differ.
"""

import json
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import quote

from msgspec import Meta, Struct, ValidationError, convert

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.benchmarks.table import differing
from surrogate_nas.core import AbsentError, UserError, json_check
from surrogate_nas.files import Journal, locked, read_regular, write_whole
from surrogate_nas.files.formats import (
    FORMATS,
    RELEASE,
    check_version,
    stamp,
    this_release,
)
from surrogate_nas.files.opened import Opened
from surrogate_nas.objective import Objective
from surrogate_nas.objective.expression import parse_several
from surrogate_nas.objective.objective import CONVENTIONS
from surrogate_nas.runs.beginning import BEGINNING
from surrogate_nas.runs.options import (
    FIELDS,
    MOST,
    MOST_RUNS,
    USUAL,
    Budget,
    Finite,
    ObjectiveOptions,
    Options,
)
from surrogate_nas.runs.run import Confirmation, Count, Run, RunLog, RunWatch, read_run
from surrogate_nas.runs.sources import SEVERAL, Sources, digest_of, files_read
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Epochs
from surrogate_nas.strategies import LABELS
from surrogate_nas.tables import runs_of
from surrogate_nas.training.machine import HOW_TO_AGREE

DESCRIPTION = "experiment.json"
"""The file with the description of a comparison."""
PLAN = "plan.json"
"""The file with the definition of a suite. The folders of its problems store only the largest
number of runs.
"""
PROBLEMS = "problems"
"""The subfolder of a suite with one folder per problem, each a comparison."""
VERDICT = "verdict.txt"
"""The file with all sentences of a verdict, one per line."""
NUMBERS = "numbers"
"""The key of the numbers of each strategy's runs if they do not count from 0, as for a search."""
VERSION = FORMATS["comparison"].version
_SUFFIXES = {"runs": ".jsonl", "answers": ".journal", "failures": ".txt"}
_SAFE = "()=,+@ "
# Characters of a label in a file's name; 255 with a run's number and what is added for a while.
_LONGEST_NAME = 215
_DIGITS = 16
_VERSIONED = ("numpy", "scipy", "scikit-learn", "h5py")
_GROWING = {"strategies", LABELS, "runs", NUMBERS, "budget"}
# What the fingerprint covers already; files may move.
_MOVING = {"objective", "benchmark", "address", "with", "data", "reference"}

Texts = dict[str, str]
Label = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[^\\\0]*$")]


class Store:
    """The results folder of one comparison."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        """Whether the folder contains a stored comparison."""
        return (self.folder / DESCRIPTION).is_file()

    @property
    def is_empty(self) -> bool:
        """Return whether no run has a trial yet, so that another comparison may replace the stored
        one.
        """
        return not any(
            b"\n" in path.read_bytes().partition(b"\n")[2]
            for path in self.folder.glob("runs/*.jsonl")
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process, and create it if necessary. If another process has
        locked the folder, wait until it is released.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"Cannot write {self.folder}: {error.strerror or error}."
            ) from error
        with locked(self.folder):
            yield

    def begin(
        self,
        experiment: dict[str, Any],
        sources: Mapping[str, Sources] | None = None,
        folders: Mapping[str, Path] | None = None,
    ) -> None:
        """Write the description of the comparison, or check that the folder already describes the
        same one.

        A stored comparison may be extended by further strategies, further runs and a larger budget.
        All other fields of the description must agree. The original description is kept, and each
        extension is recorded with the versions of the software that made it. If the source code of
        a user-defined strategy or a file that its runs read has changed, the strategy's runs are
        discarded with a message on standard error. Runs of two versions are therefore never mixed.

        Args:
            experiment: The description of the comparison, with ``fingerprint``, ``strategies`` and
                ``runs``.
            sources: The source code of user-defined strategies, by label.
            folders: The folders of the files of user-defined strategies, by label.

        Raises:
            UserError: The folder contains another comparison, or is not writable.
        """
        now = provenance()
        own = sources or {}
        digests = {
            label: {
                name: sha256(text.encode(errors="surrogatepass")).hexdigest()
                for name, text in texts.items()
            }
            for label, texts in own.items()
        }
        merged = (
            experiment | stamp("comparison") | {"provenance": now, "extensions": []}
        )
        if self.exists and self.is_empty:
            for path in (*self.folder.glob("runs/*.jsonl"), self.folder / DESCRIPTION):
                path.unlink()
        if self.exists:
            stored = self.read()
            if differs := _differs(stored, experiment):
                agree = f" {HOW_TO_AGREE}" if differs.startswith("engine ") else ""
                raise UserError(
                    f"{self.folder} contains another comparison ({differs}); {ELSEWHERE}{agree}"
                )
            if still_read := self._files_still_read(stored, digests, folders or {}):
                merged["files"] = still_read
            kept = ("versions", "read", "provenance", "extensions")
            merged |= {name: stored[name] for name in kept if name in stored}
            is_same = stored["budget"] == experiment["budget"]
            merged["reference"] = stored.get("reference") if is_same else None
            before = stored.get("sources", {})
            digests = before | digests
            entered = dict.fromkeys(stored["strategies"] + experiment["strategies"])
            labels = stored.get(LABELS, {}) | experiment.get(LABELS, {})
            merged.pop(NUMBERS, None)
            merged |= {
                "strategies": [*entered],
                **({LABELS: labels} if labels else {}),
                **numbered({*numbers_of(stored), *numbers_of(experiment)}),
                "data": stored.get("data") or experiment.get("data"),
            }
            was, grown = (
                {
                    key: description[key]
                    for key in _GROWING
                    if description.get(key) is not None
                }
                for description in (stored, merged)
            )
            last = [stored, *stored["extensions"]][-1]["provenance"]
            if (grown, now, digests) != (was, last, before):
                changed = {} if digests == before else {"sources": digests}
                extension = {**grown, **changed, "provenance": now}
                merged["extensions"] = [*stored["extensions"], extension]
        _check_names(merged["strategies"])
        if digests:
            merged["sources"] = digests
        for label, texts in own.items():
            for name, text in texts.items():
                self.write_text(
                    f"sources/{as_file_name(label)}/{as_file_name(name)}", text
                )
        self._describe(merged)
        self.__dict__.pop("_root", None)

    def _files_still_read(
        self,
        stored: dict[str, Any],
        digests: Mapping[str, dict[str, str]],
        folders: Mapping[str, Path],
    ) -> dict[str, dict[str, str]]:
        """Return digests of the files that strategies read, by label. Discard runs of changed code
        or files.
        """
        files = dict(stored.get("files", {}))
        for label, now in digests.items():
            read = files.pop(label, {}) | self.files_of(label)
            folder = folders.get(label, self.folder)
            before = stored.get("sources", {}).get(label, now) | read
            after = now | {name: digest_of(folder / name) for name in read}
            if before != after:
                pairs = {*before.items()} ^ {*after.items()}
                names = ", ".join(sorted({name for name, _ in pairs}))
                sys.stderr.write(
                    f"{label} has changed since {self.folder} was written ({names}). Its runs are"
                    " repeated.\n"
                )
                for run in numbers_of(stored):
                    self.discard(label, run, answers=True)
            elif read:
                files[label] = read
        return files

    def _files_path(self, label: str, run: int) -> Path:
        return self.folder / "files" / as_file_name(label) / f"{run}.json"

    def note_files(self, label: str, run: int, opened: Opened) -> list[str]:
        """Record which files a run of a user-defined strategy read. Return the names of files whose
        content was different when other runs read them.
        """
        path = self._files_path(label, run)
        read = files_read(opened)
        if read or opened.written:
            noted = {"read": read, "written": sorted(opened.written)}
            self._write_sealed(path, noted, json_check(noted))
        else:
            path.unlink(missing_ok=True)
        return sorted(
            name for name, digest in self.files_of(label).items() if digest == SEVERAL
        )

    def files_of(self, label: str) -> dict[str, str]:
        """Return the digests of files that the runs of a user-defined strategy read in the
        strategy's folder, by name. Files that the runs wrote themselves are left out.
        """
        digests: dict[str, str] = {}
        written: set[str] = set()
        for path in sorted(self._files_path(label, 0).parent.glob("*.json")):
            try:
                noted = _checked(path, json_check)
                written |= {*noted["written"]}
                for name, digest in noted["read"].items():
                    is_same = digests.get(name, digest) == digest
                    digests[name] = digest if is_same else SEVERAL
            except (OSError, ValueError, KeyError) as error:
                raise _damaged(path, "it is malformed") from error
        return {name: digest for name, digest in digests.items() if name not in written}

    def keep(self, name: str, known: Mapping[str, Any]) -> None:
        """Add facts to the stored description. `name` is ``files`` or ``versions`` (of user-defined
        strategies, by label), ``read`` (files that the benchmark reads) or ``reference`` (numbers
        computed from all cells).
        """
        description = self.read()
        before = description.get(name) or {}
        if (after := {**before, **known}) != before:
            self._describe(description | {name: after})

    def _describe(self, content: dict[str, Any]) -> None:
        content = json.loads(json.dumps(content))
        self._write_sealed(self.folder / DESCRIPTION, content, json_check(content))

    def read(self) -> dict[str, Any]:
        """Read the description of the comparison."""
        path = self.folder / DESCRIPTION
        try:
            content = json.loads(read_regular(path))
        except OSError as error:
            raise UserError(
                f"{self.folder} contains no comparison: {error.strerror}."
            ) from error
        except (ValueError, RecursionError) as error:
            raise _damaged(path, "it is not JSON") from error
        if not isinstance(content, dict):
            raise _damaged(path, "it is not a JSON object")
        check_version(path, "comparison", content.get("version"), content.get(RELEASE))
        if content.pop("check", None) != json_check(content):
            raise _damaged(path, "its checksum is wrong")
        if wrong := wrong_in(content):
            raise _damaged(
                path, f"it has missing or invalid fields: {', '.join(wrong)}"
            )
        return content

    def _write_sealed(self, path: Path, content: dict[str, Any], check: str) -> None:
        name = str(path.relative_to(self.folder))
        self.write_json(name, {**content, "check": check})

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file atomically."""
        self.write_text(name, json.dumps(content, indent=1) + "\n")

    def write_text(self, name: str, content: str) -> None:
        """Write a text file atomically."""
        write_whole(self.folder / name, content)

    def path(self, strategy: str, run: int, kind: str = "runs") -> Path:
        """Return the path of one of the files of a run. `kind` is ``runs``, ``answers``,
        ``confirmed`` or ``failures``.
        """
        suffix = _SUFFIXES.get(kind, ".json")
        return self.folder / kind / f"{as_file_name(strategy)}-{run}{suffix}"

    @cached_property
    def _root(self) -> str:
        """The start of every checksum of this comparison, so that files of others are detected."""
        stored = self.read()
        return " ".join(
            str(stored.get(name))
            for name in ("version", "fingerprint", "seed", "first_cells")
        )

    def root_of(self, strategy: str, run: int) -> str:
        """Return the text with which the chain of checksums in a run's file starts."""
        return f"{self._root} {strategy} {run}"

    @cached_property
    def _epochs(self) -> int | None:
        parts = parse_several(self.read()["objective"]["expression"])
        read: list[Any] = [
            term for part in parts for term in (*part.terms, *part.constraints)
        ]
        return max((term.epochs for term in read if term.epochs), default=None)

    @contextmanager
    def log(self, strategy: str, run: int) -> Iterator[RunLog]:
        """Open a run's file for appending."""
        log = RunLog(self.path(strategy, run), self.root_of(strategy, run))
        try:
            yield log
        except BaseException:
            with suppress(UserError):  # a full disk is told once
                log.close()
            raise
        log.close()

    def watch(self, strategy: str, run: int) -> RunWatch:
        """Read the file of a run while the run is made, without locking the folder."""
        return RunWatch.of(
            self.path(strategy, run), self.root_of(strategy, run), self._epochs
        )

    def answers(self, strategy: str, run: int) -> Journal:
        """Open the journal with a strategy's proposals in a run, for appending."""
        return Journal(self.path(strategy, run, "answers"), self._about(strategy, run))

    def answered(self, strategy: str, run: int) -> list[Any]:
        """Read the stored proposals of a strategy in a run."""
        return Journal.read(
            self.path(strategy, run, "answers"), self._about(strategy, run)
        )

    def _about(self, strategy: str, run: int) -> dict[str, Any]:
        return {"strategy": strategy, "run": run, "of": self._root}

    def keep_trace(self, strategy: str, run: int, trace: str) -> None:
        """Write the traceback of a run's failure. If `trace` is empty, delete an earlier
        traceback.
        """
        path = self.path(strategy, run, "failures")
        path.unlink(missing_ok=True)
        if trace:
            write_whole(path, trace)

    def discard(self, strategy: str, run: int, *, answers: bool = False) -> None:
        """Delete a stored run and its record of files, so that the run is made again. The
        strategy's proposals are kept unless `answers` is true.
        """
        for kind in ("runs", "confirmed", *(["answers"] if answers else [])):
            self.path(strategy, run, kind).unlink(missing_ok=True)
        self._files_path(strategy, run).unlink(missing_ok=True)

    def load(self, strategy: str, run: int, space: Space) -> Run | None:
        """Read a run with its confirmed winner. Return None if the run has not ended."""
        root = self.root_of(strategy, run)
        stored = read_run(self.path(strategy, run), root, strategy, run, _parser(space))
        if stored is None:
            return None
        return replace(stored, confirmed=self.confirmation(stored, space))

    def confirmation(self, run: Run, space: Space) -> Confirmation | None:
        """Read the confirmed winner of a run. Return None if no confirmation is stored, or if the
        run has grown since the confirmation. Raise a UserError if the file is damaged.
        """
        path = self.path(run.strategy, run.run, "confirmed")
        try:
            content = _checked(
                path, lambda content: self._confirmed_check(run, content)
            )
            confirmation = Confirmation.read(content, _parser(space))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, UserError) as error:
            raise UserError(
                f"{path} is damaged. Delete it and repeat the search with --confirm."
            ) from error
        return confirmation if confirmation.asked.trials == len(run.trials) else None

    def keep_confirmation(self, run: Run, confirmed: Confirmation) -> None:
        """Write the confirmed winner of a run."""
        content = json.loads(json.dumps(confirmed.stored()))
        path = self.path(run.strategy, run.run, "confirmed")
        self._write_sealed(path, content, self._confirmed_check(run, content))

    def _confirmed_check(self, run: Run, content: Any) -> str:
        return json_check(
            {"of": self.root_of(run.strategy, run.run), "confirmed": content}
        )


@lru_cache(maxsize=4)
def _parser(space: Space) -> Callable[[str], Cell]:
    return lru_cache(maxsize=None)(space.parse)


def _checked(path: Path, check: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """Read a JSON file that contains its own digest. Raise a ValueError if it is damaged."""
    try:
        content = json.loads(read_regular(path))
    except RecursionError as error:
        raise ValueError from error
    if not isinstance(content, dict) or content.pop("check", None) != check(content):
        raise ValueError
    return content


def as_file_name(strategy: str) -> str:
    """Return a strategy's label in a form that is safe in file names. A long label is shortened and
    ends with a digest of the label.

    Example:
        >>> as_file_name("mine.py:Own"), len(as_file_name("x" * 300))
        ('mine.py%3AOwn', 215)
    """
    name = quote(strategy, safe=_SAFE)
    if len(name) <= _LONGEST_NAME:
        return name
    digest = sha256(strategy.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    return f"{name[: _LONGEST_NAME - _DIGITS - 1]}-{digest}"


def _check_names(labels: Sequence[str]) -> None:
    """Refuse strategies whose file names differ only in case."""
    before: dict[str, str] = {}
    for label in labels:
        other = before.setdefault(as_file_name(label).casefold(), label)
        if other != label:
            raise UserError(
                f"The strategies {other} and {label} differ only in case, so they cannot share a"
                " folder. Rename one, or name another folder"
                " for it with --out (in Python folder=)."
            )


def numbers_of(description: Mapping[str, Any]) -> Sequence[int]:
    """Return the run numbers that each strategy of a stored comparison has, in increasing order."""
    return description.get(NUMBERS) or range(description["runs"])


def numbered(numbers: Iterable[int]) -> dict[str, Any]:
    """Return the fields of a comparison's description that define which run numbers each strategy
    has.
    """
    ordered = sorted(numbers)
    count = {"runs": len(ordered)}
    return count if ordered[-1] < len(ordered) else {**count, NUMBERS: ordered}


def provenance() -> dict[str, Any]:
    """Return the versions of the software that made the results."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for package in _VERSIONED:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "surrogate_nas": this_release(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **versions,
    }


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is damaged: {reason}. Repeat the comparison in another folder,"
        " named with --out (in Python folder=)."
    )


ELSEWHERE = "two comparisons are never mixed. Name another folder with --out (in Python folder=)."
"""What to do if a folder contains another comparison."""


def _differs(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    for unit, limit in wanted["budget"].items():
        before = stored["budget"][unit]
        if (limit is None) != (before is None) or (
            limit is not None and limit < before
        ):
            return (
                f"a budget of {before} {unit}, now {limit}; a budget can only be raised"
            )
    was, now = (
        f"{content['objective']['expression']} on {content['benchmark']}"
        for content in (stored, wanted)
    )
    if was != now and stored["fingerprint"] != wanted["fingerprint"]:
        return f"the objective was {was}, now {now}"
    # what held before a folder could say an option
    was, now = (content.get(LABELS, {}) for content in (stored, wanted))
    for label in {*stored["strategies"]} & {*wanted["strategies"]}:
        if (before := was.get(label, label)) != (after := now.get(label, label)):
            return f"{label} was {before}, now {after}"
    for key in wanted:
        if (
            key not in _GROWING | _MOVING | {BEGINNING}
            and (before := stored.get(key, USUAL.get(key))) != wanted[key]
        ):
            return f"{key} {before}, now {wanted[key]}"
    if stored.get("stopping") is not None:
        return "it stops trainings early by a rule that this release does not have"
    if stored.get(BEGINNING) != wanted.get(BEGINNING):
        return "its initial architectures or earlier trainings differ"
    return ""


class _Known(Struct):
    terms: list[str]
    missing: list[str]


class _Data(Struct):
    known: _Known
    runs: dict[str, Texts]
    others: dict[str, Texts]
    space: str
    conventions: Count


class _KnownLine(Struct, forbid_unknown_fields=True):
    cell: str
    epochs: Epochs | None
    values: dict[str, Finite]


class _Beginning(Struct, forbid_unknown_fields=True):
    first: list[str]
    known: list[_KnownLine]


class _Objective(Struct):
    expression: str
    benchmark: str = ""
    objectives: list[str] = []
    terms: list[dict[str, Any]] = []
    diversity_weight: Finite = 0.0
    constraints: list[str] = []
    seed: Count | Literal["mean"] = "mean"
    seed_policy: str = ""
    search_on_final: list[str] = []
    cost: str = ""
    fingerprint: str = ""


_OPTIONS = get_type_hints(Options, include_extras=True)
_FIELDS: dict[str, Any] = {key: _OPTIONS[FIELDS[key]] | None for key in USUAL} | {
    "engine": str | None,
    "fingerprint": str,
    "benchmark": str,
    "address": str,
    "with": list[str],
    "objective": _Objective,
    "strategies": Annotated[list[Label], Meta(min_length=1)],
    LABELS: Texts | None,
    "runs": Annotated[int, Meta(ge=1, le=MOST_RUNS)],
    "numbers": Annotated[list[Count], Meta(min_length=1)] | None,
    "budget": Budget,
    "seed": Count,
    "first_cells": Annotated[int, Meta(ge=0, le=MOST)],
    "provenance": dict[str, Any],
    "sources": dict[str, Texts] | None,
    "files": dict[str, Texts] | None,
    "read": Texts | None,
    "versions": dict[str, Annotated[int, Meta(ge=1, le=MOST)]] | None,
    "extensions": list[dict[str, Any]],
    "data": _Data | None,
    "reference": dict[str, Any] | None,
    "beginning": _Beginning | None,
}


def wrong_in(content: Mapping[str, Any]) -> list[str]:
    """Return the names of fields of ``experiment.json`` that are missing or have a wrong type or
    range.
    """
    wrong = []
    for name, kind in _FIELDS.items():
        try:
            convert(content.get(name), kind)
        except (ValidationError, UnicodeEncodeError):
            wrong.append(name)
    labels = content.get("strategies", [])
    if "strategies" not in wrong and len(set(labels)) < len(labels):
        wrong.append("strategies")
    numbers = content.get("numbers")
    if numbers is not None and not {"runs", "numbers"} & {*wrong}:
        if sorted({*numbers}) != numbers or len(numbers) != content["runs"]:
            wrong.append("numbers")
    return sorted(wrong)


_MOST_NAMED = 4


def resumed(objective: Objective, folder: Path | None) -> Objective:
    """Return the objective, bound to the part of the table that existed when the folder was
    created. If the folder has no results, return the objective unchanged.

    Raises:
        UserError: The results in the folder have an equal objective but were computed from other
            numbers. The error message names the numbers.
    """
    if folder is None or not (store := Store(folder)).exists or store.is_empty:
        return objective
    stored = store.read()
    # of another question the store says what differs
    if not asks_the_same(stored, objective):
        return objective
    try:
        begun = as_begun(objective, stored)
    except UserError as error:
        raise type(error)(
            f"{folder} cannot be resumed: {error}; {ELSEWHERE}"
        ) from error
    if begun.fingerprint != stored["fingerprint"]:  # which covers the whole table
        begun = begun.on(begun.benchmark)
        begun.begun_as = stored["fingerprint"]
    return begun


def asks_the_same(stored: Mapping[str, Any], objective: Objective) -> bool:
    """Return whether a stored description has an equal objective, even if the numbers of the table
    differ.
    """
    now = objective.describe()
    asked = stored["objective"]
    is_same = all(
        asked.get(key) == now[key] for key in ("benchmark", "expression", "seed")
    )
    return is_same and ObjectiveOptions.read(asked) == ObjectiveOptions.read(now)


def as_begun(objective: Objective, stored: Mapping[str, Any]) -> Objective:
    """Return the objective, bound to the part of its table that the results in a folder use.

    Raises:
        UserError: The table now contains other numbers than when the results were made. The error
            message names the numbers.
    """
    benchmark = objective.benchmark
    before = stored.get("read") or {}
    now = {} if benchmark.files is None else benchmark.files.now(before)
    changed = [
        name for name in sorted(before) if now.get(name) not in (None, before[name])
    ]
    if changed:
        raise UserError(f"{benchmark.name} reads {_listed(changed)}, changed since")
    data = stored.get("data") or {}
    runs = data.get("runs", {})
    for part in _parts(objective, data):
        is_same = stored["fingerprint"] in (part.fingerprint, part.table_fingerprint)
        # a fingerprint of the whole table covers final metrics, too
        is_alike = runs and data["conventions"] == CONVENTIONS
        if (is_same or is_alike) and not differing(runs, part.benchmark.contents):
            return part
    here = {str(Question(*run)) for run in runs_of(benchmark.contents)}
    changed = differing(runs, benchmark.contents)
    if lacking := [name for name in changed if name not in here]:
        line = f"{benchmark.name} now lacks {_listed(lacking)}. "
        lacks = AbsentError if benchmark.more else UserError
        raise lacks((line + benchmark.more).strip(" ."))
    which = (
        f": {_listed(changed)}"
        if changed
        else ", or scores are now computed differently"
    )
    raise UserError(f"{benchmark.name} has changed since the first run{which}")


def _parts(objective: Objective, data: Mapping[str, Any]) -> Iterator[Objective]:
    """Yield the objective on the parts of the table that a folder may have been created with."""
    benchmark = objective.benchmark
    try:
        recorded = runs_of(data.get("runs", {})) + runs_of(data.get("others", {}))
    except ValueError as error:
        raise UserError(
            f"The results refer to runs that do not exist: {error}."
        ) from error
    if not data or {*runs_of(benchmark.contents)} <= {*recorded}:
        yield objective
    for taken in [recorded] if data else _earlier(benchmark):
        with suppress(UserError):  # a part that does not hold what is read
            yield objective.on(benchmark.only(taken))


def _earlier(benchmark: Benchmark) -> Iterator[list[tuple[str, int | None]]]:
    """Yield candidates for the earlier content of a table, for folders of 0.1.0, which have no
    record of it: the runs of each single source of losses.
    """
    questions = [Question(*run) for run in runs_of(benchmark.contents)]
    losses = [
        question for question in questions if benchmark.metric(question.metric).is_loss
    ]
    for source in sorted(set(map(benchmark.source_of, losses))):
        own = [
            question
            for question in questions
            if benchmark.source_of(question) == source
        ]
        trained = {question.epochs for question in own if question in losses} | {None}
        yield [(name, epochs) for name, epochs in own if epochs in trained]


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
