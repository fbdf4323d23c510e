"""What is public: the list of names, the page that promises them, and what documents import."""

import difflib
import inspect
import re

import pytest

import surrogate_nas as sn
from tests.documents import TOP, texts
from tests.public import GUIDE, LIST, attributes, lines, listed

DEEPER = re.compile(r"\b(?:from|import) surrogate_nas\.\w")
DOCUMENTS = [
    *texts(),
    *(TOP / "analysis" / "tutorials").glob("*.py"),
    *(TOP / "surrogate_nas" / "cli" / "templates").glob("*.txt"),
]
RENAMED = re.compile(r"""(?:@renamed\(|former\(["'])(\w+)["']?[=,] ?["'](\w+)["']""")


def test_public_names_and_their_parameters_are_those_of_the_list():
    kept, now = LIST.read_text().splitlines(), lines()
    change = difflib.unified_diff(kept, now, LIST.name, "now", lineterm="", n=0)
    assert kept == now, "\n".join([*change, "If this is meant: python -m tests.public"])


def test_the_guide_promises_what_is_there():
    for kind, names in listed().items():
        assert names <= attributes(getattr(sn, kind)), kind


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_documents_import_from_the_package_alone(path):
    if path.name not in ("CHANGELOG.md", "built.md"):
        assert not DEEPER.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sn.__all__)
def test_examples_of_public_names_do_too(name):
    thing = getattr(sn, name)
    parts = vars(thing).values() if inspect.isclass(thing) else ()
    for part in (thing, *parts):
        assert not DEEPER.search(inspect.getdoc(part) or "")


def test_every_former_name_is_in_the_guide():
    files = (TOP / "surrogate_nas").rglob("*.py")
    code = "".join(file.read_text() for file in files if file.stem != "deprecation")
    table = GUIDE.partition("| 0.1.0 | now |")[2]
    names = set(RENAMED.findall(code))
    assert names and not [
        (old, new) for old, new in names if not re.search(rf"{old}\b.*\|.*{new}", table)
    ]
