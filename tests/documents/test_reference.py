"""The reference: what is public is described and shown by an example, links lead somewhere, the
search finds.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from analysis.reference.checks import dangling, shows_example, undescribed
from analysis.reference.commands import commands
from analysis.reference.names import (
    PACKAGE,
    Module,
    Place,
    modules,
    pages,
    public,
    registries,
    rooms,
    source,
)
from analysis.reference.references import Scope
from analysis.reference.site import broken
from tests.rooms import MODULES, ROOMS

ROOT = Path(__file__).parents[2]
BAD = '''
"""A module that speaks of `nothing.there`."""

def lacking(cells, limit=3):
    """How many cells keep a limit.

    Args:
        cells: The cells.
        bound: It is called otherwise.

    Raises:
        LimitError: There is none.
    """

class Bare:
    """Tells of a parameter that it does not take.

    Args:
        high: It is called otherwise.
    """

    def __init__(self, height):
        self._height = height

LENGTH = 3
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The reference, as ``make docs`` writes it."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "analysis.reference", str(folder)]
    made = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=600
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert not made.stderr
    return folder


@pytest.fixture
def bad(tmp_path, monkeypatch):
    """A module among those of the package with every fault."""
    (tmp_path / "faulty.py").write_text(BAD.lstrip())
    monkeypatch.syspath_prepend(tmp_path)
    held = {"faulty": Module("faulty"), **modules()}
    for part in ("checks", "references", "names"):
        monkeypatch.setattr(f"analysis.reference.{part}.modules", lambda: held)
    return "faulty"


@pytest.mark.slow
def test_every_public_name_is_described_and_shown_and_every_link_leads_somewhere(site):
    assert {path.name for path in site.glob("*.html")} == {
        page.file for page in pages().values()
    } | {"commands.html"}


def test_what_must_show_an_example_is_all_that_the_door_and_the_rooms_offer():
    assert {*ROOMS} - {room.removeprefix(f"{PACKAGE}.") for room in rooms()} == {
        *MODULES
    }
    shown = {place.name for place in public()}
    assert {
        "Strategy",
        "compare",
        "Objective",
        "nb201",
        "TableBenchmark",
        "RegularisedEvolution",
        "Ridge",
    } <= shown
    assert len(shown) > 100 and all(shows_example(place) for place in public())


def test_faults_are_seen(bad):
    found = [
        line
        for name in ("lacking", "Bare", "LENGTH")
        for line in undescribed(Place(bad, name))
    ]
    assert [line.removeprefix("faulty.") for line in found] == [
        "lacking has no parameter bound",
        "Bare has no parameter high",
        "LENGTH is a constant without a text below it",
    ]
    assert list(dangling(bad)) == ["nothing.there"]
    assert not shows_example(Place(bad, "lacking"))


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("Objective.free", "objective.html#Objective.free"),
        ("surrogate_nas.space.nb201", "space.html#nb201"),
        ("snas data fetch", "commands.html#snas-data-fetch"),
        ("evolution", "strategies.evolution.html#RegularisedEvolution"),
        ("KeyboardInterrupt", ""),
    ],
)
def test_a_reference_is_understood_as_its_reader_would(text, link):
    found = Scope(f"{PACKAGE}.space.trial").find(text)
    assert found is not None and found.link == link


@pytest.mark.parametrize(
    "text",
    [
        "Objective.unknown",
        "surrogate_nas.space.nb202",
        "snas dance",
        "evolutoin",
        "a name",
    ],
)
def test_what_stands_for_nothing_is_no_reference(text):
    assert Scope(f"{PACKAGE}.space.trial").find(text) is None


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here">x</a><a href="#gone">x</a><a href="b.html">x</a>'
    )
    (tmp_path / "c.html").write_text("<p>a <cell> of the space</p>")
    assert broken(tmp_path) == [
        "c.html: <cell> is no tag of ours",
        "a.html links to #gone, where there is no such place",
        "a.html links to b.html, which is not there",
    ]


@pytest.mark.slow
def test_every_command_is_there_with_its_options(site):
    text = (site / "commands.html").read_text(encoding="utf-8")
    assert {"snas compare", "snas data fetch", "snas new"} <= set(commands())
    for command in commands().values():
        assert f'<section id="{command.anchor}">' in text
    assert "--subject-to" in text and "results/compare-BENCH by default" in text


@pytest.mark.slow
def test_a_registry_s_plug_ins_are_listed_in_its_room(site):
    for kept in registries():
        text = (site / pages()[kept.room].file).read_text(encoding="utf-8")
        assert all(f"<code>{name}</code>" in text for name in kept.entries), kept.title


@pytest.mark.slow
def test_the_first_page_begins_with_what_a_newcomer_needs(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    places = [
        text.index(f'id="{name}"') for name in ("start", "methods", "names", "rooms")
    ]
    assert places == sorted(places)
    assert text.count("AskTell") > 3 and "snas check mine.py:Careful" in text


def test_a_name_is_at_home_where_it_is_offered():
    assert source(PACKAGE, "nb201") == Place(f"{PACKAGE}.space.nb201", "nb201")
    assert source(f"{PACKAGE}.space.trial", "Cell") == source(PACKAGE, "Cell")
