"""The options of a cell: a mapping with the types that the space was given."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.report.export.csv import write_csv
from surrogate_nas.space import ChoiceSpace, space_named

OPTIONS = {
    "width": (16, 64),
    "rate": np.array([1e-05, 0.1]),
    "kernel": [(3, 3), [5, 5]],
    "norm": (None, "batch"),
    "bias": (True, False),
    "n": np.arange(2, 4),
}
SPACE = ChoiceSpace("net", OPTIONS)
CELL = SPACE.at((1, 0, 1, 0, 1, 1))
TYPED = dict(width=64, rate=1e-05, kernel=(5, 5), norm=None, bias=False, n=3)


def test_a_cell_is_a_mapping_of_typed_options():
    assert str(CELL) == (
        "net(width=64, rate=1e-05, kernel=5-5, norm=None, bias=False, n=3)"
    )
    assert CELL.options == TYPED == dict(CELL) == {**CELL} == dict(CELL.items())
    assert [type(value) for value in CELL.values()] == list(map(type, TYPED.values()))
    assert [*CELL] == [*CELL.keys()] == [*OPTIONS] and "width" in CELL
    assert CELL.get("width") == 64 and CELL.get("depth", 7) == 7
    with pytest.raises(TypeError, match=r"len\(cell.options\)"):
        len(CELL)
    CELL.options["width"] = 1
    assert CELL["width"] == 64 and json.loads(json.dumps(CELL.options))["n"] == 3


@pytest.mark.parametrize("error", [KeyError, UserError])
def test_an_unknown_position_is_one_line_with_the_nearest(error):
    with pytest.raises(error) as caught:
        CELL["widht"]
    assert str(caught.value).startswith(
        "Unknown position of a cell 'widht'. Did you mean 'width'?"
    )


@pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, "pickle"])
def test_a_copy_has_the_options_and_is_the_same_cell(through):
    again = pickle.loads(pickle.dumps(CELL)) if through == "pickle" else through(CELL)
    assert again == CELL and again.options == TYPED and len({again, CELL}) == 1


def test_arrays_and_frames_take_a_cell_as_one_object():
    cells = [SPACE.at((i, 0, 0, 0, 0, 0)) for i in (0, 1)]
    assert np.array(cells).shape == (2,)
    assert np.random.default_rng(0).choice(cells) in cells
    for frame in (pd.DataFrame([c.options for c in cells]), pd.DataFrame(cells)):
        assert frame["width"].tolist() == [16, 64] and frame["width"].dtype == int


def test_a_cell_is_named_by_its_options():
    given = {**TYPED, "n": np.int64(3), "kernel": np.array([5, 5])}
    given["width"] = 64.0
    named = pd.Series(TYPED, dtype=object)
    assert SPACE.cell(named) == CELL
    assert SPACE.cell(CELL, width=16).options == {**TYPED, "width": 16}
    assert SPACE.cell(**TYPED) == SPACE.cell(TYPED) == SPACE.cell(given) == CELL


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"width": "64"}, "width of the space net is one of 16, 64, not '64'."),
        ({"bias": 1}, "bias of the space net is one of True, False, not 1."),
        (
            {"norm": "layer"},
            "norm of the space net is one of None, batch, not 'layer'.",
        ),
        (
            {"width": np.ones(2)},
            "width of the space net is one of 16, 64, not (1.0, 1.0)",
        ),
        ({"depth": 2}, "Unknown position of net 'depth'."),
        ({"width": ...}, "also needs width: width is one of (16, 64)."),
    ],
)
def test_what_is_no_option_is_one_line_that_names_the_choices(changed, says):
    given = {k: v for k, v in {**TYPED, **changed}.items() if v is not ...}
    with pytest.raises(UserError) as caught:
        SPACE.cell(**given)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_options_are_told_apart_by_their_texts_alone():
    with pytest.raises(UserError, match="has a duplicate option: 1, 1"):
        ChoiceSpace("net", {"a": (1, "1")})
    text = ChoiceSpace("net", {"a": ("16", "64")})
    assert text.cell(a="16")["a"] == "16"
    with pytest.raises(
        UserError, match="a of the space net is one of '16', '64', not 16"
    ):
        text.cell(a=16)


def test_a_stored_definition_prints_the_same_cells_and_has_numbers():
    stored = '{"name": "net", "listed": true, "options": {"rate": ["1e-8", "1e-4"],'
    stored += ' "act": ["relu", "None"], "code": ["007", "1_2"], "n": ["0", "-1"]}}'
    space = space_named(stored)
    assert space.definition == stored and pickle.loads(pickle.dumps(space)) == space
    cell = pickle.loads(pickle.dumps(space)).parse(
        "net(rate=1e-8, act=None, code=007, n=-1)"
    )
    assert cell.options == {"rate": 1e-08, "act": None, "code": "007", "n": -1}
    assert space == space_named(stored.replace(" true", " true "))


def test_published_spaces_have_numbers_too():
    assert space_named("hpobench")[0].options == {
        "alpha": 1e-08,
        "batch_size": 4,
        "depth": 1,
        "learning_rate_init": 1e-05,
        "width": 16,
    }
    assert space_named("nb201")[11]["0-3"] == "none"
    wide = ChoiceSpace("wide", {f"p{i}": range(10) for i in range(100)})
    cell = wide.sample(np.random.default_rng(0))
    assert wide.cell(**cell.options) == cell and len(cell.options) == 100


# what a search is given and what its results show


def error(cell):
    """Types reach the function: text could not be multiplied so."""
    return 10.0 + cell["width"] * 0.1 + cell["kernel"][0] * (not cell["bias"])


BENCH = sn.Computed(SPACE, {"valid_error": error}, cheap=True)


class Typed(sn.Strategy):
    def ask(self, n):
        return [self.space.sample(self.rng)]

    def tell(self, trials):
        assert all(isinstance(trial.cell["width"], int) for trial in trials)


def test_types_reach_the_function_the_strategy_and_every_frame(tmp_path):
    found = sn.compare(BENCH, ["random", Typed], "valid_error", runs=2, budget=12)
    run = found.runs[0]
    frames = [run.to_frame(), found.to_frame()]
    write_csv(found, tmp_path)
    frames.append(pd.read_csv(tmp_path / "trials.csv"))
    for frame in frames:
        assert frame["width"].dtype == int and frame["rate"].dtype == float
        assert frame["cell"].str.startswith("net(").all()
        assert [*frame.columns][-6:] == [*OPTIONS]
    assert run.trials[0].options == run.trials[0].cell.options
    assert run.best_options == run.incumbent.options
    assert SPACE.cell(run.best_options) == run.incumbent.cell


def test_a_position_that_is_named_as_a_column_has_a_prefix():
    names = ("cell", "epochs", "failure", "size", "width")
    space = ChoiceSpace("odd", {name: (1, 2) for name in names})
    metrics = {"valid_error": lambda cell: 20.0, "size": lambda cell: 7.0}
    bench = sn.Computed(space, metrics, cheap=True)
    frame = sn.search(bench, "random", "valid_error + 0.1*size", budget=5).to_frame()
    shown = [f"option_{name}" for name in names[:-1]]
    assert [*frame.columns][-5:] == [*shown, "width"]
    assert set(frame["size"]) == {7.0} and set(frame["option_size"]) <= {1, 2}
