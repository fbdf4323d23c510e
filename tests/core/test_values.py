"""One value and its range: what is none is a line that says what would be right."""

import re

import numpy as np
import pytest

from surrogate_nas.core.arguments import (
    check_argument,
    check_names,
    check_number,
    check_whole,
)
from surrogate_nas.core.errors import UserError

REFUSED = {
    "N must be a whole number of at least 0, not True.": lambda: check_whole("N", True),
    "N must be a whole number of at least 1, not 0.": lambda: check_whole("N", 0, 1),
    "N must be a whole number from 0 to 9, not 10.": lambda: check_whole("N", 10, most=9),
    "N must be a whole number of at least 0, not 2.0.": lambda: check_whole("N", 2.0),
    "N must be a whole number of at least 0, not 922": lambda: check_whole("N", 2**63),
    "X must be a number of at least 0, not '1'.": lambda: check_number("X", "1"),
    "X must be a number of at least 0, not nan.": lambda: check_number("X", float("nan")),
    "X must be a number from 0 to 1, not 1.5.": lambda: check_number("X", 1.5, most=1),
    "X must be a finite number above 0, not 0.": lambda: check_number("X", 0, above=True),
    "F is True or False, not 1.": lambda: check_argument("F", 1, bool),
    "A is a text, not None.": lambda: check_argument("A", None, str),
    "L must be a list of names, not 'one'.": lambda: check_names("L", "one"),
    "L must be a list of names, not ['one', 2].": lambda: check_names("L", ["one", 2]),
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_value_is_checked_with_its_range(said):
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        REFUSED[said]()


def test_a_number_of_numpys_becomes_pythons_own():
    assert type(check_whole("N", np.int64(3))) is int
    assert type(check_number("X", np.float32(0.5))) is float
    assert check_argument("F", np.True_, bool) is True
    assert check_names("L", np.array(["a", "b"])) == ("a", "b")
