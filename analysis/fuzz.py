"""Throws random and damaged input at whatever reads a text or a file, and counts: answered, refused
in one line, else.

An answer must be the right one: of a damaged file, what it held before. Every reader has a process
of its own, so that one that crashes or hangs is counted and gone past. The exit code is 1 if
anything went wrong.

.venv/bin/python analysis/fuzz.py [--cases 20000] [--only NAME] [--seed 0]
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.objective.expression import parse_several
from surrogate_nas.results.api import compare
from surrogate_nas.runs.store import Store
from surrogate_nas.space import ChoiceSpace, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.space.trial import Trial
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.surrogates.storage import Card, load, save
from surrogate_nas.tables import Table, TableFile, write_table
from surrogate_nas.tables.sources.spreadsheet import read as read_spreadsheet

SECONDS = 30
SPACE = ChoiceSpace("tiny", dict.fromkeys("abc", tuple("0123")), listed=True)
Fuzzer = Callable[[np.random.Generator, Path], None]
"""Makes one input in a folder and reads it. A `UserError` refuses it; AssertionError: the answer is
wrong.
"""


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """A file with up to three bits flipped, cut off, overwritten, or with two parts exchanged."""
    content = bytearray(whole)
    kind = rng.integers(8)
    place, other = (int(p) for p in rng.integers(len(content), size=2))
    if kind == 0:
        return bytes(content[:place])
    if kind == 1:
        length = int(rng.integers(1, 200))
        content[place : place + length] = rng.bytes(
            len(content[place : place + length])
        )
    elif kind == 2:
        first, second = sorted((place, other))
        length = min(64, second - first, len(content) - second)
        one = content[first : first + length]
        two = content[second : second + length]
        content[first : first + length], content[second : second + length] = two, one
    else:
        for _ in range(rng.integers(0, 4)):
            content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    return bytes(content)


def cells(rng: np.random.Generator, folder: Path) -> None:
    """A cell's string with letters changed, or any text."""
    space = (nb201(), SPACE)[rng.integers(2)]
    text = list(str(space[int(rng.integers(len(space)))]))
    for _ in range(rng.integers(0, 4)):
        text[rng.integers(len(text))] = str(
            rng.choice([*"|+~0123(),= \0\n\udcffé", "", "nor_conv_3x3", "||"])
        )
    written = "".join(text)
    cell = space.parse(written)
    assert space[cell.index] == cell and "".join(str(cell).split()) == "".join(
        written.split()
    )


def rows(rng: np.random.Generator, folder: Path) -> None:
    """A CSV file with a header and a row of any letters."""
    letters = [
        *'0123456789.-+eE,"\n\r \t_;|~(=)',
        "nan",
        "inf",
        "é",
        "\0",
        "cell",
        "valid_error",
        "1e999",
        "x" * 300,
    ]
    row = "".join(rng.choice(letters, size=rng.integers(1, 7)))
    header = str(
        rng.choice(
            ["cell,valid_error", "cell,a_loss[3] (nats)", "valid_error,cell", row]
        )
    )
    path = folder / "rows.csv"
    path.write_bytes(f'{header}\n"{SPACE[9]}",{row}\n'.encode())
    table = read_spreadsheet(path, "mine", frozenset(), SPACE)
    (values,) = table.columns.values()
    said = next(
        (line for line in row.replace('"', "").splitlines() if line.strip()), ""
    ).strip()
    assert np.isnan(values[np.arange(64) != 9]).all()
    assert (np.isnan(values[9]) and said.lower() in ("", "nan")) or values[9] == float(
        said
    )


@lru_cache(maxsize=2)
def table(compressed: bool) -> tuple[Table, bytes]:
    """A small table and its file."""
    made = Table(
        "small",
        SPACE.definition,
        "A title",
        "a source",
        "MIT",
        "a paper",
        "valid_error",
        Network(),
    )
    rng = np.random.default_rng(0)
    valid = Metric(
        "valid_error", "%", "search", "error", description="é", source="one file"
    )
    made.add(valid, 12, rng.random(64), 3, {1: rng.random(64), 2: rng.random(64)})
    made.add(Metric("latency@thing", "ms", "search", "cost"), None, rng.random(64))
    with tempfile.TemporaryDirectory() as folder:
        write_table(made, Path(folder) / "t.h5", compressed=compressed)
        return made, (Path(folder) / "t.h5").read_bytes()


def tables(rng: np.random.Generator, folder: Path) -> None:
    """A damaged table, read whole."""
    wanted, whole = table(bool(rng.integers(2)))
    path = folder / "table.h5"
    path.write_bytes(damaged(whole, rng))
    file = TableFile(path)
    assert (
        file.digest == wanted.digest()
        and file.metrics == wanted.metrics
        and file.keys == set(wanted.columns)
    )
    assert (file.name, file.title, file.space, file.network) == (
        "small",
        "A title",
        wanted.space,
        wanted.network,
    )
    for key, values in wanted.columns.items():
        assert file.column(key).tobytes() == values.tobytes()
    for run, counts in wanted.n_seeds.items():
        assert file.n_seeds(*run).tobytes() == counts.tobytes()


@lru_cache(maxsize=1)
def model() -> tuple[bytes, np.ndarray]:
    """A model's file, and what it predicts."""
    learned = make_model("ridge").fit(
        nb201()[:60], [sum(cell.choices) + 1.0 for cell in nb201()[:60]]
    )
    card = Card(
        "ridge",
        "b",
        "0",
        "nb201",
        Metric("e", "%", "search", "error"),
        None,
        Network(),
        "random",
        0,
        60,
        1,
        {},
    )
    with tempfile.TemporaryDirectory() as folder:
        save(learned, card, np.arange(60), Path(folder) / "m.h5")
        return (Path(folder) / "m.h5").read_bytes(), learned.predict(
            nb201()[60:70]
        ).mean


