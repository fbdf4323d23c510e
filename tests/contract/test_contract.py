"""The contracts of spaces and surrogates hold for every registered one, and the checks catch what
they are meant to.
"""

import numpy as np
import pytest

from surrogate_nas import contract
from surrogate_nas.contract import contract_of
from surrogate_nas.contract.checks import LargeSpace, TinySpace
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import SPACES, Cell
from surrogate_nas.surrogates import MODELS
from surrogate_nas.surrogates.ridge import Ridge
from tests import hostile_strategies
from tests.contracts import broken, checks_of

HOSTILE = hostile_strategies.__file__
SLOW = {"gnn", "ensemble", "gp", "xgboost", "extra_trees"}
"""Models that take many seconds; `tests/surrogates/test_surrogates.py` holds them to the same."""


LARGE = {"nb101", "nbnlp"}
"""NAS-Bench-101's is listed cell by cell, 423,624 times; a cell of NAS-Bench-NLP's is a program."""
EVERY_SPACE = [
    pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name
    for name in SPACES
]


@pytest.mark.parametrize("space", [*EVERY_SPACE, TinySpace, LargeSpace()], ids=str)
def test_every_space_keeps_the_contract(space):
    checks = checks_of(f"space:{space}" if isinstance(space, str) else space)
    assert not broken(checks)
    assert len(checks) == 9


@pytest.mark.parametrize("model", [name for name in MODELS if name not in SLOW])
def test_every_swift_surrogate_keeps_the_contract(model):
    checks = checks_of(model)
    assert not broken(checks)
    assert len(checks) == 6


class PrintsAmbiguously(TinySpace):
    def write(self, choices):
        return super().write((0, *choices[1:]))


class ParsesAnything(TinySpace):
    def parse(self, text):
        return self[0]


class SamplesOutside(TinySpace):
    def sample(self, rng):
        return Cell((9, 9, 9), "outside")


class SamplesWithoutItsGenerator(TinySpace):
    def sample(self, rng):
        return self[np.random.randint(len(self))]  # noqa: NPY002


class MutatesToItself(TinySpace):
    def mutate(self, cell, rng):
        return cell


class HasOneWayNeighbours(TinySpace):
    def neighbours(self, cell):
        return [self[(self.cell(cell).index + 1) % len(self)]]


class PicklesToAnother(TinySpace):
    def __reduce__(self):
        return LargeSpace, ()


class ContainsAll(TinySpace):
    def __contains__(self, cell):
        return True


class BelievesPlaces(TinySpace):
    def cell(self, given):
        return (
            self[given.index % 24] if isinstance(given, Cell) else super().cell(given)
        )


class ListsTwice(TinySpace):
    def _matrix(self):
        return np.concatenate([super()._matrix()] * 2)


class EncodesTogether(TinySpace):
    def _one_hot(self, choices):
        return super()._one_hot(choices) - choices[0, 0]

    further_encodings = {
        "place": lambda choices: np.arange(len(choices))[:, None].astype(np.float32)
    }


class IsUnlikeItself(TinySpace):
    def similarity(self, first, second):
        return 0.5


CAUGHT_SPACES = {
    PrintsAmbiguously: "parses back",
    ParsesAnything: "names no cell",
    SamplesOutside: "it samples Cell",
    SamplesWithoutItsGenerator: "equal generators give Cell(",
    MutatesToItself: "mutates to",
    HasOneWayNeighbours: "but not vice versa",
    PicklesToAnother: "unpickling gives",
    ContainsAll: "nothing else",
    BelievesPlaces: "uses only the string of a given cell [tiny]: it contains",
    ListsTwice: "every cell occurs once",
    EncodesTogether: "depends on the other cells",
    IsUnlikeItself: "Similarity",
}
"""Which check must catch each."""


@pytest.mark.parametrize("space", CAUGHT_SPACES, ids=lambda space: space.__name__)
def test_the_contract_catches_a_space(space):
    found = broken(checks_of(space))
    assert any(CAUGHT_SPACES[space] in line for line in found), found


