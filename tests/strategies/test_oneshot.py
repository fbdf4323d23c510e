"""One-shot strategies: λR by edges, the supernet, what is charged, which cells are refused, and
what a report shows.
"""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

import surrogate_nas as sn
from surrogate_nas.contract.strategies import FORBIDDEN, reachable
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective.supernet_context import additive, supernet_context_of
from surrogate_nas.runs import runner, search
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.space import nb201
from surrogate_nas.space.network import NONE
from surrogate_nas.strategies import ONE_SHOT
from surrogate_nas.strategies.oneshot.darts import Darts
from surrogate_nas.training.supernet import Supernet, SupernetLoss
from surrogate_nas.training.tasks import Split, task_named
from surrogate_nas.training.tasks.fashion import has_fashion
from tests.contracts import broken, checks_of, shorten
from tests.golden import trained
from tests.toy import equipped, toy_context

QUICK = [
    *(name for name in ONE_SHOT if name != "spos"),
    "spos(epochs=4,population=8,generations=2)",
]
EXACT = ("params", "macs", "convolutions", "operations")


@pytest.fixture(scope="module")
def own():
    """A table of ours, and probabilities of the choices of every edge."""
    rng = np.random.default_rng(3)
    return sn.load("fashion"), rng.dirichlet(np.ones(5), size=6)


@pytest.fixture
def toy(monkeypatch):
    for module in (runner, search):
        monkeypatch.setattr(
            module, "supernet_context_of", lambda _, hidden=False: toy_context()
        )


@pytest.mark.parametrize(
    "terms", [*(f"0.1*{name}" for name in EXACT), "0.2*params + 0.05*macs"]
)
def test_the_expected_penalty_is_that_of_all_cells_enumerated(own, terms):
    bench, probabilities = own
    objective = sn.Objective(f"valid_loss + {terms}", bench)
    summed = additive(objective.free, bench.space)
    share = probabilities[np.arange(6), bench.space.choices].prod(axis=1)
    assert share.sum() == pytest.approx(1)
    assert (
        abs(
            summed.expected(probabilities) - share @ objective.free.penalty(bench.space)
        )
        < 1e-9
    )
    assert np.allclose(
        summed.penalty(bench.space.choices[:99]),
        objective.free.penalty(bench.space[:99]),
        atol=1e-12,
    )


def test_a_latency_is_replaced_by_the_sum_that_fits_it_and_says_so(own):
    bench, probabilities = own
    objective = sn.Objective("valid_loss + 0.1*latency@cpu", bench)
    summed = additive(objective.free, bench.space)
    assert summed.terms[0].startswith("latency@cpu by the additive model (R² 0.99")
    share = probabilities[np.arange(6), bench.space.choices].prod(axis=1)
    assert summed.expected(probabilities) == pytest.approx(
        share @ objective.free.penalty(bench.space), rel=0.01
    )


@pytest.mark.parametrize(
    ("objective", "limits", "says"),
    [
        (
            "valid_loss + 0.1*live_macs",
            None,
            "cannot minimise live_macs: it is not a sum",
        ),
        ("valid_loss + 0.1*paths", None, "cannot minimise paths"),
        ("valid_loss + 0.1*depth", None, "cannot minimise depth"),
        (
            "valid_loss + 0.1*diversity",
            None,
            "not support several objectives, limits or diversity",
        ),
        (
            "valid_loss",
            "params <= 9000",
            "not support several objectives, limits or diversity",
        ),
        ("valid_loss, params", None, "not support several objectives"),
        ("valid_loss + train_loss", None, "minimises one loss"),
    ],
)
def test_what_no_supernet_can_minimise_is_refused(objective, limits, says):
    bound = sn.Objective(objective, sn.load("live:digits"), subject_to=limits)
    with pytest.raises(UserError, match=says):
        supernet_context_of(bound)


