"""What ends a run before its budget is spent does so for the search, for the same command again,
and for the verification of an archive.
"""

import ast
import inspect
from functools import partial

import pytest

import surrogate_nas as sn
from surrogate_nas.results.archive import create
from surrogate_nas.results.verification import verify
from surrogate_nas.runs import options
from tests.talking import ASKED, FILE, talker

ENDING = {
    "target": ("random", {"target": 30.0}),
    "tokens": (talker("learn"), {"budget_tokens": 250}),
    options.ENDED_EARLY: (talker("finish"), {}),
}
"""By the reason a strategy and the options of a run that it ends."""


def reasons():
    """All that `ended_by` returns, but for the empty text."""
    function = ast.parse(inspect.getsource(options.ended_by))
    returned = [
        node.value for node in ast.walk(function) if isinstance(node, ast.Return)
    ]
    parts = [part for value in returned for part in ast.walk(value)]
    texts = {part.value for part in parts if isinstance(part, ast.Constant)}
    names = {
        part.id for part in parts if isinstance(part, ast.Name) and part.id.isupper()
    }
    return {*texts, *(getattr(options, name) for name in names)} - {""}


def test_every_reason_has_an_example():
    assert reasons() == set(ENDING)


@pytest.mark.parametrize("reason", ENDING)
def test_a_run_that_is_ended_is_whole_and_verifies(reason, tmp_path, monkeypatch):
    monkeypatch.chdir(FILE.parent)
    strategy, given = ENDING[reason]
    compare = partial(
        sn.compare,
        "fashion",
        [strategy],
        ASKED,
        runs=1,
        budget=60,
        folder=tmp_path / "out",
    )
    n = len(compare(**given).runs[0].trials)
    assert n < 60
    (file,) = (tmp_path / "out" / "runs").glob("*.jsonl")
    before = file.read_bytes()
    assert len(compare(**given).runs[0].trials) == n and file.read_bytes() == before
    create(tmp_path / "out", tmp_path / "out.zip")
    assert not verify(tmp_path / "out.zip").problems
