"""What is said of results stays as it is, and the numbers below it (see `tests.golden`)."""

import json

import pytest

from tests.golden import STUDIES_FILE, agrees, of_study, studies

GOLDEN = json.loads(STUDIES_FILE.read_text())
RESULTS = dict(studies())
ROUNDED = {"nemenyi": 1e-4, "tests": 1e-6}
"""Relative; a quantile is integrated numerically."""


def test_the_results_are_all_there():
    assert list(RESULTS) == list(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_said_of_a_study_stays_as_it_is(name):
    found = json.loads(json.dumps(of_study(RESULTS[name])))
    golden = GOLDEN[name]
    assert list(found) == list(golden)
    changed = [
        what
        for what in golden
        if not agrees(found[what], golden[what], ROUNDED.get(what, 1e-9))
    ]
    assert not changed, (
        f"{changed} of {name}; if they were meant to change, make golden NAMES='{name}'"
    )