@pytest.mark.parametrize(
    ("objective", "goal"),
    [
        ("2*valid_loss + 0.1*params", SupernetLoss(2.0, "valid", is_error=False)),
        ("train_loss", SupernetLoss(1.0, "train", is_error=False)),
        ("valid_error + 0.1*params", SupernetLoss(1.0, "valid", is_error=True)),
    ],
)
def test_l_is_that_of_the_objective(objective, goal, monkeypatch):
    given = []
    monkeypatch.setattr(
        "surrogate_nas.training.supernet.Supernet",
        lambda *all_of_it, **_: given.append(all_of_it[4]),
    )
    supernet_context_of(sn.Objective(objective, sn.load("live:digits"))).supernet(
        epochs=1, seed=0
    )
    assert given == [goal]


def test_a_table_that_no_task_here_made_is_refused(snas):
    refused = snas("search", "analog-cifar10", "--strategy", "darts", "--budget", 12)
    assert (
        refused.code == 2
        and "live:TASK" in refused.err
        and "analog-cifar10 has none" in refused.err
    )


@pytest.mark.skipif(not has_fashion(), reason="Fashion-MNIST is not here")
def test_a_supernet_context_of_a_table_charges_on_its_clock_and_holds_no_answers():
    context = supernet_context_of(
        sn.Objective("valid_loss + 0.1*params", sn.load("fashion"))
    )
    assert context.penalty.matrix.any()
    assert not supernet_context_of(
        sn.Objective("valid_loss + 0.1*params", sn.load("fashion")), hidden=True
    ).penalty.matrix.any()
    made = context.supernet(epochs=1, seed=0)
    (task,) = [
        held for held in reachable(made, context) if type(held).__name__ == "Task"
    ]
    assert not [
        held for held in reachable(made, context) if isinstance(held, FORBIDDEN)
    ]
    with pytest.raises(UserError, match="must not load any"):
        task.data  # noqa: B018
    made.train(torch.full((6, 5), 0.2))
    full = made.spent()
    made.train(path=(3,) * 6)
    assert 0.007 < full < 0.012 and 0.5 < made.spent() / full < 0.9


@pytest.mark.parametrize("name", ["digits", "mnist1d", "text"])
def test_a_path_of_the_supernet_is_the_network_of_that_cell(name, space):
    task = replace(task_named(name), channels=2)
    data = {
        split: Split(*(part[:8] for part in task.data[split]))
        for split in ("train", "valid")
    }
    supernet = Supernet(
        space, task.network(), task, data, SupernetLoss(), (len, len), epochs=1, seed=0
    )
    cell = space.reference
    single = space.build(cell, task.network(), seed=1)
    weights = single.state_dict()
    weights |= {
        name: value
        for name, value in supernet._model.state_dict().items()
        if name in weights
    }
    for stage, mixed in enumerate(supernet._cells):
        for group in mixed.convolutions.values():
            for i, (edge, choice) in enumerate(group.pairs):
                if cell.choices[edge] == choice:
                    rows = slice(2 * 2**stage * i, 2 * 2**stage * (i + 1))
                    place = f"stages.{stage}.0.edges.{edge}."
                    weights[f"{place}weight"] = group.all.weight[rows]
                    weights[f"{place}norm.weight"] = group.all.norm.weight[rows]
                    weights[f"{place}norm.bias"] = group.all.norm.bias[rows]
    single.load_state_dict(weights)
    inputs, targets = map(torch.from_numpy, data["valid"])
    with torch.no_grad():
        expected = float(task.losses(single.train()(inputs)[None], targets)[0])
    assert supernet.inherited([cell.choices])[0] == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(supernet.train(path=cell.choices))


