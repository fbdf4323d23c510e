"""What docstrings say: what the reference describes has a text and an example, and a name in single
backticks leads somewhere. ruff sees what has none, and arguments that a function does not take.
"""

import ast
import builtins
import importlib
import inspect
import re
import sys
from functools import cache
from itertools import pairwise
from types import ModuleType

import pytest
import typer

import surrogate_nas as sn
from surrogate_nas.cli.app import app
from surrogate_nas.training import TASKS
from surrogate_nas.training.losses import LOSSES
from surrogate_nas.training.metrics import METRICS
from surrogate_nas.training.proxies import PROXIES
from tests.documents import TOP, read, texts
from tests.public import is_code, modules, offered, plugged, reference

COMMANDS = typer.main.get_command(app).list_commands(None)
REFERENCE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
CODE = re.compile(r"^ *(>>>|\.\.\.).*$", re.M)
KINDS = [sn.Strategy, sn.Space, sn.Surrogate, sn.Benchmark]
"""Their methods are so well known that the names alone are understood."""
NAMED = {
    **dict.fromkeys([*TASKS, *LOSSES, *METRICS, *PROXIES, "PROXIES"], ""),
    **{place.rpartition(".")[2]: thing for place, thing in reference().items()},
    **plugged(),
}
source = cache(inspect.getsource)
BAD = '''
"""A module that speaks of `nothing.there`, `Objective.unknown` and `snas dance`."""

def lacking(cells):
    """How many `cells` keep a limit, as `Objective.free` and `snas data fetch` say.

    Raises:
        LimitError: There is none.
        KeyError: There is one.
    """

class Bare:
    """Without an `example`.

    Args:
        high: It is called otherwise.
    """

    def __init__(self, height): ...
'''


def section(text, title):
    """The entries of a section of a docstring, such as ``Args``."""
    found = re.search(rf"^{title}:\n((?: +.*\n?|\n)+)", inspect.cleandoc(text), re.M)
    told = re.findall(r"^ {4}(\S[^:\n]*): *\S", found[1], re.M) if found else []
    return [name for entry in told for name in entry.split(", ")]


def has(thing, name):
    """Whether a thing has a member, which a class may only annotate, set or tell of."""
    kinds = inspect.getmro(thing) if inspect.isclass(thing) else ()
    given = re.compile(rf"\bself\.{name}\b|^ +(\w+, )*{name}(, \w+)*:", re.M)
    return hasattr(thing, name) or any(
        given.search(source(kind)) for kind in kinds if kind.__module__ in modules()
    )


def leads(text, held, kind, given):
    """Whether the reader of a docstring in a module finds what a name stands for."""
    words = text.split()
    if words[0] == "snas":
        return not words[1:] or words[1] in COMMANDS
    head, *rest = text.partition("(")[0].split(".")
    if head in given or any(has(one, head) for one in (*KINDS, *kind)):
        return True
    folder = held.__name__ if hasattr(held, "__path__") else held.__package__
    beside = [f"{folder}.{head}", f"{sn.__name__}.{head}", head]
    places = {**modules(), **vars(builtins), **NAMED, **vars(held)}
    found = [places[name] for name in (head, *beside) if name in places]
    if not found and head in sys.stdlib_module_names:
        found = [importlib.import_module(head)]
    if not found:
        imported = rf"^ *(from .*)?import\b.*\b{head}\b|^ +{head},$"
        return re.search(imported, source(held), re.M) is not None
    thing = found[0]
    for name in rest:
        if isinstance(thing, ModuleType | type) and not has(thing, name):
            return False
        thing = getattr(thing, name, None)
    return True


def dangling(held):
    """The names in docstrings of a module that lead nowhere, those of private things included."""

    def walk(node, kind):
        taken = ast.walk(node.args) if isinstance(node, ast.FunctionDef) else ()
        given = [one.arg for one in taken if isinstance(one, ast.arg)]
        text = ast.get_docstring(node) or ""
        for name in REFERENCE.findall(CODE.sub("", text)) + section(text, "Raises"):
            if not leads(name, held, kind, given):
                yield name
        for below in getattr(node, "body", ()):
            if isinstance(below, ast.ClassDef):
                found = getattr([*kind, held][0], below.name, None)
                yield from walk(below, [found] if found else kind)
            elif isinstance(below, ast.FunctionDef):
                yield from walk(below, kind)

    return list(walk(ast.parse(source(held)), []))


def lacking(where, thing):
    """What the docstring of a thing of the reference lacks or makes up."""
    module, _, name = where.rpartition(".")
    if not is_code(thing):
        body = ast.parse(source(modules()[module])).body
        told = [one for one, text in pairwise(body) if isinstance(text, ast.Expr)]
        if not any(re.match(rf"{name}(: .*)? =", ast.unparse(one)) for one in told):
            yield f"{where} has no text below it"
    elif not inspect.getdoc(thing):
        yield f"{where} has no docstring"
    elif inspect.isclass(thing):
        called = thing if hasattr(thing, "__signature__") else thing.__init__
        wrong = {*section(thing.__doc__, "Args")} - {
            *inspect.signature(called).parameters
        }
        yield from (f"{where} has no parameter {one}" for one in wrong)


@cache
def examples():
    """The words of all examples of the package."""
    code = (CODE.finditer(source(held)) for held in modules().values())
    return {
        word for lines in code for line in lines for word in re.findall(r"\w+", line[0])
    }


@pytest.fixture
def bad(tmp_path, monkeypatch):
    """A module with every fault."""
    (tmp_path / "bad.py").write_text(BAD.strip())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(modules(), "bad", importlib.import_module("bad"))
    yield modules()["bad"]
    sys.modules.pop("bad")


def test_everything_that_is_described_has_a_docstring_that_is_true():
    assert len(reference()) > 200
    assert not [fault for one in reference().items() for fault in lacking(*one)]


def test_names_in_docstrings_lead_somewhere():
    found = {name: dangling(held) for name, held in modules().items()}
    assert not {name: names for name, names in found.items() if names}


def test_everything_that_is_offered_is_shown_by_an_example():
    plugs = [one for one in plugged().values() if ".space." not in one.__module__]
    things = [*filter(is_code, (thing for _, thing in offered())), *plugs]
    own = re.compile(r"Example:\n.*>>>(?!.*\+SKIP)", re.S)
    assert not [
        thing.__name__
        for thing in things
        if not own.search(thing.__doc__ or "") and thing.__name__ not in examples()
        if not (inspect.isclass(thing) and issubclass(thing, Exception))
    ]


def test_faults_are_seen(bad):
    assert dangling(bad) == [
        "nothing.there",
        "Objective.unknown",
        "snas dance",
        "LimitError",
        "example",
    ]
    assert list(lacking("bad.Bare", bad.Bare)) == ["bad.Bare has no parameter high"]


def test_the_site_has_every_document_and_begins_with_the_guide():
    patterns = re.findall(r'"([\w/]*\*\.md)"', read("analysis/site/conf.py"))
    pages = {path for pattern in patterns for path in TOP.glob(pattern)}
    assert pages == {path for path in texts() if path.suffix == ".md"}
    listed = re.findall(r"^   ([\w/]+)$", read("analysis/site/index.rst"), re.M)
    assert listed[0] == "analysis/guide/README"
    tops = {path for path in pages if path.parent == TOP or path.stem == "README"}
    assert tops == {path for name in listed if (path := TOP / f"{name}.md") in pages}
