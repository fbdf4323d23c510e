"""What is public, a line each with its parameters: ``python -m tests.public`` writes the list
that `tests/documents/test_public.py` compares with.
"""

import inspect
import re
from pathlib import Path

import surrogate_nas as sn
from tests.documents import read

GUIDE = read("analysis/guide/stability.md")
LIST = Path(__file__).with_name("public.txt")
_ROW = re.compile(r"^\| (`\w+`(?:, `\w+`)*)(?:, also)? \| (`.+`) \|$", re.M)
_FORMER = "The former name of"
_NAME = re.compile(r"`(\w+)`")


def listed():
    """By class its public names, where the guide lists them."""
    found = {}
    for kinds, names in _ROW.findall(GUIDE):
        for kind in _NAME.findall(kinds):
            found.setdefault(kind, set()).update(_NAME.findall(names))
    return found


def made_by_calls():
    """The classes whose instances only calls make, so that their constructors are not public."""
    (named,) = re.findall(r"made by calls alone: (.*?)\.", GUIDE, re.S)
    return _NAME.findall(named)


def attributes(kind):
    """What a class gives, or says that its instances have; former names are left out."""
    documented = inspect.getdoc(kind).partition("Attributes:\n")[2].partition("\n\n")[0]
    names = re.findall(r"^    ([a-z_, ]+):", documented, re.M)
    own = [base for base in kind.__mro__ if base.__module__.startswith("surrogate_nas")]
    given = {
        name
        for base in own
        for name in [*vars(base), *vars(base).get("__annotations__", ())]
        if not (getattr(vars(base).get(name), "__doc__", "") or "").startswith(_FORMER)
    }
    return {name for name in {*given, *", ".join(names).split(", ")} if name}


def signature(thing):
    """The parameters of a function or a class, with their defaults; else empty."""
    if not callable(thing) or thing is sn.UserError:
        return ""
    plain = [
        parameter.replace(annotation=parameter.empty)
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.name != "self"
    ]
    return re.sub(r" at 0x\w+", "", str(inspect.Signature(plain)))


def lines():
    """Every public name."""
    found = []
    guide = listed()
    for name in sn.__all__:
        thing = getattr(sn, name)
        if (inspect.getdoc(thing) or "").startswith(_FORMER):
            continue
        found.append(name + ("" if name in made_by_calls() else signature(thing)))
        if inspect.isclass(thing):
            names = guide.get(name) or attributes(thing)
            found += [
                f"{name}.{own}{signature(getattr(thing, own, None))}"
                for own in sorted(names)
                if not own.startswith("_")
            ]
    return found


if __name__ == "__main__":
    LIST.write_text("\n".join(lines()) + "\n")
