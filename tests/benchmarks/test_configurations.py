"""Configurations beside a user's code: values that its functions take from around them, and files
that they read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas import benchmarks
from surrogate_nas.core.digests import digest_of_function
from surrogate_nas.files.opened import heard
from tests.configurations import CONFIGURATIONS, configured
from tests.conftest import assert_one_clear_line


@pytest.fixture(autouse=True)
def here(fresh_home, tmp_path, monkeypatch):
    """The folder of the user's file, which its modules are imported from."""
    assert fresh_home.is_dir()
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path / "own")
    monkeypatch.syspath_prepend(tmp_path / "own")
    monkeypatch.setenv("SCALE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


# a change between two runs


@pytest.mark.parametrize("name", ["COMPUTED", "TRAINING"])
@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_a_changed_configuration_is_another_benchmark(kind, name, here):
    def opened(scale):
        sys.modules.pop("config", None)
        benchmarks.sourced._opened.clear()  # as another process begins
        configured(here, CONFIGURATIONS[kind], scale)
        bench = sn.load(f"mine.py:{name}")
        cell = bench.space.sample(np.random.default_rng(0))
        return bench.fingerprint, bench.query(cell, "valid_error").value

    (first, small), (second, large) = opened(1), opened(2)
    assert first != second and small < large
    assert opened(1) == (first, small)


def test_a_folder_knows_what_was_read_without_the_data_directory(
    snas, here, monkeypatch
):
    code = CONFIGURATIONS["a CSV file"]
    search = "search", "mine.py:COMPUTED", "random", "--out", "out", "--budget"
    configured(here, code, 1)
    assert snas(*search, 2).code == 0
    configured(here, code, 2)
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(here / "elsewhere"))
    assert_one_clear_line(snas(*search, 4), "net reads conf.csv, changed since")
    configured(here, code, 1)
    assert snas(*search, 4).code == 0


def test_a_file_that_changes_during_a_search_ends_it(snas, here):
    reading = CONFIGURATIONS["a CSV file"].replace("def score", "def plain")
    code = f"""{reading}
def score(cell):
    value = plain(cell)
    if outside() == 1:
        (HERE.parent / "outside.txt").write_text("2")
    else:
        os.system("echo 3 > " + str(HERE / "conf.csv"))
    return value
"""
    configured(here, code, 1)
    refused = snas("search", "mine.py:COMPUTED", "random", "--budget", 5)
    assert refused.code == 2
    assert (
        "conf.csv changed while the benchmark was in use"
        in refused.err.splitlines()[-1]
    )


def test_a_file_that_is_there_later_is_a_change(snas, here):
    code = """
def score(cell):
    try:
        return float((HERE / "more.txt").read_text())
    except FileNotFoundError:
        return 2.0
"""
    configured(here, code, 1)
    search = "search", "mine.py:COMPUTED", "random", "--out", "out", "--budget"
    assert snas(*search, 2).code == 0
    (here / "own/more.txt").write_text("7")
    assert_one_clear_line(snas(*search, 4), "net reads more.txt, changed since")


@pytest.mark.parametrize(
    "how", ["open(PLACE, 'a').write('1')", "os.system(f'echo 1 >> {PLACE}')"]
)
def test_what_a_training_writes_is_no_configuration(how, snas, here):
    code = f"""
PLACE = HERE / "log.txt"

def score(cell):
    {how}
    return 5.0 + bool(PLACE.read_text())
"""
    configured(here, code, 1)
    made = snas("search", "mine.py:COMPUTED", "random", "--budget", 5, "--out", "out")
    assert made.code == 0, made.err
    made = snas("search", "mine.py:COMPUTED", "random", "--budget", 7, "--out", "out")
    assert made.code == 0, made.err


def test_a_large_file_is_read_once(snas, here, monkeypatch):
    digests = []
    real = sn.files.opened.file_digest
    monkeypatch.setattr(
        "surrogate_nas.files.opened.file_digest",
        lambda file, how: digests.append(file.name) or real(file, how),
    )
    configured(here, CONFIGURATIONS["an .npy file"], 1)
    for budget in (3, 6):
        made = snas(
            "search", "mine.py:COMPUTED", "random", "--budget", budget, "--out", "out"
        )
        assert made.code == 0, made.err
    assert [name.endswith("conf.npy") for name in map(str, digests)].count(True) == 1


def test_a_damaged_record_is_refused(snas, here):
    configured(here, CONFIGURATIONS["a CSV file"], 1)
    search = "search", "mine.py:COMPUTED", "random", "--budget", 2
    assert snas(*search).code == 0
    (record,) = (here / "home/read").iterdir()
    record.write_text(record.read_text().replace("conf.csv", "conf.tsv"))
    assert_one_clear_line(snas(*search), f"{record} is damaged")


# what is heard


def test_threads_and_forked_processes_are_heard(here):
    names = [f"{number}.txt" for number in range(4)]
    for name in names:
        (here / name).write_text(name)
    with heard(here) as opened:
        (here / names[0]).read_text()
        thread = threading.Thread(target=(here / names[1]).read_text)
        thread.start()
        thread.join()
        if not (child := os.fork()):
            (here / names[2]).read_text()
            os._exit(0)
        os.waitpid(child, 0)
        with (here / names[3]).open("w"):
            pass
    (here / names[3]).read_text()
    assert sorted(opened.read) == names[:3] and opened.written == {names[3]}


