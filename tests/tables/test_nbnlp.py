"""NAS-Bench-NLP: its space of recurrent cells, its logs number by number, what is known of them,
and bad files.
"""

import json
from zipfile import ZipFile

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Sampled, choices_of, space_named
from surrogate_nas.space.nbnlp import counts
from surrogate_nas.space.product import NEAREST
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources import nbnlp as source

NBNLP = space_named("nbnlp")

RECIPE = {
    "f": {"op": "linear", "input": ["h_prev_0", "x"]},
    "h_new_0": {"op": "activation_tanh", "input": ["f"]},
}
CELL = "nbnlp(n1=linear(x,h0), n2=tanh(n1), new0=n2)"


@pytest.fixture(scope="module")
def archive(mirror, own_home):
    assert mirror.is_dir() and own_home.is_dir()
    (path,) = fetching.fetch("nbnlp")
    return path


def test_parameters_are_the_recorded_ones(archive):
    with ZipFile(archive) as packed:
        logs = [json.loads(packed.read(member)) for member in packed.infolist()]
    whole = [log for log in logs if log["status"] == "OK"]
    choices = choices_of([NBNLP.parse(log["recepie"]) for log in whole])
    found = NBNLP.analytic["params"][1](choices, None)
    assert found.tolist() == [log["num_params"] for log in whole]


def test_held_cells_are_connected_by_what_they_are_made_of(archive):
    assert archive.is_file()
    space = space_named(source.read("nbnlp-wikitext2").space)
    assert isinstance(space, Sampled)
    seen = {space[0]}
    todo = [space[0]]
    while todo:
        for near in space.neighbours(todo.pop()):
            if near not in seen:
                seen.add(near)
                todo.append(near)
    assert len(seen) == len(space)
    columns = counts(space.choices)
    for place in (0, 100, 262):
        apart = np.abs(columns - columns[place]).sum(axis=1)
        apart[place] = np.inf
        closer = np.flatnonzero(apart < np.sort(apart)[NEAREST - 1])
        assert set(closer) <= {cell.index for cell in space.neighbours(space[place])}


# The space


def test_recipes_that_differ_in_names_and_order_are_one_cell():
    other = {
        "h_new_0": {"op": "activation_tanh", "input": ["a"]},
        "a": {"op": "linear", "input": ["x", "h_prev_0"]},
    }
    assert (
        str(NBNLP.parse(json.dumps(RECIPE)))
        == str(NBNLP.parse(json.dumps(other)))
        == CELL
    )


def test_cells_that_differ_in_numbering_have_one_identity():
    first = (
        "nbnlp(n1=linear(x,h0), n2=linear(x,h0), n3=tanh(n1), n4=sigmoid(n2), n5=prod(n3,n4),"
        " new0=n5)"
    )
    other = (
        "nbnlp(n1=linear(x,h0), n2=linear(x,h0), n3=sigmoid(n1), n4=tanh(n2), n5=prod(n3,n4),"
        " new0=n5)"
    )
    space = NBNLP
    one = space.parse(first)
    two = space.parse(other)
    assert (
        one != two
        and space.identity(one) == space.identity(two)
        and space.similarity(one, two) == 1
    )
    blends = [
        f"nbnlp(n1=linear(x,h0), n2=tanh(n1), n3=blend({order}), new0=n3)"
        for order in ("n1,n2,h0", "n2,n1,h0")
    ]
    assert len({space.identity(space.parse(text)) for text in blends}) == 2, (
        "a blend heeds the order of its inputs"
    )


@pytest.mark.parametrize(
    "text",
    [
        "nbnlp(n1=linear(x,h0), new0=n2)",
        "nbnlp(n1=linear(h0,x), n2=tanh(n1), new0=n2)",
        "nbnlp(n1=linear(x,x), n2=tanh(n1), new0=n2)",
        "nbnlp(n1=linear(x,h0), n2=tanh(n3), n3=tanh(n2), new0=n3)",
        "nbnlp(n1=linear(x,h0), n2=tanh(n1), n3=tanh(n1), new0=n3)",
        "nbnlp(n1=linear(x,h0,h1), n2=tanh(n1), new0=n2)",
        "nbnlp(n1=linear(x,h0), n2=sum(x,n1), new0=n2)",
        "nbnlp(n1=linear(x,h0), n2=tanh(n1,h0), new0=n2)",
        "nbnlp(n2=linear(x,h0), n1=tanh(n1), new0=n1)",
        json.dumps({"h_new_0": {"op": "linear", "input": ["x", "h_new_0"]}}),
        json.dumps({"h_new_0": {"op": "linear", "input": ["x", "lost"]}}),
        json.dumps({"h_new_0": {"op": "softmax", "input": ["x", "h_prev_0"]}}),
        "{" * 10_000,
        "[]",
    ],
)
def test_what_is_no_cell_is_refused(text):
    with pytest.raises(UserError, match="Malformed cell") as caught:
        NBNLP.parse(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_drawn_cells_have_all_sizes():
    rng = np.random.default_rng(0)
    choices = choices_of([NBNLP.sample(rng) for _ in range(300)])
    nodes = NBNLP.analytic["nodes"][1](choices, None)
    assert (
        nodes.min() <= 3
        and nodes.max() == 16
        and (choices[:, -1] > 0).any()
        and (choices[:, -2] == 0).any()
    )
