"""What is public, a line each with its parameters: ``python -m tests.public`` writes the list
that `tests/documents/test_public.py` compares with. What the reference describes, too.
"""

import inspect
import pkgutil
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import surrogate_nas as sn
from tests.documents import read
from tests.rooms import ROOMS

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
    (named,) = re.findall(r"create\s+their objects: (.*?)\.", GUIDE, re.S)
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


@cache
def modules():
    """The modules of the package by name, the door first; private ones are left out."""
    found = pkgutil.walk_packages(sn.__path__, f"{sn.__name__}.")
    names = [one.name for one in found if "._" not in one.name]
    return {name: import_module(name) for name in [sn.__name__, *names]}


@cache
def plugged():
    """The strategies, models and spaces by name."""
    from surrogate_nas.space import SPACES
    from surrogate_nas.strategies import BRIDGES, CONTROLS, ONE_SHOT, STRATEGIES
    from surrogate_nas.surrogates import MODELS

    made = STRATEGIES | CONTROLS | ONE_SHOT | BRIDGES | MODELS.places
    things = {name: place.split(":") for name, place in made.items()}
    classes = {name: type(SPACES[name]) for name in SPACES}
    return classes | {
        name: getattr(modules()[module], thing)
        for name, (module, thing) in things.items()
    }


def offered():
    """What the door and the rooms offer, with its names."""
    rooms = [modules()[f"{sn.__name__}.{room}"] for room in ROOMS[:-1]]
    for held in (sn, *rooms):
        yield from (
            (name, getattr(held, name)) for name in getattr(held, "__all__", ())
        )


def is_code(thing):
    """Whether it is a class or function of the package, and no constant."""
    return getattr(thing, "__module__", "") in modules() and hasattr(thing, "__name__")


def address(name, thing):
    """The module that gives a thing, and its name there."""
    if is_code(thing):
        return f"{thing.__module__}.{thing.__name__}"
    given = re.compile(rf"^{name}(: .*)? =", re.M)
    return next(
        f"{module}.{name}"
        for module, held in modules().items()
        if vars(held).get(name) is thing and given.search(inspect.getsource(held))
    )


def spoken_of(thing):
    """The classes of the package that a class or function takes or gives."""
    for part in [thing, *(vars(thing).values() if inspect.isclass(thing) else ())]:
        inner = [getattr(part, name, None) for name in ("fget", "func", "__func__")]
        noted = getattr(next(filter(None, inner), part), "__annotations__", {})
        for word in re.findall(r"\w+", " ".join(map(str, noted.values()))):
            other = vars(modules()[thing.__module__]).get(word)
            if inspect.isclass(other) and is_code(other):
                yield other


@cache
def reference():
    """What the reference describes, each thing by its address: what the door offers, what the rooms
    do, strategies, models and spaces, and the classes that these take or give.
    """
    waiting = [*offered(), *plugged().items()]
    found = {}
    while waiting:
        name, thing = waiting.pop(0)
        where = address(name, thing)
        if where not in found:
            found[where] = thing
            if is_code(thing):
                waiting += [(other.__name__, other) for other in spoken_of(thing)]
    return found


if __name__ == "__main__":
    LIST.write_text("\n".join(lines()) + "\n")
