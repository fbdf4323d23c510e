"""Every command but play prints one JSON document with --json, and nothing else on its output."""

import typer

from surrogate_nas.cli.app import app
from surrogate_nas.space import nb201
from tests.conftest import TINY_TASK

ELSEWHERE = {"play", "serve", "data fetch", "data verify"}
"""It has none; it serves until it is ended; two need the tables of others. Each has tests."""
ASKED = f"""
compare fashion --strategies random,local_search --runs 2 --budget 11 --out compared
report compared
export csv compared
archive create compared sealed.zip
archive verify sealed.zip
suite starter --problems fashion --strategies random,local_search --runs 1 --out suite
plan fashion --budget 11 --strategies random,local_search --pilot 10 --difference 1 --runs 4
lambda-path fashion --lambdas 0,0.1 --strategies random --runs 1 --budget 11 --out path
search fashion --strategy random --budget 11
benchmarks fashion
strategies
losses
query fashion 11
data doctor fashion
data import csv mine.csv --name mine
import csv mine.csv --name yours
path
new strategy Mine
check mine.py:Mine
train 11 --task {TINY_TASK} --epochs 1
measure 11 --task {TINY_TASK} --out measured.h5
fit fashion --target valid_loss --train 20 --test 20 --model ridge --out ridge.h5
predict ridge.h5 11
surrogate judge ridge --tables mine --train 20 --draws 1 --out judged
table {TINY_TASK} --space macro --out trained.h5
"""


def leaves(command, *words):
    """Every command that is no group, by its words."""
    for name in getattr(command, "commands", ()):
        yield from leaves(command.get_command(None, name), *words, name)
    if not hasattr(command, "commands"):
        yield " ".join(words)


def test_every_command_prints_one_json_document(snas, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("surrogate_nas.results.plan._STUDIES", 20)
    rows = [f"{cell.text},{cell.index / 10}\n" for cell in nb201()[:60]]
    (tmp_path / "mine.csv").write_text("".join(["cell,valid_error\n", *rows]))
    every = set(leaves(typer.main.get_command(app)))
    asked = [line.strip() for line in ASKED.strip().splitlines()]
    named = {
        name
        for name in every
        if any(f"{line} ".startswith(f"{name} ") for line in asked)
    }
    assert every - named == ELSEWHERE
    for line in asked:
        assert snas(f"{line} --json").json, line
