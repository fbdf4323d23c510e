"""A short run of analysis/fuzz.py: every input is answered right or refused in one line."""

from collections import Counter

import pytest

from analysis import fuzz

CASES = {
    "cells": 300,
    "expressions": 300,
    "rows": 300,
    "runs": 300,
    "tables": 200,
    "models": 200,
}


def test_every_fuzzer_is_run_here_too():
    assert set(CASES) == set(fuzz.FUZZERS)


@pytest.mark.parametrize("name", CASES)
def test_an_answer_or_one_line(name, tmp_path):
    found = Counter(
        fuzz.outcome(fuzz.FUZZERS[name], [201, case], tmp_path)
        for case in range(CASES[name])
    )
    assert set(found) == {"answered", "refused"}, found