def test_the_gradient_of_the_mixture_is_that_of_finite_differences():
    supernet = toy_context().supernet(epochs=1, seed=0)
    supernet._model.double()
    supernet._data = {
        name: Split(inputs.double(), targets)
        for name, (inputs, targets) in supernet._data.items()
    }
    supernet._batches = {name: supernet._endless(name, 0) for name in supernet._data}
    start = torch.full((6, 5), 0.2, dtype=torch.float64)
    weights = start.clone().requires_grad_()
    supernet.judge(weights)
    for place in ((0, 3), (3, 1), (5, 4), (2, 0)):
        step = torch.zeros_like(start)
        step[place] = 1e-7  # a longer one crosses where a ReLU begins
        ends = [
            supernet.judge((start + sign * step).requires_grad_()) for sign in (1, -1)
        ]
        assert (ends[0] - ends[1]) / 2e-7 == pytest.approx(
            float(weights.grad[place]), rel=1e-4, abs=1e-8
        )


def test_a_path_without_life_gives_no_gradient():
    supernet = toy_context().supernet(epochs=1, seed=0)
    for step in (supernet.judge, supernet.train):
        weights = torch.ones(6, 5, requires_grad=True)
        assert np.isfinite(step(weights, path=(3, 0, 0, 0, 0, 0)))
        assert weights.grad is None or not weights.grad.any()


def test_errors_are_driven_by_the_probability_of_the_target(space):
    plain = toy_context().supernet(epochs=1, seed=0)
    goal = SupernetLoss(weight=2.0, is_error=True)
    made = Supernet(
        space,
        plain._model.network,
        plain._task,
        plain._data,
        goal,
        (len, len),
        epochs=1,
        seed=0,
    )
    weights = torch.full((6, 5), 0.2, requires_grad=True)
    assert 0 < made.train(weights) < 2 and bool(weights.grad.abs().sum() > 0)


def test_training_and_validation_batches_are_shuffled_apart():
    supernet = toy_context().supernet(epochs=1, seed=0)
    order = {}
    for split, (inputs, _) in supernet._data.items():
        supernet._data[split] = inputs, torch.arange(len(inputs))
        _, order[split] = next(supernet._endless(split, seed=0))
    assert order["train"].sort().values.equal(order["valid"].sort().values)
    assert not order["train"].equal(order["valid"])


@pytest.mark.parametrize("name", QUICK)
def test_the_same_seed_trains_the_same_and_another_does_not(name, space):
    state = torch.get_rng_state()
    (first, seconds), (again, charged), (other, _) = (
        trained(name, space, seed) for seed in (5, 5, 6)
    )
    assert seconds == charged > 0 and torch.equal(state, torch.get_rng_state())
    cells = first.ask(12)
    assert cells == again.ask(12) != other.ask(12) and len(set(cells)) == 12
    assert first.diagnosis() == again.diagnosis()
    assert all(
        np.isfinite(value)
        for group in first.diagnosis().values()
        for value in group.values()
    )


def test_a_dear_network_collapses_and_dead_cells_are_passed_over(space):
    """Where R drowns L, α goes to none on every edge, which no cell may be made of."""
    dear = replace(toy_context().penalty, matrix=100 * toy_context().penalty.matrix)
    made, _ = trained("darts(epochs=30,rate=0.2)", space, penalty=dear)
    told = made.diagnosis()
    assert (
        told["after epoch 30"]["without weights"]
        > told["after epoch 1"]["without weights"]
        > 0.6
    )
    assert told["after epoch 30"]["none"] > 0.8
    for choose in ("argmax", "without_none", "sampled"):
        made.choose, made.refused = choose, 0
        cell, second = islice(made.wanted(), 2)
        assert any(space.graph(cell, live_only=True).operations)
        chances = [
            made.probabilities[range(6), c.choices].prod() for c in (cell, second)
        ]
        assert choose == "sampled" or chances[0] >= chances[1]
        if choose == "without_none":
            assert NONE not in cell.choices and made.refused == 0
        else:
            passed_over = made.diagnosis()["cells without a path"]["passed over"]
            assert made.refused == passed_over > 0


