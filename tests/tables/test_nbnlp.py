"""NAS-Bench-NLP: its space of recurrent cells, its logs number by number, what is known of them,
and bad files.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.stats import kendalltau

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.objective import Objective
from surrogate_nas.space import Sampled, choices_of, space_named
from surrogate_nas.space.nbnlp import counts, nbnlp, paths
from surrogate_nas.space.sampled import NEAREST
from surrogate_nas.tables import ColumnKey, Table, write_table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources import nbnlp as source

RECIPE = {
    "f": {"op": "linear", "input": ["h_prev_0", "x"]},
    "h_new_0": {"op": "activation_tanh", "input": ["f"]},
}
CELL = "nbnlp(n1=linear(x,h0), n2=tanh(n1), new0=n2)"


@pytest.fixture(scope="module")
def logs(mirror: Path, own_home: Path) -> list[dict[str, Any]]:
    """The archive's logs, read without the code under test."""
    assert mirror.is_dir() and own_home.is_dir()
    (path,) = fetching.fetch("nbnlp")
    with ZipFile(path) as archive:
        return [json.loads(archive.read(member)) for member in archive.infolist()]


@pytest.fixture(scope="module")
def whole(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [log for log in logs if log["status"] == "OK"]


@pytest.fixture(scope="module")
def table(logs: list[dict[str, Any]]) -> Table:
    assert logs
    return source.read("nbnlp-wikitext2")


def tau(first: Any, second: Any) -> float:
    return float(kendalltau(first, second).statistic)


def test_facts_of_the_published_logs(
    logs: list[dict[str, Any]], whole: list[dict[str, Any]]
) -> None:
    assert (len(logs), len(whole)) == (345, 341) and {len(log["test_losses"]) for log in whole} == {
        50
    }
    by_recipe: dict[str, list[float]] = {}
    for log in whole:
        by_recipe.setdefault(log["recepie"], []).append(log["test_losses"][-1])
    assert len(by_recipe) == 289 and sum(len(runs) > 1 for runs in by_recipe.values()) == 47
    pairs = [pair for runs in by_recipe.values() for pair in itertools.combinations(runs, 2)]
    assert tau(*zip(*pairs, strict=True)) == pytest.approx(0.96, abs=0.005)
    losses = {
        key: np.array([log[f"{key}_losses"] for log in whole]) for key in ("train", "val", "test")
    }
    final = losses["test"][:, -1]
    assert np.exp(final.min()) == pytest.approx(91.9, abs=0.05) and np.exp(
        np.median(final)
    ) == pytest.approx(242, abs=0.5)
    known = {
        "train": (0.570, 0.638, 0.742, 0.805, 0.852, 0.898),
        "val": (0.583, 0.658, 0.767, 0.832, 0.908, 0.987),
    }
    for key, expected in known.items():
        found = [tau(losses[key][:, epochs - 1], final) for epochs in (1, 2, 5, 10, 20, 50)]
        assert found == pytest.approx(expected, abs=0.001), key
    assert tau(losses["train"].sum(axis=1), final) < 0.898, (
        "a sum of training losses is worse than the last one"
    )
    assert tau([-log["num_params"] for log in whole], final) == pytest.approx(-0.07, abs=0.005)


def test_every_number_is_there(whole: list[dict[str, Any]], table: Table) -> None:
    space = space_named(table.space)
    assert isinstance(space, Sampled) and len(space) == 263
    by_cell: dict[int, list[dict[str, Any]]] = {}
    for log in whole:
        by_cell.setdefault(space.parse(log["recepie"]).index, []).append(log)
    assert (
        sorted(by_cell) == list(range(263))
        and sum(len(runs) > 1 for runs in by_cell.values()) == 51
    )
    fields = {"train_loss": "train_losses", "valid_loss": "val_losses", "test_loss": "test_losses"}
    for place, runs in by_cell.items():
        for epochs in (1, 7, 50):
            assert table.n_seeds["valid_loss", epochs][place] == len(runs)
            for metric, field in fields.items():
                values = [run[field][epochs - 1] for run in runs]
                assert table.columns[ColumnKey(metric, epochs, "mean")][place] == pytest.approx(
                    np.mean(values), rel=1e-12
                )
                held = [table.columns[ColumnKey(metric, epochs, seed)][place] for seed in range(3)]
                assert held[: len(values)] == values[:3] and np.isnan(held[len(values) :]).all()
            seconds = np.mean([sum(run["wall_times"][:epochs]) for run in runs])
            assert table.columns[ColumnKey("train_seconds", epochs, "mean")][
                place
            ] == pytest.approx(seconds)
    assert table.metrics["test_loss"].kind == "final" and table.metrics[
        "valid_loss"
    ].epochs == tuple(range(1, 51))


def test_parameters_are_the_recorded_ones(whole: list[dict[str, Any]]) -> None:
    choices = choices_of([nbnlp().parse(log["recepie"]) for log in whole])
    found = nbnlp().analytic["params"][1](choices, None)  # type: ignore[arg-type]
    assert found.tolist() == [log["num_params"] for log in whole]


def test_it_opens_as_a_benchmark_with_an_objective_of_its_own_and_is_verified(table: Table) -> None:
    write_table(table, table_path("nbnlp-wikitext2"))
    bench = TableBenchmark(table_path("nbnlp-wikitext2"))
    assert (
        Objective(bench.objective, bench).benchmark is bench
        and bench.objective == "valid_loss + 0.2*nodes"
    )
    assert bench.one_curve and "among the 263 architectures" in bench.banner
    cell = bench.space.parse(json.dumps(RECIPE))
    assert (
        bench.query(cell, "valid_loss", epochs=50).value
        < bench.query(cell, "valid_loss", epochs=1).value
    )
    checks = list(source.verify())
    assert len(checks) >= 12 and not [check for check in checks if not check.passed]


def test_held_cells_are_connected_by_what_they_are_made_of(table: Table) -> None:
    space = space_named(table.space)
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


def test_recipes_that_differ_in_names_and_order_are_one_cell() -> None:
    other = {
        "h_new_0": {"op": "activation_tanh", "input": ["a"]},
        "a": {"op": "linear", "input": ["x", "h_prev_0"]},
    }
    assert str(nbnlp().parse(json.dumps(RECIPE))) == str(nbnlp().parse(json.dumps(other))) == CELL


def test_cells_that_differ_in_numbering_have_one_identity() -> None:
    first = (
        "nbnlp(n1=linear(x,h0), n2=linear(x,h0), n3=tanh(n1), n4=sigmoid(n2), n5=prod(n3,n4),"
        " new0=n5)"
    )
    other = (
        "nbnlp(n1=linear(x,h0), n2=linear(x,h0), n3=sigmoid(n1), n4=tanh(n2), n5=prod(n3,n4),"
        " new0=n5)"
    )
    space = nbnlp()
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
def test_what_is_no_cell_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="Malformed cell") as caught:
        nbnlp().parse(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_paths_count_the_least_on_any_way() -> None:
    text = (
        "nbnlp(n1=linear(x,h0), n2=sigmoid(n1), n3=tanh(n2), n4=linear(h1,n1,n3), new0=n4, new1=n3)"
    )
    nodes, linear, squashing, sigmoids = np.split(
        paths(np.array([nbnlp().parse(text).choices]))[0], 4
    )
    # from x to new0, new1, new2; from h0 to new0; from h1 to new0, new1; from h2 to new0, new2
    assert nodes.tolist() == [2, 3, 8, 2, 1, 8, 8, 8] and linear.tolist() == [
        2,
        1,
        8,
        2,
        1,
        8,
        8,
        8,
    ]
    assert squashing.tolist() == [0, 2, 8, 0, 0, 8, 8, 8] and sigmoids.tolist() == [
        0,
        1,
        8,
        0,
        0,
        8,
        8,
        8,
    ]


def test_fewest_sigmoids_on_the_way_to_the_output_tell_most(table: Table) -> None:
    space = space_named(table.space)
    assert isinstance(space, Sampled)
    loss = table.columns[ColumnKey("valid_loss", 50, "mean")]
    assert tau(paths(space.choices)[:, 24], loss) == pytest.approx(0.515, abs=0.005)


def test_drawn_cells_have_all_sizes() -> None:
    rng = np.random.default_rng(0)
    choices = choices_of([nbnlp().sample(rng) for _ in range(300)])
    nodes = nbnlp().analytic["nodes"][1](choices, None)  # type: ignore[arg-type]
    assert (
        nodes.min() <= 3
        and nodes.max() == 16
        and (choices[:, -1] > 0).any()
        and (choices[:, -2] == 0).any()
    )


# Files that are altered


def _other_parameters(log: dict[str, Any]) -> None:
    log["num_params"] += 1


def _shorter(log: dict[str, Any]) -> None:
    log["val_losses"].pop()


def _not_finite(log: dict[str, Any]) -> None:
    log["train_losses"][3] = float("inf")


def _other_recipe(log: dict[str, Any]) -> None:
    log["recepie"] = "{}"


def _no_recipe(log: dict[str, Any]) -> None:
    del log["recepie"]


def _too_long(log: dict[str, Any]) -> None:
    log["model"] = "x" * 200_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_other_parameters, "is said to have 15066079 parameters, but has 15066078"),
        (_shorter, "inhomogeneous|has no curves of 50"),
        (_not_finite, "has no curves of 50"),
        (_other_recipe, "Malformed cell"),
        (_no_recipe, "recepie"),
        (_too_long, "unpacks to more than 100 kB"),
    ],
)
def test_an_altered_archive_is_refused(
    whole: list[dict[str, Any]],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    message: str,
) -> None:
    some = json.loads(json.dumps(whole[:5]))
    change(some[0])
    path = tmp_path / "logs.zip"
    with ZipFile(path, "w") as archive:
        for number, log in enumerate(some):
            archive.writestr(f"{number}.json", json.dumps(log))
    with pytest.raises(UserError, match=message) as caught:
        source.read_file(path)
    assert "is damaged, or no file of NAS-Bench-NLP" in str(caught.value) and "\n" not in str(
        caught.value
    )


def test_half_an_archive_and_none_are_refused(logs: list[dict[str, Any]], tmp_path: Path) -> None:
    assert logs
    (path,) = fetching.files("nbnlp")
    half = tmp_path / "logs.zip"
    half.write_bytes(path.read_bytes()[:400_000])
    with pytest.raises(UserError, match="is damaged"):
        source.read_file(half)
    with pytest.raises(UserError, match="Run snas data fetch nbnlp"):
        source.read_file(tmp_path / "none.zip")