def models(rng: np.random.Generator, folder: Path) -> None:
    """A damaged model file, which then predicts."""
    whole, wanted = model()
    path = folder / "model.h5"
    path.write_bytes(damaged(whole, rng))
    assert (load(path).model.predict(nb201()[60:70]).mean == wanted).all()


def expressions(rng: np.random.Generator, folder: Path) -> None:
    """Objectives put together of right and wrong pieces; what is read reads again as what was
    printed.
    """
    pieces = [
        "valid_error",
        "valid_loss[3]",
        "params",
        "latency@thing",
        "diversity",
        "0.1",
        "1e999",
        "-2",
        "*",
        "*",
        "+",
        "+",
        ",",
        "(",
        ")",
        "[",
        "]",
        "<=",
        ">=",
        "subject to",
        "and",
        " ",
        "\n",
        "é",
        "x" * 500,
        "@",
        "12",
    ]
    begun = [
        "valid_error",
        "valid_error + 0.1*params",
        "valid_error, params",
        "valid_error subject to params <= 9",
    ]
    text = str(rng.choice([*begun, ""])) + " ".join(
        rng.choice(pieces, size=rng.integers(0, 7))
    )
    parts = parse_several(text)
    limits = " and ".join(str(limit) for part in parts for limit in part.constraints)
    sums = ", ".join(str(replace(part, constraints=())) for part in parts)
    again = parse_several(sums, limits or None)
    assert [part.terms for part in again] == [part.terms for part in parts]
    assert again[0].constraints == tuple(
        limit for part in parts for limit in part.constraints
    )


@lru_cache(maxsize=1)
def finished() -> tuple[Path, bytes, list[Trial]]:
    """The folder of a finished comparison, its one run's file and that run's trials."""
    folder = Path(tempfile.mkdtemp())
    bench = Computed(
        SPACE, {"valid_error": lambda cell: 20.0 + sum(cell.choices)}, cheap=True
    )
    made = compare(
        bench, ["evolution"], "valid_error", runs=1, budget=20, folder=folder
    )
    return (
        folder,
        (folder / "runs" / "evolution-0.jsonl").read_bytes(),
        list(made.runs[0].trials),
    )


def runs(rng: np.random.Generator, folder: Path) -> None:
    """A damaged file of a finished run; or two of its lines exchanged, one dropped, one twice."""
    home, whole, trials = finished()
    lines = whole.splitlines(keepends=True)
    kind = rng.integers(6)
    place, other = (int(i) for i in rng.integers(len(lines), size=2))
    if kind == 0:
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == 1:
        del lines[place]
    elif kind == 2:
        lines.insert(place, lines[other])
    content = b"".join(lines) if kind < 3 else damaged(whole, rng)
    (home / "runs" / "evolution-0.jsonl").write_bytes(content)
    run = Store(home).load("evolution", 0, SPACE)
    assert run is None or list(run.trials) == trials, "another history was read"
    assert run is not None or not content.startswith(whole), "a whole run is not read"


FUZZERS: dict[str, Fuzzer] = {
    "cells": cells,
    "expressions": expressions,
    "rows": rows,
    "runs": runs,
    "tables": tables,
    "models": models,
}


def outcome(fuzzer: Fuzzer, seed: list[int], folder: Path) -> str:
    """Run one case: ``answered``, ``refused``, or what went wrong."""
    try:
        fuzzer(np.random.default_rng(seed), folder)
    except UserError as error:
        return "refused" if "\n" not in str(error) else f"several lines: {error!r}"
    except BaseException as error:  # noqa: BLE001 - anything else is what is looked for
        return f"{type(error).__name__}: {error!s:.300}"
    return "answered"


def work(
    name: str,
    seed: int,
    first: int,
    last: int,
    pipe: Connection,
) -> None:
    """Run the cases `first` to `last` and send what came of each; at the end the peak memory in
    MB.
    """
    with tempfile.TemporaryDirectory() as folder:
        for case in range(first, last):
            pipe.send(outcome(FUZZERS[name], [seed, case], Path(folder)))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run(name: str, seed: int, cases: int) -> Counter[str]:
    """Run all cases of a fuzzer, past those that end its process or never end."""
    found: Counter[str] = Counter()
    case = 0
    while case < cases:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.Process(
            target=work, args=(name, seed, case, cases, theirs)
        )
        process.start()
        theirs.close()
        try:
            while case < cases:
                said = (
                    ours.recv()
                    if ours.poll(SECONDS)
                    else f"no answer within {SECONDS} s"
                )
                found[said if said in ("answered", "refused") else "wrong"] += 1
                if said not in ("answered", "refused"):
                    print(f"{name}, seed [{seed}, {case}]: {said}")
                case += 1
                if said.startswith("no answer"):
                    break
            else:
                print(f"{name}: {dict(found)}, peak {ours.recv():.0f} MB")
        except EOFError:
            process.join()
            print(
                f"{name}, seed [{seed}, {case}]: the process ended with {process.exitcode}"
            )
            found["wrong"] += 1
            case += 1
        process.kill()
        process.join()
    return found


def main() -> None:
    """Run all fuzzers, each its share of the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--only", choices=FUZZERS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = [options.only] if options.only else list(FUZZERS)
    total: Counter[str] = Counter()
    for name in names:
        total += run(name, options.seed, options.cases // len(names))
    print(
        f"in all: {total['answered']:,} answered right, {total['refused']:,} refused,"
        f" {total['wrong']:,} wrong"
    )
    sys.exit(bool(total["wrong"]))


if __name__ == "__main__":
    main()
