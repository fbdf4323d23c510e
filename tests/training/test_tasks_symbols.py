"""Tasks of text, code and DNA: symbols become channels, and no example is in two splits."""

import argparse
import json.decoder
import lzma
import shutil

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.training import TASKS, tasks
from surrogate_nas.training.tasks import (
    bytecode,
    hyphens,
    scripture,
    splice,
    words,
)
from tests.tasks_here import tasks_here


def test_symbols_become_channels_and_nothing_is_behind_a_sequence():
    numbers = tasks.numbered(["ab", "c"], "abc", 3)
    assert numbers.tolist() == [[0, 1, -1], [2, -1, -1]]
    inputs = tasks.one_hot(numbers, 3)
    assert inputs.shape == (2, 3, 1, 3) and inputs.dtype == np.float32
    assert inputs[0, :, 0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_splits_are_cut_in_order():
    numbers = np.arange(12).reshape(6, 2)
    splits = tasks.next_ones(numbers, 12, (3, 1, 2))
    assert {name: split.targets.ravel().tolist() for name, split in splits.items()} == {
        "train": [1, 3, 5],
        "valid": [7],
        "test": [9, 11],
    }
    assert splits["test"].inputs[:, :, 0, 0].argmax(1).tolist() == [8, 10]


@pytest.mark.parametrize("name", tasks_here("scripture", "bytecode"))
def test_targets_are_the_next_symbols(name):
    inputs, targets = TASKS[name].data["valid"]
    assert np.array_equal(inputs.argmax(1)[:, 0, 1:], targets[:, :-1])
    assert np.array_equal(inputs.sum(1), np.ones((len(inputs), 1, targets.shape[1])))


def test_a_verse_has_the_characters_of_the_alphabet():
    assert scripture.plain("And God said, [Let] there be light:  (and it was!)") == (
        "and god said, let there be light: and it was"
    )


@pytest.mark.parametrize("name", tasks_here("hyphens"))
def test_a_break_is_told_one_letter_later(name, monkeypatch):
    kept = TASKS[name].data["valid"].targets
    assert 1 < kept.sum(1).mean() < 5 and kept[:, :3].sum() == 0
    monkeypatch.setattr(hyphens, "words", lambda: ["silbenrätsel"] * 4500)
    letters, targets = hyphens.load()["test"]
    assert len(targets) == 2500 and letters[0].sum() == len("silbenrätsel")
    assert targets[0].tolist() == [0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("name", tasks_here("scripture"))
def test_all_verses_are_read(name):
    verses = scripture.verses()
    assert len(verses) == 31102
    assert verses[0] == "in the beginning god created the heaven and the earth."
    assert TASKS[name].classes == len(scripture.ALPHABET)


def test_a_function_is_named_by_its_first_operations(tmp_path, monkeypatch):
    """Of a library of two files; of the whole one the task's splits are made."""
    for module in (argparse, json.decoder):
        shutil.copy(str(module.__file__), tmp_path)
    monkeypatch.setattr(
        bytecode.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)}
    )
    found = bytecode.functions.__wrapped__()  # not what this process has read before
    assert len(found) == 2 and len(found[0]) > len(found[1]) > 0
    assert all(len(one) == 49 for own in found for one in own)
    assert "RETURN_VALUE" in {
        operation for own in found for one in own for operation in one
    }


def test_a_word_of_two_languages_is_left_out(monkeypatch):
    lists = {"de": ["straße", "radikal", "haus"], "nl": ["radikal", "morgen"]}
    monkeypatch.setattr(words, "frequent", lambda code, _: lists.get(code, ["données"]))
    german, dutch, english, *_ = words.own_words()
    assert german == ["strasse"] and dutch == ["morgen"] and not english
    with pytest.raises(UserError, match="only 1 of 1250 words in de in pyspellchecker"):
        words.load()


def columns_of_bases():
    """Drawn bases as three bits each, and a class, shape ``(3186, 181)``."""
    rng = np.random.default_rng(0)
    bases = rng.integers(4, size=(3186, splice.BASES))
    bits = (bases[:, :, None] == np.arange(3)).reshape(len(bases), -1)
    return np.column_stack([bits, rng.integers(3, size=len(bases))])


def frame(columns):
    """A file of R: every column after flags, type and length, and something between two."""
    head = bytes.fromhex("0000030d") + len(columns).to_bytes(4, "big")
    return b"RDX2" + b"".join(
        head + (c + 1).astype(">i4").tobytes() + b"names" for c in columns.T
    )


@pytest.fixture
def r_package(monkeypatch, tmp_path):
    """Make a package mlbench with a file of some content."""

    def make(content):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "DNA.rda").write_bytes(content)
        monkeypatch.setenv("SURROGATE_NAS_MLBENCH", str(tmp_path))

    return make


def test_bases_are_read_from_a_file_of_r(r_package):
    columns = columns_of_bases()
    columns[7] = columns[3]
    r_package(lzma.compress(frame(columns)))
    assert splice.TASK.is_here()
    splits = splice.load()
    assert [len(split.targets) for split in splits.values()] == [1000, 900, 1285]
    assert all(np.all(split.inputs.sum(1) == 1) for split in splits.values())
    inputs = np.concatenate([split.inputs for split in splits.values()])
    bits = inputs[:, :3, 0].transpose(0, 2, 1).reshape(len(inputs), -1)
    assert {*map(bytes, bits.astype(np.uint8))} == {
        *map(bytes, columns[:, :-1].astype(np.uint8))
    }


@pytest.mark.parametrize(
    "content",
    [b"", lzma.compress(frame(columns_of_bases()[:, :3])), lzma.compress(b"RDX2")],
    ids=["empty", "few columns", "none"],
)
def test_a_damaged_file_of_r_is_told(content, r_package):
    r_package(content)
    with pytest.raises(UserError, match="DNA.rda is damaged"):
        splice.load()
