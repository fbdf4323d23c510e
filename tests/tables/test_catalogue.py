"""The lists that are made without opening anything say what would be seen if it were opened."""

import inspect
from dataclasses import asdict

from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.live import Live
from surrogate_nas.space import SPACES, space_named
from surrogate_nas.strategies import (
    BRIDGES,
    CONTROLS,
    NEEDING_OPTIONS,
    STRATEGIES,
    described,
    resolve,
)
from surrogate_nas.training import TASKS


def test_a_live_benchmark_says_the_same_once_it_is_open():
    listed = list(Live().describe())
    assert len(listed) == sum(space_named(name).is_buildable for name in SPACES) * len(
        TASKS
    )
    for entry in listed:
        opened = load(entry["name"])
        assert entry == opened.describe() | {"available": entry["available"]}
        assert [m["unit"] for m in entry["metrics"]] == [
            asdict(m)["unit"] for m in opened.metrics
        ]


def test_every_strategy_is_listed_with_its_paper_and_options():
    listed = {entry["name"]: entry for entry in described()}
    assert list(listed)[: len(STRATEGIES)] == list(STRATEGIES)
    for name in STRATEGIES:
        assert len(listed[name]["description"]) > 10 and listed[name]["paper"], name
        taken = inspect.signature(resolve(name)).parameters.values()
        defaults = {p.name: p.default for p in taken if p.default is not p.empty}
        options = listed[name]["options"]
        assert set(options) == set(defaults), name
        for option, default in defaults.items():
            assert isinstance(default, float) or options[option] == repr(default), name
    assert listed["evolution"]["paper"].startswith("Real et al.")
    assert listed["evolution"]["options"] == {"population": "10", "tournament": "3"}
    assert listed["bohb"]["options"]["random_fraction"] == "1 / 3"
    for name in (*NEEDING_OPTIONS, *CONTROLS, *(f"{library}:…" for library in BRIDGES)):
        assert len(listed[name]["description"]) > 10 and listed[name]["paper"], name
