"""The languages of names: nothing is seen twice, nothing betrays its language, and cells beat
the majority.
"""

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.training import TASKS, train
from surrogate_nas.training.tasks import languages

TASK = TASKS["languages"]
GOOD = nb201().parse(
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
pytestmark = pytest.mark.skipif(
    not TASK.is_here(), reason="needs the package pycountry"
)


def read(row):
    """The text of one-hot letters ``(27, 1, LENGTH)``."""
    return "".join(
        languages.ALPHABET[column.argmax()] for column in row[:, 0].T if column.any()
    )


def test_texts_are_written_without_accents():
    assert (
        languages.plain("Élő Łódź – Straße, İstanbul (ı)")
        == "elo lodz strasse istanbul i"
    )


def test_every_language_has_as_many_names_and_none_is_in_two():
    sizes = {"train": 150, "valid": 130, "test": 190}
    seen = {}
    for split, size in sizes.items():
        inputs, targets = TASK.data[split]
        assert np.bincount(targets).tolist() == [size] * 10
        for row, target in zip(inputs, targets.tolist(), strict=True):
            assert seen.setdefault(read(row), target) == target
    assert len(seen) == 10 * sum(sizes.values())
    assert languages.ALPHABET.index(" ") == 0 and min(map(len, seen)) >= 5


def test_what_two_languages_write_alike_is_left_out():
    for by_code in languages.names():
        assert len(by_code) >= 5 and len({*by_code.values()}) == len(by_code)


def test_a_cell_beats_the_majority_by_more_than_its_seeds_differ():
    targets = TASK.data["test"].targets
    majority = 100 - 100 * np.bincount(targets).max() / len(targets)
    errors = [
        train([GOOD], TASK, seed=seed, epochs=6)[0].finals["test_error"]
        for seed in (0, 1)
    ]
    assert np.mean(errors) < majority - 20 - 2 * abs(errors[0] - errors[1])


def test_too_few_names_are_told(monkeypatch):
    names = languages.names()[:100]
    monkeypatch.setattr(languages, "names", lambda: names)
    with pytest.raises(
        UserError, match=r"only \d+ of 150 names in de for the train split in pycountry"
    ):
        languages.load()
