"""Mutants: small random changes of the package, and which of them no test notices.

    python analysis/mutants.py --files surrogate_nas/strategies surrogate_nas/space --count 40 --seed 1

Each mutant changes one place: an operator, a comparison and its boundary, a number, a truth value, a condition, or what
a function returns. Docstrings, messages, annotations and what types alone read are left alone. The tests of the room
run against it in a copy of the checkout, those that name the module first, and stop at the first that fails. What is
done is in ``--out``, a line each, so that a run that was stopped goes on; a survivor is an equivalent mutant or a
missing test.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


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
        other = ast.Compare(node.left, [COMPARISONS[type(node.ops[0])](), *node.ops[1:]], node.comparators)
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
        yield node, f"{node.value + 1}" if isinstance(node.value, int) else f"{2 * node.value or 1.0}"
    elif isinstance(node, ast.If | ast.IfExp | ast.While) and not isinstance(node.test, ast.Compare | ast.BoolOp):
        yield node.test, f"(not ({ast.unparse(node.test)}))"
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield node.value, "None"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All that runs and matters: no messages, annotations, declarations for types, or one-off f-strings."""
    skipped: list[ast.AST | None] = []
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Assert):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        skipped += node.decorator_list
    if isinstance(node, ast.FunctionDef):
        skipped.append(node.returns)
    if isinstance(node, ast.arg | ast.AnnAssign):
        skipped.append(node.annotation)
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return
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
            start, end = starts[what.lineno - 1] + what.col_offset, starts[what.end_lineno - 1] + what.end_col_offset
            before = source[start:end].decode()
            found.append(Mutant(str(file.relative_to(ROOT)), what.lineno, start, end, before, after))
    return sorted(set(found))


def tests_of(file: str) -> list[str]:
    """The test files of a module's room, those first that name the module, then the doctests of the module itself.

    Args:
        file: Relative to the checkout.
    """
    parts = Path(file).with_suffix("").parts
    module = ".".join(part for part in parts if part != "__init__")
    room = sorted((ROOT / "tests" / parts[1]).glob("test_*.py"))
    text = {test: test.read_text() for test in room}
    ordered = sorted(room, key=lambda test: (module not in text[test], parts[-1] not in text[test], len(text[test])))
    return [file, *(str(test.relative_to(ROOT)) for test in ordered)]


def survives(mutant: Mutant, copy: Path, tests: list[str], limit: float) -> bool:
    """Whether every test still passes with a mutant in place, which is taken back afterwards.

    Args:
        mutant: The change.
        copy: A copy of the checkout.
        tests: What to run there, relative to it.
        limit: Seconds; a run that takes longer has noticed.
    """
    file, source = copy / mutant.file, (ROOT / mutant.file).read_bytes()
    file.write_bytes(source[: mutant.start] + mutant.after.encode() + source[mutant.end :])
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", *tests]
    place = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    try:
        ran = subprocess.run(command, cwd=copy, env=place, capture_output=True, timeout=limit, check=False)
        return ran.returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        file.write_bytes(source)


def main() -> None:
    """Make mutants, run the tests against each, and name the survivors."""
    parser = argparse.ArgumentParser(description="Which small changes of the package no test notices.")
    parser.add_argument("--files", nargs="+", required=True, help="files and folders of the package")
    parser.add_argument(
        "--tests", nargs="+", default=[], help="what to run; the tests of each file's room if not given"
    )
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for the tests of one mutant")
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"), help="what is done, a line each")
    given = parser.parse_args()
    paths = [(ROOT / name).resolve() for name in given.files]
    files = sorted({file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])})
    every = [mutant for file in files for mutant in mutants_of(file)]
    chosen = random.Random(given.seed).sample(every, min(given.count, len(every)))
    lines = given.out.read_text().splitlines() if given.out.exists() else []
    done = {Mutant(*entry["mutant"]): entry["survives"] for entry in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(
            ROOT, copy, ignore=shutil.ignore_patterns(".git", ".*_cache", "__pycache__", "results", ".venv")
        )
        for mutant in chosen:
            if mutant not in done:
                done[mutant] = survives(mutant, copy, given.tests or tests_of(mutant.file), given.limit)
                with given.out.open("a") as out:
                    out.write(json.dumps({"mutant": mutant, "survives": done[mutant]}) + "\n")
            if done[mutant]:
                what = f"{' '.join(mutant.before.split())}  →  {' '.join(mutant.after.split())}"
                sys.stdout.write(f"{mutant.file}:{mutant.line}: {what}\n")
    alive = sum(done[mutant] for mutant in chosen)
    sys.stdout.write(f"{alive} of {len(chosen)} survive, of {len(every):,} possible in {len(files)} files\n")


if __name__ == "__main__":
    main()
