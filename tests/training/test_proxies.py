"""Zero-cost proxies: values by hand, the table of them, and what benchmarks, objectives and
strategies make of it.
"""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import rankdata
from torch import nn

import surrogate_nas as sn
from analysis.papers.common.paper import published
from analysis.papers.common.ranks import WITHIN
from analysis.papers.proxies import SIZES, TOGETHER, study
from surrogate_nas.benchmarks import base, load
from surrogate_nas.benchmarks.base import untrained
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import metric_named
from surrogate_nas.files import shipped
from surrogate_nas.space import nb201
from surrogate_nas.space.network import Network
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation
from surrogate_nas.strategies.zero_cost import ZeroCost
from surrogate_nas.tables import TableFile
from surrogate_nas.training import task_named
from surrogate_nas.training.proxies import PROXIES
from surrogate_nas.training.proxies.score import (
    Watch,
    jacob_cov,
    naswot,
    of_loss,
    proxy_scores,
    synflow,
)

TASK = f"{Path(__file__).parents[1] / 'tiny_task.py'}:TINY"
DEAD = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
PATH = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
NAMES = sorted(f"{proxy}@fashion" for proxy in PROXIES)


def test_synflow_is_conserved_from_layer_to_layer(space):
    """On a single path every layer carries what reaches the output, so the sum is that times the
    number of layers.
    """
    small = Network(
        classes=3, channels=4, cells_per_stage=2, image_size=8, residual=False
    )
    model = space.build(space.parse(PATH), small, seed=0, live_only=True).train()
    flow = math.expm1(synflow(model, torch.Size((3, 8, 8))))
    layers = [p for p in model.parameters() if p.dim() > 1]
    x = torch.ones((1, 3, 8, 8), dtype=torch.float64)
    with Watch(normalised=False):
        reached = float((model(x) - model.head.bias).sum().detach())
    assert len(layers) == 1 + 6 + 2 + 1
    assert flow == pytest.approx(len(layers) * reached, rel=1e-9)


def test_what_follows_from_the_loss_is_that_of_its_gradient():
    torch.manual_seed(0)
    layer = nn.Linear(5, 3).double()
    x = torch.randn(7, 5, dtype=torch.float64)
    y = torch.arange(7) % 3

    def gradient(weight):
        weight = weight.detach().clone().requires_grad_()
        out = nn.functional.linear(x, weight, layer.bias)
        return torch.autograd.grad(nn.functional.cross_entropy(out, y), weight)[0]

    out = layer(x)
    found = of_loss(nn.functional.cross_entropy(out, y), [layer.weight], [out])
    w = layer.weight.detach()
    g = gradient(layer.weight)
    step = 1e-5
    hessian_gradient = (gradient(w + step * g) - gradient(w - step * g)) / (2 * step)
    of_output = (out.softmax(1) - nn.functional.one_hot(y, 3)).detach() / 7
    assert found["grad_norm"] == pytest.approx(float(g.norm()))
    assert found["snip"] == pytest.approx(float((w * g).abs().sum()))
    assert found["grasp"] == pytest.approx(
        -float((w * hessian_gradient).sum()), rel=1e-6
    )
    assert found["fisher"] == pytest.approx(
        float((out.detach() * of_output).square().mean(0).sum() / 2)
    )


def test_naswot_and_jacob_cov_prefer_examples_that_differ():
    apart = torch.tensor([[1.0, -1, 1], [-1, 1, -1]])
    alike = torch.tensor([[1.0, -1, 1], [1, -1, 1]])
    # they agree on none of six
    assert naswot([apart, apart]) == pytest.approx(math.log(36), abs=1e-3)
    assert naswot([alike, apart]) == pytest.approx(math.log(36 - 9), abs=1e-3)
    assert naswot([alike]) < 0
    torch.manual_seed(0)
    different = torch.randn(6, 40)
    assert (
        jacob_cov(different)
        > jacob_cov(different[[0, 0, 2, 3, 4, 5]])
        > jacob_cov(torch.zeros(6, 40))
    )
    # only correlations count
    assert jacob_cov(different) == pytest.approx(jacob_cov(3 * different - 1))


def test_scores_repeat_heed_the_seed_and_are_finite_for_every_kind_of_cell(space):
    task = task_named(TASK)
    every = [
        proxy_scores(space.parse(text), space, task)
        for text in (DEAD, PATH, str(space.reference))
    ]
    assert all(
        set(found) == {*PROXIES} and all(map(math.isfinite, found.values()))
        for found in every
    )
    assert (
        every[1]
        == proxy_scores(space.parse(PATH), space, task)
        != proxy_scores(space.parse(PATH), space, task, seed=1)
    )
    for proxy in ("synflow", "naswot", "jacob_cov", "zen", "grad_norm", "snip"):
        assert every[0][proxy] < min(every[1][proxy], every[2][proxy]), proxy


def test_dead_operations_change_nothing(space):
    task = task_named(TASK)
    twin = PATH.replace("|none~0|+", "|nor_conv_3x3~0|+")
    assert proxy_scores(space.parse(PATH), space, task) == proxy_scores(
        space.parse(twin), space, task
    )


