"""Mutants: small random changes of the package, and which of them no test notices.

    python analysis/mutants.py --count 200 --seed 1 --out results/mutants.jsonl

Each mutant changes one place: an operator, a comparison and its boundary, a number, a truth value,
a condition, or what a function returns. Docstrings, messages, annotations, what types alone read
and checks that two lists are equally long are left alone. Which test runs which line is found out
first and kept beside ``--out``, file of tests by file of tests. Against each mutant run, in a copy
of the checkout, the tests that run its line, then those that run anything else of its file, then
their neighbours, the quick ones first, until one fails or each group has had ``--seconds``. Tests
of fetched data are left out. A test that fails has noticed only if, alone, it fails once more with
the mutant and passes without it; else it is named, and the others go on. What is done is in
``--out``, a line each, so that a run that was stopped goes on. A survivor is a missing test, or an
equivalent mutant, which ``analysis/mutants_equivalent.csv`` names with the reason.
"""

from __future__ import annotations

import argparse
import ast
import csv
import importlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    *(f"surrogate_nas/{room}" for room in ("objective", "strategies", "space")),
    *(
        f"surrogate_nas/study/{name}.py"
        for name in "ledger store statistics decision verdict run problem".split()
    ),
)
"""What is changed unless ``--files`` says otherwise."""
LEFT = ("surrogate_nas/space/network/",)
ROOMS = ("objective", "space", "study", "strategies", "tables", "contract", "benchmarks")
"""Whose tests run, besides the examples in the docstrings of what is changed."""
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.csv")
HEAVY = (
    "numpy",
    "scipy.stats",
    "scipy.optimize",
    "scipy.spatial",
    "h5py",
    "hypothesis",
    "matplotlib.figure",
    "torch",
)
"""Imported once, before processes are forked."""
MEMORY = 8 << 30
_COPY = "{copy}"
"""Stands for the folder of the copy in the names of tests."""
_FIRST = 25
"""So many tests run before the files of further ones are even imported."""
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


class Mutant(NamedTuple):
    """One change.

    Attributes:
        file: Relative to the checkout.
        line: Where it begins.
        start: Its first byte in the file.
        end: The byte behind it.
        before: The text there.
        after: What stands there instead.
    """

    file: str
    line: int
    start: int
    end: int
    before: str
    after: str


