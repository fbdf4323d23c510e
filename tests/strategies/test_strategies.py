"""The contract holds for every registered strategy, and the contract's checks catch what they are
meant to.
"""

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

from surrogate_nas import Strategy, strategies
from surrogate_nas.contract import check
from surrogate_nas.contract.checks import LargeSpace, TinySpace, trajectory, trials_of
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.strategies import STRATEGIES, resolve
from tests import broken_strategies
from tests.broken_strategies import CAUGHT_BY
from tests.conftest import CHEAP
from tests.contracts import FRESH, broken, checks_of, elsewhere, shorten

FILE = Path(broken_strategies.__file__)


SLOW = {**CHEAP, **{name: name for name in ("bo", "zero_cost", "bo_epochs")}}
SLOW["guided"] = "guided(patience=0.5)"
"""Those that learn before every question, as they are checked; the contract makes many runs."""
SWIFT_ONES = [name for name in STRATEGIES if name not in SLOW]
SLOW_ONES = list(SLOW.values())


@pytest.mark.parametrize(
    "name", [*SWIFT_ONES, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_ONES)]
)
def test_every_strategy_keeps_the_contract(name, monkeypatch):
    """On NAS-Bench-201's space, one to exhaust and one to sample."""
    if name in SLOW_ONES:
        shorten(monkeypatch)
    checks = checks_of(name, without=FRESH)
    assert not broken(checks)
    assert len(checks) == 3 * 9
    assert {made.name.rpartition("[")[2] for made in checks} == {
        "nb201]",
        "tiny]",
        "large]",
    }


def cells_of(names, n):
    """What strategies ask for on each of the three spaces."""
    spaces = nb201(), TinySpace(), LargeSpace()
    made = [(resolve(name), space) for name in names for space in spaces]
    return [
        [str(cell) for cell in trajectory(kind, space, seed=0, n=n)]
        for kind, space in made
    ]


@pytest.mark.parametrize(
    ("names", "n"),
    [(SWIFT_ONES, 20), pytest.param(SLOW_ONES, 8, marks=pytest.mark.slow)],
)
def test_every_strategy_repeats_in_another_process_with_another_hash_seed(names, n):
    assert elsewhere(cells_of, names, n) == cells_of(names, n)


def test_every_strategy_of_the_room_stands_in_its_list():
    """One that stands in none is never found, checked or listed."""
    prefix = f"{strategies.__name__}."
    names = [each.name for each in walk_packages(strategies.__path__, prefix)]
    modules = [import_module(name) for name in names if ".bridges" not in name]
    made = {
        thing
        for module in modules
        for thing in vars(module).values()
        if inspect.isclass(thing)
        and issubclass(thing, Strategy)
        and not inspect.isabstract(thing)
    }
    missing = made - {strategies.OURS[name] for name in strategies.OURS}
    assert not missing, f"{missing}: no line in {strategies.__file__}"


def test_a_strategy_from_a_file_keeps_the_contract():
    assert not broken(check(f"{FILE}:Fine", TinySpace()))
    assert not broken(checks_of(resolve(f"{FILE}:Fine"), TinySpace()))


@pytest.mark.parametrize("kind", CAUGHT_BY, ids=lambda kind: kind.__name__)
def test_the_contract_catches(kind):
    found = broken(checks_of(kind, TinySpace())) or broken(checks_of(kind))
    assert any(CAUGHT_BY[kind] in failure for failure in found), found
    assert all("\n" not in failure for failure in found)


def test_the_example_of_ten_lines_keeps_the_contract(tmp_path):
    """The one in the docstring of `Strategy`."""
    lines = [
        line.strip(" ")
        for line in (Strategy.__doc__ or "").splitlines()
        if line.strip().startswith((">>>", "..."))
    ]
    code = "\n".join(line[4:] for line in lines)
    file = tmp_path / "mine.py"
    file.write_text(f"from surrogate_nas import Strategy\n{code}\n")
    assert not broken(check(f"{file}:Greedy", TinySpace()))


def test_names_that_resolve_to_nothing(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'evolution'"):
        resolve("evolutoin")
    with pytest.raises(UserError, match="no strategy file"):
        resolve(f"{tmp_path}/none.py:Mine")
    with pytest.raises(UserError, match="defines no Mine"):
        resolve(f"{FILE}:Mine")
    (tmp_path / "bad.py").write_text("import nothing_of_this_name\nclass Mine: pass\n")
    with pytest.raises(UserError, match="cannot be imported: ModuleNotFoundError"):
        resolve(f"{tmp_path}/bad.py:Mine")
    (tmp_path / "other.py").write_text("class Mine: pass\nnumber = 3\n")
    for name in ("Mine", "number"):
        with pytest.raises(UserError, match="not a subclass of surrogate_nas.Strategy"):
            resolve(f"{tmp_path}/other.py:{name}")
    with pytest.raises(UserError, match="not a subclass"):
        resolve(int)


def test_random_search_does_not_ask_for_what_it_was_told():
    space = TinySpace()
    made = resolve("random")(space, seed=0)
    made.tell(trials_of(space[:20]))
    assert {made.ask(1)[0] for _ in range(4)} == set(space[20:])