class PredictsNothing(Ridge):
    def predict(self, cells):
        found = super().predict(cells)
        return found._replace(std=0 * found.std)


class PredictsRanks(Ridge):
    def predict(self, cells):
        found = super().predict(cells)
        return found._replace(mean=np.argsort(np.argsort(found.mean)).astype(float))


class Forgetful(Ridge):
    def fit(self, cells, values):
        super().fit(cells, values)
        return type(self)("cost", seed=3)


class Random(Ridge):
    def predict(self, cells):
        found = super().predict(cells)
        return found._replace(
            mean=found.mean + np.random.default_rng().random(len(found.mean))
        )


class LearnsAnything(Ridge):
    def fit(self, cells, values):
        try:
            return super().fit(cells, values)
        except UserError:
            return self


class SpoilsItsValues(Ridge):
    def fit(self, cells, values):
        super().fit(cells, values)
        if isinstance(values, np.ndarray):
            values *= 0
        return self


CAUGHT_MODELS = {
    PredictsNothing: "deviation above 0",
    PredictsRanks: "predicted together",
    Forgetful: "Fitting again discards",
    Random: "same predictions",
    LearnsAnything: "all equal",
    SpoilsItsValues: "neither the values",
}


@pytest.mark.parametrize("model", CAUGHT_MODELS, ids=lambda model: model.__name__)
def test_the_contract_catches_a_surrogate(model):
    found = broken(checks_of(model))
    assert any(CAUGHT_MODELS[model] in line for line in found), found


def test_one_cause_is_shown_once(snas):
    made = snas("check", f"{HOSTILE}:ExitsAtOnce")
    assert made.code == 2
    assert made.out.count("exit code 7") == 2, (
        "the check that ended, and those that were not made"
    )
    content = snas("check", f"{HOSTILE}:ExitsAtOnce", "--json").json
    assert all(
        "exit code 7" in check["detail"] for check in content if not check["passed"]
    )
    assert sum(check["passed"] for check in content) == 1, "it is made, once"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Crashes", f"killed by SIGSEGV (11) ({HOSTILE}:"),
        ("KillsItself", "killed by SIGKILL"),
        ("RaisesABaseException", "Unheard when it was checked"),
        ("RaisesTheUnprintable", "cannot be printed (RuntimeError)"),
        ("PrintsALot", ""),
    ],
)
def test_a_strategy_that_damages_its_process_is_named(name, said, capfd):
    checks = contract.check(f"{HOSTILE}:{name}", TinySpace())
    found = broken(checks)
    assert len(checks) == 10 and bool(found) == bool(said)
    assert any(said in line for line in found) or not said, found
    assert not capfd.readouterr().out


def test_a_check_that_takes_too_long_says_where():
    checks = contract.check(f"{HOSTILE}:HangsForEver", TinySpace(), limit=1.0)
    made, *others = checks
    assert made.passed and made.name.startswith("The constructor")
    assert not any(check.passed for check in others)
    assert all(f"no sign of life for 1 s ({HOSTILE}:" in one.detail for one in others)


def test_a_file_is_checked_as_what_it_holds(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from surrogate_nas.space import ChoiceSpace\nfrom surrogate_nas.surrogates.ridge import"
        " Ridge\nSPACE = ChoiceSpace('mine', {'a': (1, 2), 'b': (3, 4, 5)})\nclass Model(Ridge):\n "
        "   pass\nnumber = 3\n"
    )
    assert [len(contract.check(f"{file}:{name}")) for name in ("SPACE", "Model")] == [
        9,
        6,
    ]
    with pytest.raises(UserError, match="not a subclass"):
        contract.check(f"{file}:number")
    for spec, says in ((f"{file}:none", "defines no none"), ("nb20", "'nb201'")):
        with pytest.raises(UserError, match=says):
            contract_of(spec, None)