def changes_of(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """What can be changed at a node: which expression, and what it becomes.

    Args:
        node: Of a parsed file.
    """
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        other = ast.Compare(
            node.left, [COMPARISONS[type(node.ops[0])](), *node.ops[1:]], node.comparators
        )
        yield node, ast.unparse(other)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield node, f"({ast.unparse(ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right))})"
    elif isinstance(node, ast.BoolOp):
        other_kind = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield node, f"({ast.unparse(ast.BoolOp(other_kind, node.values))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node, f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield node, str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield (
            node,
            f"{node.value + 1}" if isinstance(node.value, int) else f"{2 * node.value or 1.0}",
        )
    elif isinstance(node, ast.If | ast.IfExp | ast.While) and not isinstance(
        node.test, ast.Compare | ast.BoolOp
    ):
        yield node.test, f"(not ({ast.unparse(node.test)}))"
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield node.value, "None"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_passed_over(node: ast.AST) -> bool:
    match node:
        case ast.Raise() | ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Assert():
            return True
        case ast.If():
            return ast.unparse(node.test) == "TYPE_CHECKING"
        case ast.keyword():
            return node.arg == "strict"
        case ast.FunctionDef():
            return node.name == "__repr__"
        case ast.Assign():
            return ast.unparse(node.targets[0]) == "__all__"
    return False


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All that runs and matters: no messages, annotations, declarations for types, or one-off
    f-strings.
    """
    if _is_passed_over(node):
        return
    skipped: list[ast.AST | None] = []
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        skipped += node.decorator_list
    if isinstance(node, ast.FunctionDef):
        skipped.append(node.returns)
    if isinstance(node, ast.arg | ast.AnnAssign):
        skipped.append(node.annotation)
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
        "reshape"
    ):  # any negative number is the open one
        skipped += [one for one in node.args if ast.unparse(one) == "-1"]
    yield node
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _walk(child)


def mutants_of(file: Path) -> list[Mutant]:
    """Every mutant of a file, in the order of its text.

    Args:
        file: Inside the checkout.
    """
    source = file.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in _walk(ast.parse(source)):
        for what, after in changes_of(node):
            assert what.end_lineno is not None and what.end_col_offset is not None
            start = starts[what.lineno - 1] + what.col_offset
            end = starts[what.end_lineno - 1] + what.end_col_offset
            before = source[start:end].decode()
            found.append(
                Mutant(str(file.relative_to(ROOT)), what.lineno, start, end, before, after)
            )
    return sorted(set(found))


class Test(NamedTuple):
    """What a test did.

    Attributes:
        name: As pytest names it.
        seconds: How long it took, what was set up for it included.
        lines: Those it ran, by file.
    """

    name: str
    seconds: float
    lines: dict[str, list[int]]


class _Watch:
    """Which lines each test runs."""

    def __init__(self, files: list[Path], longest: float) -> None:
        self.longest = longest
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, include=list(map(str, files))
        )
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        self.coverage.switch_context(item.nodeid)
        begun = time.perf_counter()
        signal.signal(signal.SIGALRM, lambda *_: pytest.fail("takes too long"))
        signal.setitimer(signal.ITIMER_REAL, self.longest)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            self.seconds.setdefault(item.nodeid, time.perf_counter() - begun)
            self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self.seconds[report.nodeid] = -1.0

    def tests(self, copy: Path) -> list[Test]:
        """Those that passed."""
        data = self.coverage.get_data()
        found = {
            name: Test(name, seconds, {}) for name, seconds in self.seconds.items() if seconds >= 0
        }
        for measured in data.measured_files():
            file = str(Path(measured).relative_to(copy))
            for line, names in data.contexts_by_lineno(measured).items():
                for name in set(names) & set(found):
                    found[name].lines.setdefault(file, []).append(line)
        return [test._replace(name=test.name.replace(str(copy), _COPY)) for test in found.values()]


def _apart(function: Callable[..., int], *arguments: object, limit: float) -> int | None:
    """What a function gives in a fork of this process; None where it takes longer than a limit in
    seconds.
    """
    process = multiprocessing.get_context("fork").Process(
        target=_leave, args=(function, *arguments)
    )
    process.start()
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def _leave(function: Callable[..., int], *arguments: object) -> None:
    os._exit(function(*arguments))


def _run(
    copy: Path,
    tests: list[str],
    seconds: int,
    options: list[str],
    plugins: list[object],
) -> int:
    """Run tests of a copy of the checkout, silently; give pytest's exit code."""
    os.chdir(copy)
    os.environ.update(
        PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1", CI="1"
    )
    os.environ.pop("SURROGATE_NAS_MIRROR", None)
    sys.dont_write_bytecode = (
        "--collect-only" not in options
    )  # so that nothing is ever compiled of a mutant
    sys.path[:] = [str(copy), *(path for path in sys.path if Path(path).resolve() != ROOT)]
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    return int(
        pytest.main(
            ["-q", "-m", "not slow", "-p", "no:cacheprovider", *options, *tests], plugins=plugins
        )
    )


def _watched(
    copy: Path,
    file: str,
    mutated: list[Path],
    longest: float,
    out: Path,
) -> int:
    watch = _Watch([copy / one.relative_to(ROOT) for one in mutated], longest)
    watch.coverage.start()
    code = _run(copy, [file], 3600, [], [watch])
    watch.coverage.stop()
    out.write_text(json.dumps(watch.tests(copy)))
    return code


def _watched_apart(copy: Path, file: str, mutated: list[Path], longest: float) -> list[list[Any]]:
    """The tests of a file as JSON has them, none where it takes longer than an hour."""
    with tempfile.NamedTemporaryFile("r") as result:
        _apart(_watched, copy, file, mutated, longest, Path(result.name), limit=3600.0)
        tests: list[list[Any]] = json.loads(result.read() or "[]")
        return tests


