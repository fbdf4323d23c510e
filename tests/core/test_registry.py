"""Registries: a name leads to one thing, listing names imports none, and what is wrong is one
line.
"""

import re
import sys
from importlib.metadata import EntryPoint

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.registry import Registry, described_at, places_in, subclass_of

THINGS = '''"""{name}: do it. Say more.

Nobody, "A paper", Venue 2020.
"""
import heavy_library_that_is_not_there
class Thing:
    def __init__(self, *, seed, knob=3, other="x"):
        pass
'''


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """Two places, a folder of things with names, and an installed package."""
    package = tmp_path / "shapes_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "class Shape:\n    def __init__(self, name):\n        self.name = name\n"
    )
    (package / "round.py").write_text(
        "from shapes_of_a_test import Shape\nSHAPE = Shape('circle'), Shape('disc')\n"
    )
    (package / "angular.py").write_text(
        "from shapes_of_a_test import Shape\nSHAPE = Shape('square')\n"
    )
    (package / "base.py").write_text("HELPER = 1\n")
    (tmp_path / "theirs_of_a_test.py").write_text(
        "from shapes_of_a_test import Shape\nSTAR = Shape('star')\nBAD = 3\n"
    )
    for module in [
        name for name in sys.modules if name.partition(".")[0].endswith("_of_a_test")
    ]:
        del sys.modules[module]  # of a test before
    monkeypatch.syspath_prepend(tmp_path)
    group = "surrogate_nas.shapes"
    points = tuple(
        EntryPoint(name, f"theirs_of_a_test:{name.upper()}", group)
        for name in ("star", "bad", "gone")
    )
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: points)
    from shapes_of_a_test import Shape

    return Registry(
        "shape",
        Shape,
        folder="shapes_of_a_test",
        attribute="SHAPE",
        first=("round",),
        group=group,
    )


def test_names_come_from_the_folder_and_from_packages(shapes):
    assert list(shapes) == ["circle", "disc", "square"] and len(shapes) == 3
    assert shapes.names() == ["bad", "circle", "disc", "gone", "square", "star"]
    assert shapes.find("disc").name == "disc" and shapes.find("star").name == "star"
    for name, said in {
        "squar": "Unknown shape 'squar'. Did you mean 'square'? Known: bad, circle",
        "bad": "bad is not a shape",
        "gone": "theirs_of_a_test:GONE cannot be imported: AttributeError",
    }.items():
        with pytest.raises(UserError, match=re.escape(said)):
            shapes.find(name)
    with pytest.raises(
        UserError, match="The name of a shape must be a text, not 3. Known: bad, circle"
    ):
        shapes.find(3)


def test_a_file_of_ones_own_has_what_it_names(shapes, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from shapes_of_a_test import Shape\nMINE = Shape('mine')\nNUMBER = 3\n"
    )
    assert shapes.find(f"{file}:MINE").name == "mine"
    for name, said in {
        f"{file}:NUMBER": "own.py contains no shape NUMBER",
        f"{file}:OTHER": "own.py defines no OTHER",
        f"{tmp_path}/none.py:MINE": "There is no shape file",
        f"{file}": "is a file; name the shape in it",
    }.items():
        with pytest.raises(UserError, match=re.escape(said)):
            shapes.find(name)


def test_two_things_of_one_name_are_a_mistake_of_ours(shapes, tmp_path):
    (tmp_path / "shapes_of_a_test" / "again.py").write_text(
        "from shapes_of_a_test import Shape\nSHAPE = Shape('disc')\n"
    )
    with pytest.raises(RuntimeError, match="Two of shapes_of_a_test are named disc"):
        list(shapes)


def test_what_a_file_says_is_read_without_importing_it(tmp_path, monkeypatch):
    (tmp_path / "told_of_a_test.py").write_text(THINGS.replace("{name}", "Told"))
    monkeypatch.syspath_prepend(tmp_path)
    things = Registry(
        "thing",
        object,
        {"told": "told_of_a_test:Thing", "lost": "no_such_module_at_all:Thing"},
    )
    assert [entry["name"] for entry in things.described()] == ["told", "lost"]
    assert described_at("told_of_a_test:Thing") == {
        "description": "Told: do it.",
        "paper": 'Nobody, "A paper", Venue 2020',
        "options": {"knob": "3", "other": "'x'"},
    }
    assert (
        next(entry for entry in things.described() if entry["name"] == "lost")[
            "options"
        ]
        == {}
    )
    assert "told_of_a_test" not in sys.modules
    # of no extra of ours, so it is our mistake
    with pytest.raises(ModuleNotFoundError):
        things.find("told")


def test_classes_are_checked_and_places_are_files():
    errors = Registry(
        "error",
        subclass_of(Exception, "Exception"),
        {"value": "builtins:ValueError", "no": "math:pi"},
    )
    assert errors["value"] is ValueError
    with pytest.raises(UserError, match="no is not a subclass of Exception"):
        errors.find("no")
    assert (
        places_in("surrogate_nas.core", "X")["errors"] == "surrogate_nas.core.errors:X"
    )


def test_code_is_known_by_its_file(shapes, tmp_path):
    file = tmp_path / "own.py"
    file.write_text("MINE = 1\n")
    first = shapes.code(f"{file}:MINE")
    file.write_text("MINE = 2\n")
    assert len(first) == 64 and shapes.code(f"{file}:MINE") != first
    assert len(shapes.code("star")) == 64 and shapes.code("star") != first
    assert [
        shapes.code(name) for name in ("disc", "nothing", "", f"{tmp_path}/none.py:A")
    ] == [""] * 4