def test_inherited_weights_rank_what_spos_asks_for(space):
    made, _ = trained(QUICK[-1], space)
    cells = made.ask(5)
    losses = made.supernet.inherited([cell.choices for cell in cells], made.examples)
    scores = losses + made.supernet_context.penalty.penalty(
        [cell.choices for cell in cells]
    )
    assert scores.tolist() == sorted(scores) and all(
        scores[0] <= score for score in made._scores.values()
    )


def test_training_losses_drive_alpha_without_steps_of_its_own(space):
    _, by_valid = trained("darts", space)
    summed, by_sum = trained("darts(drive=train_sum,window=4)", space)
    assert by_valid == pytest.approx(2 * by_sum)
    assert np.abs(summed.probabilities - 0.2).max() > 0.005


def test_without_a_supernet_context_nothing_is_asked(space):
    with pytest.raises(UserError, match="must receive a supernet context"):
        Darts(space, seed=0).ask(1)


@pytest.mark.usefixtures("toy")
def test_the_first_cell_bears_the_supernet_and_a_budget_ends_within_it(own, tmp_path):
    bench, _ = own
    objective = sn.Objective("valid_loss", bench)

    def made(budget, workers=1, folder=None):
        compared = Experiment(
            objective,
            ["darts", "random"],
            1,
            budget,
            n_random=2,
            simulated_workers=workers,
        )
        return compared.execute(folder=folder)[0]

    run = made(Budget(cells=5))
    alone = objective.look_up([trial.cell for trial in run.trials])[2]
    assert [trial.cost for trial in run.trials] == pytest.approx(
        alone + np.array([0, 0, 0.16, 0, 0])
    )
    assert run.trials[2].started == run.trials[1].finished
    assert run.diagnosis["edge 0-1"].keys() == set(bench.space.options[0])
    before = run.trials[1].finished
    assert len(made(Budget(seconds=before + 0.05)).trials) == 2
    side = made(Budget(cells=5), workers=3)
    ready = side.trials[2].finished - alone[2]
    assert (
        all(trial.finished >= ready for trial in side.trials[2:])
        and len(side.trials) == 5
    )
    stored = made(Budget(cells=5), folder=tmp_path)
    assert (
        stored == made(Budget(cells=5), folder=tmp_path)
        and stored.diagnosis == run.diagnosis
    )


@pytest.mark.usefixtures("toy")
def test_asked_by_hand_it_is_charged_the_same(own):
    bench, _ = own
    loop = sn.AskTell(sn.Objective("valid_loss", bench), "snas", n_random=0)
    (cell,) = loop.ask()
    trial = loop.tell(cell, {"valid_loss": 0.5}, cost=1.0)
    assert trial.cost == pytest.approx(1.16)


@pytest.mark.usefixtures("toy")
def test_the_report_shows_what_was_refused(own, tmp_path):
    bench, _ = own
    compared = sn.compare(
        bench,
        ["darts", "random"],
        "valid_loss + 0.1*params",
        runs=1,
        budget=12,
        folder=tmp_path / "runs",
    )
    page = sn.write_report(compared, tmp_path).read_text()
    for text in (
        "cells without a path",
        "share of E[λR]",
        "edge 2-3",
        "without weights",
    ):
        assert text in page
    assert "random</span></h3>" not in page


def test_a_strategy_of_a_user_s_file_gets_no_supernet_context(tmp_path, snas):
    file = tmp_path / "mine.py"
    file.write_text(
        "from surrogate_nas.strategies.oneshot.darts import Darts\nclass Mine(Darts):\n    pass\n"
    )
    refused = snas("search", "fashion", "--strategy", f"{file}:Mine", "--budget", 12)
    assert refused.code == 2 and "needs a supernet context" in refused.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *(f"{name}(epochs=1)" for name in QUICK[:-1]),
        "spos(epochs=1,population=4,generations=2)",
    ],
)
def test_every_one_shot_strategy_keeps_the_contract(name, monkeypatch):
    shorten(monkeypatch)
    assert not broken(checks_of(equipped(name), nb201()))
