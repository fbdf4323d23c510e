"""Where runs are made and what each may take: one object, and flags of the same names."""

import pandas as pd
import pytest

import surrogate_nas as sn
from surrogate_nas.runs.options import Options


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"parallel": "two"},
            "parallel (--parallel) must be a whole number, not 'two'.",
        ),
        (
            {"order": "clok"},
            "order (--order) must be 'clock' or 'finished' or None, not",
        ),
        ({"workers": 0}, "workers (--workers) must be a whole number from 1 to"),
        ({"call_limit": 0}, "call_limit (--call-limit) must be a finite number above"),
        ({"memory": "4"}, "memory (--memory) must be a size such as 10GB, not '4'."),
        (
            {"gpus": "0,0"},
            "gpus (--gpus) must be GPU numbers or identifiers, each once",
        ),
    ],
)
def test_a_wrong_resource_is_a_line_with_its_field_and_flag(given, line):
    with pytest.raises(sn.UserError) as error:
        sn.Resources(**given)
    assert str(error.value).startswith(line)


def test_resources_show_what_differs_from_the_default():
    assert repr(sn.Resources()) == "Resources()"
    given = sn.Resources(parallel=2, memory="4 gb")
    assert repr(given) == "Resources(parallel=2, memory='4GB')"


def test_resources_that_are_something_else_are_refused():
    for wrong in (2, "parallel=2", [], pd.Series({"parallel": 2}), sn.Resources):
        with pytest.raises(
            sn.UserError, match="resources must be a surrogate_nas.Resources"
        ):
            sn.search("fashion", "random", budget=3, resources=wrong)
    with pytest.raises(sn.UserError, match="parallel: leave out threads, memory, or"):
        sn.search("fashion", resources=sn.Resources(threads=2, memory="4GB"))
    with pytest.raises(sn.UserError, match="give parallel, not workers"):
        sn.search("fashion", budget=3, resources=sn.Resources(workers=2))


def test_keywords_of_0_1_0_are_fields_of_resources_now():
    former = {"workers": 2, "engine": "processes", "call_limit_seconds": 9.0}
    with pytest.warns(DeprecationWarning) as told:
        sn.compare("fashion", ["random"], runs=2, budget=11, **former)
    assert [str(warning.message).split("; ")[0] for warning in told] == [
        f"compare({old}=) is now compare(resources=Resources({new}=))"
        for old, new in zip(former, ("workers", "engine", "call_limit"), strict=True)
    ]
    with pytest.warns(DeprecationWarning, match=r"search\(simulated_workers=\)"):
        sn.search("fashion", "random", budget=3, simulated_workers=2)
    with pytest.raises(TypeError, match="workers is the former name of resources"):
        sn.compare("fashion", ["random"], resources=sn.Resources(), workers=2)


def test_a_folder_records_options_under_the_keys_of_earlier_releases():
    given = Options(memory="4GB", threads=2, n_random=3, in_flight=4)
    stored = given.stored()
    assert (stored["memory_each"], stored["first_cells"]) == ("4GB", 3)
    assert not stored.keys() & {"memory", "n_random", "threads", "workers", "engine"}
    read = Options.read(stored)
    assert (read.memory, read.n_random, read.in_flight) == ("4GB", 3, 4)


def test_the_help_of_a_command_has_panels(snas):
    lines = snas("compare", "--help").out.splitlines()
    assert max(map(len, lines[15:])) <= 80
    panels = {}
    for line in lines:
        if line.endswith(":") and not line.startswith(" "):
            flags = panels[line.rstrip(":")] = []
        elif line.startswith("  --"):
            flags.append(line.split()[0])
    assert [*panels] == ["Arguments", "Budget", "Options", "Resources", "Stored"]
    fields = sn.Resources.__struct_fields__
    assert panels["Resources"] == [f"--{name.replace('_', '-')}" for name in fields]
    assert panels["Budget"] == [
        *("--budget", "--budget-seconds", "--budget-tokens", "--target")
    ]
    assert {"--out", "--against"} <= {*panels["Stored"]}


def test_a_resource_that_is_given_as_a_keyword_is_told_where_it_belongs():
    with pytest.raises(TypeError, match=r"'parallel'. Did you mean 'resources.paral"):
        sn.search("fashion", "random", budget=3, parallel=2)
