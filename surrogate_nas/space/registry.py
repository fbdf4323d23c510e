"""The registry of spaces by name: spaces of this package, of installed packages, and of users.

If a data file names a space, only a registered space is opened. A user registers a space by passing
its file on the command line. The registration is stored in the folder ``spaces`` of the data
directory. A space that is fully described by its options needs no code, because data files of this
space contain the options. A sampled subset of another space needs no code either.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from os.path import commonprefix
from pathlib import Path
from typing import Any

from surrogate_nas.core import Registry, UserError, unknown
from surrogate_nas.files import home, replacing
from surrogate_nas.files.formats import RELEASE, check_version, stamp
from surrogate_nas.space.base import Space, cell_given
from surrogate_nas.space.cell import Cell
from surrogate_nas.space.product import (
    ChoiceSpace,
    Sampled,
    described,
    subset_of,
)

ENTRY_POINT_GROUP = "surrogate_nas.spaces"
# By name, ``module:NAME`` of what makes an instance.
_PLACES = {
    "nb201": "surrogate_nas.space.nb201:nb201",
    "macro": "surrogate_nas.space.macro:macro",
    "darts": "surrogate_nas.space.darts:Darts",
    "nasnet": "surrogate_nas.space.darts:NASNet",
    "transnas-micro": "surrogate_nas.space.transnas:TransNASMicro",
    "transnas-macro": "surrogate_nas.space.transnas:TransNASMacro",
    "nbgraph": "surrogate_nas.space.nbgraph:NBGraph",
    "nbgraph-proteins": "surrogate_nas.space.nbgraph:nbgraph_proteins",
    "fcnet": "surrogate_nas.space.configurations:FCNet",
    "hpobench": "surrogate_nas.space.configurations:MLP",
    "nats-size": "surrogate_nas.space.nats_size:NatsSize",
    "nbmr": "surrogate_nas.space.nbmr:NBMR",
    "mnasnet": "surrogate_nas.space.mnasnet:MnasNet",
    "gpt-s": "surrogate_nas.space.layered:gpt_s",
    "gpt-m": "surrogate_nas.space.layered:gpt_m",
    "gpt-l": "surrogate_nas.space.layered:gpt_l",
    "autoformer": "surrogate_nas.space.layered:AutoFormer",
    "pit": "surrogate_nas.space.layered:PiT",
    "flexibert": "surrogate_nas.space.layered:FlexiBERT",
    "nb101": "surrogate_nas.space.nb101:NB101",
    "graphgym": "surrogate_nas.space.configurations:GraphGym",
    "nbnlp": "surrogate_nas.space.nbnlp:NBNLP",
    "graphgym-wide": "surrogate_nas.space.configurations:WideGraphGym",
    "scan-llm": "surrogate_nas.space.scan:scan_llm",
    "scan-vlm": "surrogate_nas.space.scan:scan_vlm",
    "scan-tabpfn": "surrogate_nas.space.scan:scan_tabpfn",
    "tabm": "surrogate_nas.space.configurations:TabM",
}


def _checked(loaded: object, spec: str) -> Space:
    if callable(loaded) and (
        spec in _PLACES or (isinstance(loaded, type) and issubclass(loaded, Space))
    ):
        loaded = loaded()
    if not isinstance(loaded, Space):
        raise UserError(
            f"{spec} is not a space: use surrogate_nas.ChoiceSpace or another subclass of Space."
        )
    return loaded


SPACES: Registry[Space] = Registry("space", _checked, _PLACES, group=ENTRY_POINT_GROUP)
"""The spaces of this package and of installed packages."""
DEFAULT_SPACE = next(iter(SPACES))
"""The space that is used if none is given."""
_opened: dict[str, Space] = {}


def known() -> list[str]:
    """Return the names of all registered spaces."""
    return sorted({*SPACES.names(), *_registered()})


def space_named(definition: str) -> Space:
    """Return the shared instance of a registered space, or the space that a definition describes.

    Args:
        definition: The name of a space, or a text from `Space.definition`.

    Raises:
        UserError: No space has the given name, or the definition is malformed.

    Example:
        >>> (
        ...     space_named("transnas-macro").size,
        ...     space_named("nb201") is space_named("nb201"),
        ... )
        (3256, True)
    """
    if definition.startswith("{"):
        return _described(definition)
    if definition not in _opened:
        _opened[definition] = _open(definition)
    return _opened[definition]


def _open(name: str) -> Space:
    if name in SPACES or name in SPACES.points():
        return SPACES.find(name)
    if name not in _registered():
        raise unknown("space", name, known())
    path = _entry(name)
    entry = json.loads(path.read_text(encoding="utf-8"))
    check_version(path, "space", entry.get("version", 1), entry.get(RELEASE))
    return SPACES.find(f"{entry['file']}:{entry['object']}")


@lru_cache(maxsize=64)
def _described(definition: str) -> Space:
    try:
        content: dict[str, Any] = json.loads(definition)
        if "of" in content:
            base = space_named(content["of"])
            if not isinstance(base, ChoiceSpace) or isinstance(base, Sampled):
                raise TypeError(f"{base.name} is not a complete ChoiceSpace")
            return subset_of(base, content["held"])
        return described(content)
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise UserError(
            f"{definition!r:.80} does not describe a space ({error})."
        ) from error


def register(spec: str) -> Space:
    """Load a user's space and register its file, so that tables of this space can be opened by
    name.

    Args:
        spec: ``file.py:SPACE``, or the name of a registered space.

    Raises:
        UserError: The file or the space does not exist, or another space has the same name.

    Example:
        >>> register("macro") is space_named("macro")
        True
    """
    path, separator, attribute = spec.rpartition(":")
    if not separator:
        return space_named(spec)
    file = Path(path).absolute()
    space = _checked(SPACES.inside(file, attribute), spec)
    if space.name in known() and space_named(space.name) != space:
        raise UserError(
            f"The space of {spec} is named {space.name}, like another space; give it a different"
            " name."
        )
    _opened[space.name] = space
    if space.name not in SPACES and space.definition == space.name:
        entry = {**stamp("space"), "file": str(file), "object": attribute}
        with replacing(_entry(space.name)) as temporary:
            temporary.write_text(json.dumps(entry), encoding="utf-8")
    return space


def space_of(cell: Cell) -> Space:
    """Return the registered space that a cell belongs to.

    Raises:
        UserError: The cell belongs to no registered space.

    Example:
        >>> space_of(space_named("macro")[15]).name
        'macro'
    """
    for space in _candidates():
        if cell in space:
            return space
    raise UserError(
        f"{cell} does not belong to a registered space. Registered: {', '.join(known())}."
    )


def cell_named(text: str) -> tuple[Space, Cell]:
    """Find the registered space that the string of a cell belongs to, and the cell.

    Args:
        text: The canonical string of a cell, or an index into the default space.

    Raises:
        UserError: No space can parse the text. The message comes from the space with the most
            similar strings.

    Example:
        >>> space, cell = cell_named("conv_stack(layers=3, channels=16)")
        >>> space.name, cell.choices
        ('macro', (2, 3))
    """
    if text.strip().isdecimal():
        usual = space_named(DEFAULT_SPACE)
        return usual, cell_given(usual, text)
    refusals: list[tuple[int, UserError]] = []
    for space in _candidates():
        try:
            return space, space.parse(text)
        except UserError as error:
            examples = (space.reference.text, *space.named)
            shared = max(
                len(commonprefix([text.strip(), example])) for example in examples
            )
            refusals.append((shared, error))
    raise max(refusals, key=lambda refusal: refusal[0])[1]


def _candidates() -> Iterator[Space]:
    yield from (space_named(name) for name in SPACES)
    yield from list(_opened.values())
    yield from (space_named(name) for name in known() if name not in SPACES)


def _entry(name: str) -> Path:
    return home() / "spaces" / f"{name}.json"


def _registered() -> list[str]:
    return sorted(path.stem for path in (home() / "spaces").glob("*.json"))