def test_other_folders_and_threads_are_not_heard(here):
    for folder in (".hidden", "home", "other"):
        (here / folder).mkdir(exist_ok=True)
        (here / folder / "file.txt").write_text("")
    begin = threading.Event()
    other = threading.Thread(
        target=lambda: begin.wait() and (here / "other/file.txt").read_text()
    )
    other.start()
    with heard(here) as opened:
        (here / ".hidden/file.txt").read_text()
        (here / "home/file.txt").read_text()
        begin.set()
        other.join()
    assert not opened.read


# values


@dataclass
class Settings:
    rate: float
    layers: list[Any]


class Stateful:
    kinds = ("a",)

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.log: list[sn.Cell] = []

    def error(self, cell):
        self.log.append(cell)
        return self.rate


def taking(value):
    return lambda _: value


PAIRS = {
    "a list": ([1, [2, 3]], [1, [2, 4]]),
    "a dictionary": ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}),
    "an order that counts": (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
    "a set": ({"a", "b"}, {"a", "c"}),
    "a data class": (Settings(1.0, [2]), Settings(1.0, [3])),
    "an object": (Stateful(1.0), Stateful(2.0)),
    "a method": (Stateful(1.0).error, Stateful(2.0).error),
    "a partial": (partial(max, 1), partial(max, 2)),
    "an array": (np.zeros(3), np.ones(3)),
    "a function in a list": ([taking(1)], [taking(2)]),
    "a generator of numbers": (np.random.default_rng(1), np.random.default_rng(2)),
    "a shared object": ((both := [1], both, [2]), (both, [2], [2])),
    "a space": (sn.ChoiceSpace("s", {"a": (1, 2)}), sn.ChoiceSpace("s", {"a": (1, 3)})),
}


@pytest.mark.parametrize("what", PAIRS)
def test_values_are_told_apart_by_what_they_hold(what):
    first, second = PAIRS[what]
    assert digest_of_function(taking(first)) == digest_of_function(taking(first))
    assert digest_of_function(taking(first)) != digest_of_function(taking(second))
    assert digest_of_function(partial(taking, first)) != digest_of_function(
        partial(taking, second)
    )


def test_equal_values_have_one_digest():
    shared = [1]
    assert digest_of_function(taking([shared, shared])) == digest_of_function(
        taking([[1], [1]])
    )
    assert digest_of_function(taking({"a": 1, "b": 2})) == digest_of_function(
        taking({"b": 2, "a": 1})
    )
    used = Stateful(1.0)
    used.error(sn.ChoiceSpace("s", {"a": (1, 2)}).at((0,)))
    assert digest_of_function(used.error) == digest_of_function(Stateful(1.0).error)


def test_a_tensor_is_told_by_its_values():
    torch = pytest.importorskip("torch")
    layers = [torch.nn.Linear(2, 2) for _ in range(2)]
    first, second = (digest_of_function(taking(layer)) for layer in layers)
    assert first != second
    layers[1].load_state_dict(layers[0].state_dict())
    assert digest_of_function(taking(layers[1])) == first
    half = torch.ones(2, dtype=torch.bfloat16)
    assert digest_of_function(taking(half)) != digest_of_function(taking(half + 1))


def test_a_value_that_holds_itself_has_a_digest():
    def around(value):
        values = [value]
        values.append(values)
        return values

    assert digest_of_function(taking(around(1))) == digest_of_function(
        taking(around(1))
    )
    assert digest_of_function(taking(around(1))) != digest_of_function(
        taking(around(2))
    )


@pytest.mark.parametrize(
    "value",
    [threading.Lock(), (letter for letter in "ab"), open(os.devnull)],
    ids=["a lock", "a generator", "an open file"],
)
def test_what_has_no_digest_is_refused(value):
    space = sn.ChoiceSpace("s", {"a": (1, 2), "b": (1, 2)})
    bench = sn.Computed(space, {"valid_error": taking({"own": [value]})})
    with pytest.raises(sn.UserError) as refused:
        sn.search(bench, "random", budget=1)
    said = str(refused.value)
    assert (
        "<lambda> uses value.own, a " in said
        and "Create it inside the function." in said
    )
    assert "\n" not in said


DIGESTS = """
import enum, json, sys
import numpy as np
import surrogate_nas as sn
from surrogate_nas import benchmarks
from surrogate_nas.core.digests import digest_of_function

class Kind(enum.Enum):
    ONE = "one"
    TWO = "two"

NAMES = {"alpha", "beta", "gamma", "delta"}
CONFIG = {name: {"kinds": {Kind.ONE, Kind.TWO}, "names": frozenset(NAMES)} for name in NAMES}
TWICE = [CONFIG, CONFIG, {lambda: NAMES, lambda: CONFIG}]
SPACE = sn.ChoiceSpace("net", {"a": (1, 2)})

class Model:
    width = CONFIG
    def __init__(self):
        self.space, self.weights = SPACE, np.arange(3.0)
    @property
    def size(self):
        return len(NAMES)
    def __call__(self, cell, kind=Kind.ONE, *, names=NAMES):
        return len(TWICE) + SPACE.size + self.size

print(digest_of_function(Model()), digest_of_function(Model().__call__))
"""


def test_two_processes_have_one_digest(here):
    (here / "own/digests.py").write_text(DIGESTS)
    printed = set()
    for seed in ("1", "2", "3"):
        made = subprocess.run(
            [sys.executable, "digests.py"],
            cwd=here / "own",
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(made.stdout)
    assert len(printed) == 1 and len(set(printed.pop().split())) == 2
