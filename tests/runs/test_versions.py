"""A search over one's own edits: versions of a strategy on the same seeds are counted and told."""

import json
import shutil

import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import home
from surrogate_nas.results.api import read_comparison
from surrogate_nas.runs.sources import count_version
from surrogate_nas.runs.store import Store

MINE = """
import json
from pathlib import Path
import surrogate_nas as sn

class Mine(sn.Strategy):
    def ask(self, n):
        place = json.loads((Path(__file__).parent / "conf.json").read_text())
        return [self.space[place + {add}]]
"""


@pytest.fixture
def strategy(tmp_path):
    edited(tmp_path, add=0)
    (tmp_path / "conf.json").write_text("1")
    return f"{tmp_path}/mine.py:Mine"


def edited(folder, add):
    (folder / "mine.py").write_text(MINE.format(add=add))


def told(found):
    return [
        sentence
        for sentence in found.verdict.sentences
        if "was edited and run again on these seeds" in sentence
    ]


def compared(strategy, out, **more):
    return sn.compare(
        "fashion", [strategy, "random"], runs=2, budget=12, folder=out, **more
    )


def test_versions_on_the_same_seeds_are_told(strategy, tmp_path):
    out = tmp_path / "out"
    other = tmp_path / "other"
    assert not told(compared(strategy, out)) and not told(compared(strategy, out)), (
        "the same again is no version"
    )
    edited(tmp_path, add=1)
    (second,) = told(compared(strategy, out))
    assert "(2 versions so far)" in second and second.endswith(
        "on fresh seeds (--seed 1)."
    )
    assert told(read_comparison(out)) == [second] and Store(out).read()["versions"] == {
        "Mine": 2
    }
    (tmp_path / "conf.json").write_text("2")
    assert "(3 versions so far)" in told(compared(strategy, out))[0], (
        "a file that it reads makes a version too"
    )
    edited(tmp_path, add=2)
    assert "(4 versions so far)" in told(compared(strategy, other))[0], (
        "another folder forgets nothing"
    )
    shutil.rmtree(out)
    shutil.rmtree(other)
    assert "(4 versions so far)" in told(compared(strategy, None))[0], (
        "nor does a folder that was deleted"
    )
    assert not told(compared(strategy, tmp_path / "fresh", seed=1)), (
        "with fresh seeds it is a first look"
    )
    assert "(2 versions so far)" not in str(told(compared(strategy, None, seed=1)))


def test_strategies_of_the_project_have_no_versions(tmp_path):
    found = sn.compare(
        "fashion", ["random", "evolution"], runs=2, budget=12, folder=tmp_path / "out"
    )
    assert not told(found) and not Store(tmp_path / "out").read().get("versions")


def test_the_record_is_sealed(tmp_path):
    arguments = "Sealed", tmp_path, ("fingerprint", 0)
    before = {*(home() / "versions").glob("*.jsonl")}
    assert [
        count_version(*arguments, {"a.py": text}, files)
        for text, files in (
            ("1", None),
            ("1", {}),
            ("1", None),
            ("1", {"c": "0"}),
            ("2", None),
            ("1", {}),
        )
    ] == [1, 1, 1, 2, 3, 3]
    (record,) = {*(home() / "versions").glob("*.jsonl")} - before
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert len(lines) == 4
    record.write_text(record.read_text().replace(lines[0]["code"], "0" * 32))
    with pytest.raises(
        UserError, match=r"is damaged \(line 1 is not as it was written\)\. Delete it"
    ):
        count_version(*arguments, {"a.py": "1"}, None)