def tests_watched(
    copy: Path,
    sources: list[Path],
    mutated: list[Path],
    longest: float,
    out: Path,
    workers: int = 1,
) -> list[Test]:
    """Every test of some files, with the lines that it runs; what was watched before is read.

    Args:
        copy: A copy of the checkout.
        sources: Files of tests, or with examples in docstrings.
        mutated: Files whose lines matter.
        longest: Seconds; what takes longer is left out.
        out: Where it is written, a line for each file as soon as it is done; a file that has
            changed since is watched again.
        workers: How many files at a time.
    """
    before = {}
    for line in out.read_text().splitlines() if out.exists() else []:
        entry = json.loads(line)
        before[entry["file"], entry["sha256"]] = entry["tests"]
    names = [str(source.relative_to(ROOT)) for source in sources]
    keys = [(name, sha256((copy / name).read_bytes()).hexdigest()) for name in names]
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=fork) as pool:
        watching = {
            pool.submit(_watched_apart, copy, key[0], mutated, longest): key
            for key in keys
            if key not in before
        }
        try:
            for done in as_completed(watching):
                file, digest = watching[done]
                tests = before[file, digest] = done.result()
                entry = {"file": file, "sha256": digest, "tests": tests}
                # by this process alone: lines of several would run into each other
                with out.open("a") as text:
                    text.write(json.dumps(entry) + "\n")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [Test(*test) for key in keys for test in before[key]]


def tests_of(mutant: Mutant, tests: list[Test], seconds: float) -> list[str]:
    """The tests for a mutant, in three groups, the quick ones of each first.

    Those that run its lines come first, then those that run anything else of its file, then those
    that stand in one file with such a test: what runs when a module is imported, one test does for
    all. In each, what is held against numbers of before comes first.

    Args:
        mutant: The change.
        tests: All there are.
        seconds: How long those of a group may take together; of each there is one at least, if
            there are any.
    """
    lines = set(range(mutant.line, mutant.line + mutant.before.count("\n") + 1))
    near = {test.name.partition("::")[0] for test in tests if mutant.file in test.lines}
    groups: tuple[list[Test], ...] = ([], [], [])
    for test in tests:
        if mutant.file in test.lines:
            groups[lines.isdisjoint(test.lines[mutant.file])].append(test)
        elif test.name.partition("::")[0] in near:
            groups[2].append(test)
    chosen = []
    for group in groups:
        spent = 0.0
        for test in sorted(
            group, key=lambda test: ("test_golden" not in test.name, test.seconds, test.name)
        ):
            if not spent or spent + test.seconds <= seconds:
                chosen.append(test.name)
                spent += test.seconds
    return chosen


