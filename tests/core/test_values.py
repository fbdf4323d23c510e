"""One value and its range: what is none is a line that says what would be right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from surrogate_nas.core.arguments import (
    check_argument,
    check_names,
    check_number,
    check_whole,
)
from surrogate_nas.core.errors import UserError


@pytest.mark.parametrize(
    ("check", "value", "said"),
    [
        (
            partial(check_whole, "N"),
            True,
            "N must be a whole number of at least 0, not True.",
        ),
        (
            partial(check_whole, "N", least=1),
            0,
            "N must be a whole number of at least 1, not 0.",
        ),
        (
            partial(check_whole, "N", most=9),
            10,
            "N must be a whole number from 0 to 9, not 10.",
        ),
        (
            partial(check_whole, "N"),
            2.0,
            "N must be a whole number of at least 0, not 2.0.",
        ),
        (partial(check_whole, "N"), 2**63, "N must be a whole number of at least 0, not"),
        (partial(check_number, "X"), "1", "X must be a number from 0 on, not '1'."),
        (
            partial(check_number, "X"),
            float("nan"),
            "X must be a number from 0 on, not nan.",
        ),
        (
            partial(check_number, "X", most=1.0),
            1.5,
            "X must be a number from 0 to 1, not 1.5.",
        ),
        (
            partial(check_number, "X", above=True),
            0,
            "X must be a finite number above 0, not 0.",
        ),
        (partial(check_argument, "F", kind=bool), 1, "F is True or False, not 1."),
        (partial(check_argument, "A", kind=str), None, "A is a text, not None."),
        (partial(check_names, "L"), "one", "L must be a list of names, not 'one'."),
        (
            partial(check_names, "L"),
            ["one", 2],
            "L must be a list of names, not ['one', 2].",
        ),
    ],
)
def test_a_value_is_checked_with_its_range(
    check: Callable[[object], object],
    value: object,
    said: str,
) -> None:
    with pytest.raises(UserError) as refused:
        check(value)
    assert str(refused.value).startswith(said)


def test_a_number_of_numpys_becomes_pythons_own() -> None:
    assert type(check_whole("N", np.int64(3))) is int
    assert type(check_number("X", np.float32(0.5))) is float
    assert check_argument("F", np.True_, bool) is True
    assert check_names("L", np.array(["a", "b"])) == ("a", "b")