def test_the_shipped_proxies_are_whole_small_and_shared_by_twins(analog):
    assert shipped("proxies-nb201.h5").stat().st_size < 1.5e6
    classes = analog.space.classes
    assert classes is not None
    first = np.unique(classes, return_index=True)[1][classes]
    for name in NAMES:
        values = analog.column(name)
        assert np.isfinite(values).all() and np.array_equal(values, values[first])
        assert len(np.unique(values)) > 4000


def test_every_benchmark_of_the_space_has_them_for_free(analog, small):
    live = load("live:digits")
    cell = analog.space[11]
    for bench in (analog, small, live, load("fashion")):
        assert [m.name for m in bench.metrics if m.quantity == "proxy"] == NAMES
        values = bench.query([cell, analog.space[0]], NAMES[0])
        assert values == analog.column(NAMES[0])[[11, 0]].tolist()
    assert not {*NAMES} & {*analog.query(cell)}  # no listing is longer than before
    assert "fashion" in analog.query(cell, NAMES[0]).source
    # as any question there
    assert (
        load("analog-cifar10").measure([cell], [analog.question(NAMES[0])]).cost[0] == 1
    )
    assert not [m for m in load("nbgraph-cora").metrics if m.quantity == "proxy"]


def test_a_space_of_the_same_name_has_none_of_them():
    other = sn.ChoiceSpace("nb201", {"a": ("x", "y")})
    assert untrained(other) == other.analytic


def test_only_objectives_that_name_one_depend_on_them(monkeypatch):
    texts = ("digital_error + 0.1*params", "digital_error + 0.1*synflow@fashion")
    before = [sn.Objective(text, load("analog-cifar10")).fingerprint for text in texts]
    held = load("analog-cifar10").fingerprint
    monkeypatch.setattr(TableFile, "digest", "other", raising=False)
    monkeypatch.setattr(base._file("nb201"), "digest", "another")
    after = [sn.Objective(text, load("analog-cifar10")).fingerprint for text in texts]
    assert (
        before[0] == after[0]
        and before[1] != after[1]
        and load("analog-cifar10").fingerprint == held
    )


def test_a_proxy_in_an_objective_rewards_larger_values(analog):
    objective = sn.Objective("digital_error + 0.5*synflow@fashion", analog)
    term = objective.terms[1]
    values = analog.column("synflow@fashion")
    assert term.score(values.max()) < term.score(values.min())
    assert term.largest == values.min() and objective.free.terms == ("synflow@fashion",)
    assert metric_named("my_proxy").larger_is_better


def test_what_is_known_can_be_read_by_name(analog):
    free = sn.Objective("digital_error", analog).free
    assert free.proxies == tuple(NAMES) and {"params", "macs", *NAMES} <= {*free.names}
    assert not any("error" in name or "loss" in name for name in free.names)
    cells = [analog.space[i] for i in (3, 14, 15)]
    again = pickle.loads(pickle.dumps(free))
    for name in ("params", NAMES[2]):
        assert (
            free.metric(name, cells).tolist()
            == analog.column(name)[[3, 14, 15]].tolist()
        )
        assert again.metric(name, cells).tolist() == free.metric(name, cells).tolist()
    with pytest.raises(UserError, match="synflow@fashion"):
        free.metric("synflow", cells)


def test_zero_cost_begins_with_what_is_promised_and_is_bo_where_nothing_is(analog):
    made = ZeroCost(nb201(), seed=0)
    made.free = sn.Objective("digital_error", analog).free
    asked = made.ask(5)
    _, first = np.unique(analog.space.classes, return_index=True)
    ranks = [rankdata(analog.column(name)[first]) for name in NAMES]
    promise = np.mean([ndtri((rank - 0.5) / len(first)) for rank in ranks], axis=0)
    classes = [analog.space.classes[cell.index] for cell in asked]
    assert classes == np.argsort(-promise)[:5].tolist()
    assert ZeroCost(nb201(), seed=3).ask(4) == BayesianOptimisation(
        nb201(), seed=3
    ).ask(4)


def test_zero_cost_finds_a_good_cell_sooner_than_chance(analog):
    run = sn.search(analog, "zero_cost", "digital_error", budget=30)
    assert 100 * run.incumbent.loss <= np.quantile(
        analog.column("digital_error"), 0.001
    )


def test_the_paper_puts_counting_beside_every_proxy():
    found = {finding.proxy: finding for finding in study("analog-cifar10")}
    assert set(found) == {*NAMES, TOGETHER, *SIZES}
    assert found["synflow@fashion"].taus["kendall"] > 0.4
    assert all(math.isfinite(finding.taus[WITHIN]) for finding in found.values())
    assert study("nbgraph-cora") == []
    assert {proxy for proxy, *_ in published("proxies")} <= {*PROXIES}


@pytest.mark.parametrize(
    "objective",
    ["digital_error + 0.1*params subject to macs <= 40", "digital_error, params"],
)
def test_zero_cost_guided_repeats_and_keeps_what_is_known(analog, objective):
    runs = [
        sn.search(
            analog,
            "zero_cost",
            objective,
            budget=22,
            seed=1,
            resources=sn.Resources(simulated_workers=3),
        )
        for _ in range(2)
    ]
    first, again = [[trial.cell for trial in run.trials] for run in runs]
    assert first == again and len(set(first)) == 22
    assert all(trial.feasible for trial in runs[0].trials[10:])