class _Last:
    """Notes which test began last, or which file could not be imported."""

    def __init__(self, note: Path) -> None:
        self.note = note

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.note.write_text(nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.note.write_text(report.nodeid)


def survives(mutant: Mutant, copy: Path, tests: list[str], seconds: float) -> bool:
    """Whether every test still passes with a mutant in place, which is taken back afterwards.

    Args:
        mutant: The change.
        copy: A copy of the checkout.
        tests: What to run there, as pytest names it; what is found to fail by chance is taken out.
        seconds: What each group of tests may take; a run that takes much longer has noticed.

    Raises:
        RuntimeError: There are no such tests without the mutant either.
    """
    file = copy / mutant.file
    limit = int(6 * seconds) + 1
    source = file.read_bytes()
    changed = source[: mutant.start] + mutant.after.encode() + source[mutant.end :]

    def failing(text: bytes, some: list[str]) -> str | None:
        """The test or file that fails first, empty where none had begun; None where all pass."""
        file.write_bytes(text)
        with tempfile.NamedTemporaryFile("r") as note:
            code = _apart(
                _run, copy, some, limit, ["-x"], [_Last(Path(note.name))], limit=10.0 * limit
            )
            file.write_bytes(source)
            return None if code == pytest.ExitCode.OK else note.read()

    def named(failed: str, part: list[str]) -> list[str]:
        return [one for one in part if one == failed or one.startswith(f"{failed}::")]

    todo = [tests[:_FIRST], tests[_FIRST:]]
    while todo:
        part = todo.pop(0)
        failed = failing(changed, part) if part else None
        if failed is None:
            continue
        alone = named(failed, part) or part
        if failing(changed, alone) is not None:
            failed = failing(source, alone)
            if failed is None:
                return False
        chance = named(failed, part)
        if not chance:
            raise RuntimeError(f"not all of these can be collected: {' '.join(part)}")
        sys.stderr.write(f"{failed} failed by chance, so not counted: {' '.join(chance)}\n")
        tests[:] = [one for one in tests if one not in chance]
        todo.insert(0, [one for one in part if one not in chance])
    return True


def _try(
    copy: Path,
    mutants: list[Mutant],
    tests: list[Test],
    seconds: float,
    out: Path,
) -> int:
    """Write of each whether it survives."""
    for mutant in mutants:
        names = [name.replace(_COPY, str(copy)) for name in tests_of(mutant, tests, seconds)]
        alive = survives(mutant, copy, names, seconds)
        with out.open("a") as file:
            file.write(json.dumps({"mutant": mutant, "survives": alive}) + "\n")
    return 0


def _tried(out: Path) -> dict[Mutant, bool]:
    entries = map(json.loads, out.read_text().splitlines() if out.exists() else [])
    return {Mutant(*entry["mutant"]): entry["survives"] for entry in entries}


def equivalents() -> dict[tuple[str, str, str, str], str]:
    """Why mutants that behave like the program do so, by file, code of the line, text and what
    stands there instead.
    """
    with EQUIVALENT.open(newline="") as file:
        return {
            (row["file"], row["code"], row["before"], row["after"]): row["why"]
            for row in csv.DictReader(file)
        }


def main() -> None:
    """Make mutants, run the tests against each, and name the survivors."""
    parser = argparse.ArgumentParser(
        description="Which small changes of the package no test notices."
    )
    parser.add_argument(
        "--files", nargs="+", default=FILES, help="files and folders of the package"
    )
    parser.add_argument(
        "--tests", nargs="+", default=[], help="files of tests; those of the rooms, and examples"
    )
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="how long each group of a mutant's tests may take",
    )
    parser.add_argument(
        "--longest", type=float, default=15.0, help="seconds; tests that take longer are left out"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="files watched and mutants tried at a time"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("mutants.jsonl"), help="what is done, a line each"
    )
    given = parser.parse_args()
    paths = [(ROOT / name).resolve() for name in given.files]
    files = sorted(
        {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    )
    files = [file for file in files if not str(file.relative_to(ROOT)).startswith(LEFT)]
    every = [mutant for file in files for mutant in mutants_of(file)]
    chosen = random.Random(given.seed).sample(every, min(given.count, len(every)))
    code = {
        mutant: (ROOT / mutant.file).read_text().splitlines()[mutant.line - 1].strip()
        for mutant in chosen
    }
    tried = _tried(given.out)
    todo = [mutant for mutant in chosen if mutant not in tried]
    for module in HEAVY:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "checkout"
        leave = shutil.ignore_patterns(
            ".git", ".*_cache", "__pycache__", "results", ".venv", ".hypothesis"
        )
        shutil.copytree(ROOT, copy, ignore=leave, symlinks=True)
        room_tests = [
            test for room in ROOMS for test in sorted((ROOT / "tests" / room).glob("test_*.py"))
        ]
        examples = [file for file in files if ">>>" in file.read_text()]
        sources = [(ROOT / name).resolve() for name in given.tests] or [*room_tests, *examples]
        names = [str(source.relative_to(ROOT)) for source in sources]
        _apart(_run, copy, names, 600, ["--collect-only"], [], limit=6000.0)  # compiles all
        watched = given.out.with_suffix(".tests.jsonl")
        tests = tests_watched(copy, sources, files, given.longest, watched, given.workers)
        started = []
        for worker in range(given.workers):
            own = Path(shutil.copytree(copy, f"{copy}-{worker}", symlinks=True))
            work = (_try, own, todo[worker :: given.workers], tests, given.seconds, given.out)
            started.append(multiprocessing.get_context("fork").Process(target=_leave, args=work))
            started[-1].start()
        for process in started:
            process.join()
    done = _tried(given.out)
    reasons = equivalents()
    if missing := [mutant for mutant in chosen if mutant not in done]:
        sys.exit(f"{len(missing)} of {len(chosen)} were not tried; the same command goes on.")
    counts = {"killed": 0, "equivalent": 0, "survived": 0}
    for mutant in chosen:
        why = reasons.get((mutant.file, code[mutant], mutant.before, mutant.after), "")
        counts["equivalent" if why else "survived" if done[mutant] else "killed"] += 1
        if why or done[mutant]:
            what = f"{' '.join(mutant.before.split())}  →  {' '.join(mutant.after.split())}"
            sys.stdout.write(
                f"{mutant.file}:{mutant.line}: {what}{f'  (equivalent: {why})' if why else ''}\n"
            )
    sys.stdout.write(f"{len(chosen)} of {len(every):,} possible in {len(files)} files: {counts}\n")


if __name__ == "__main__":
    main()
