"""The pages: docstrings become HTML by pdoc, names become links, and everything can be searched
without a server.
"""

from __future__ import annotations

import ast
import html
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pdoc.docstrings import convert
from pdoc.render_helpers import to_html
from pygments.formatters import HtmlFormatter

import surrogate_nas
from analysis.reference.checks import bare
from analysis.reference.commands import commands
from analysis.reference.names import (
    PACKAGE,
    Page,
    Place,
    Registry,
    homes,
    members,
    modules,
    pages,
    registries,
    rooms,
    source,
)
from analysis.reference.references import REFERENCE, Scope
from surrogate_nas.files import replacing
from surrogate_nas.report.style import COLOURS, SCHEMES

HERE = Path(__file__).parent
STYLES = Path(surrogate_nas.__file__).parent / "report" / "templates"
WIDEST = 92
_TAGS = frozenset(
    "html head meta title style script body nav main section h1 h2 h3 h4 h5 h6 p ul ol li dl dt dd"
    " a blockquote br hr table thead tbody tr th td code pre span div strong em sup sub small label"
    " input details summary".split()
)


@dataclass(frozen=True)
class Item:
    """One documented thing, or a member of one.

    Attributes:
        anchor: Its place on its page.
        label: What it is, such as ``class``.
        signature: How it is called, as HTML.
        text: Its docstring, as HTML.
        summary: The first sentence, as HTML.
        plain: The docstring as plain text, for the search.
        origin: The file and line that give it.
        members: Its methods and properties.
        inherited: For each base with a page, the base and the members that it passes on, as HTML.
    """

    anchor: str
    label: str
    signature: Markup
    text: Markup
    summary: Markup
    plain: str
    origin: str = ""
    members: tuple[Item, ...] = ()
    inherited: tuple[Markup, ...] = ()


def write(folder: Path) -> list[Path]:
    """Write the whole reference.

    Args:
        folder: Where to; made if it is missing.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    loader = FileSystemLoader([HERE / "templates", STYLES])
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "rooms": [(pages()[room], summary(room)) for room in rooms()],
        "version": surrogate_nas.__version__,
        "light": Markup(HtmlFormatter(style="xcode").get_style_defs(".pdoc-code")),
        "dark": Markup(HtmlFormatter(style="github-dark").get_style_defs(".pdoc-code")),
        "beside": beside,
        "summary": summary,
        "door": list(door()),
        "methods": methods(),
        "paints": COLOURS,
        "schemes": SCHEMES,
    }
    shown = {
        page.module: [item(place) for place in page.places] for page in pages().values()
    }
    texts = {
        page.file: (
            made.get_template("module.html.jinja2").render(
                page=page,
                items=shown[page.module],
                text=prose(page.module),
                tables=list(tables(page)),
            )
        )
        for page in pages().values()
    }
    texts["commands.html"] = made.get_template("commands.html.jinja2").render(
        page=None,
        commands=[
            (one, markdown(one.help, Scope(PACKAGE))) for one in commands().values()
        ],
    )
    texts["search.js"] = (
        f"const NAMES = {json.dumps(list(index(shown)), ensure_ascii=False)};\n"
    )
    for name, text in texts.items():
        with replacing(folder / name) as path:
            path.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def prose(module: str) -> Markup:
    """A module's docstring.

    Args:
        module: The module.
    """
    return markdown(modules()[module].module.__doc__ or "", Scope(module))


def summary(module: str) -> Markup:
    """The first paragraph of a module's docstring.

    Args:
        module: The module.
    """
    return _first(modules()[module].module.__doc__ or "", Scope(module))


def methods() -> Markup:
    """The page that tells a newcomer which method to call, as HTML, with links to other documents
    as plain words.
    """
    text = (HERE.parent / "methods.md").read_text(encoding="utf-8").partition("\n")[2]
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return Markup(to_html(re.sub(r"^## ", "### ", plain, flags=re.MULTILINE)))


def _first(text: str, scope: Scope) -> Markup:
    found = markdown(" ".join(inspect.cleandoc(text).split("\n\n")[0].split()), scope)
    return Markup(re.sub(r"^\s*<p>(.*)</p>\s*$", r"\1", str(found), flags=re.DOTALL))


def markdown(text: str, scope: Scope) -> Markup:
    """A docstring as HTML, with its references as links.

    Args:
        text: The docstring.
        scope: Where it stands.
    """

    def linked(found: re.Match[str]) -> str:
        meant = scope.find(found[1])
        return f"[`{found[1]}`]({meant.link})" if meant and meant.link else found[0]

    lines = inspect.cleandoc(text)
    parts = re.split(
        r"(^Example:\n(?:[ \t]+.*\n?|\n)+|^```(?:.|\n)*?^```|^ *(?:>>>|\.\.\.).*$)",
        lines,
        flags=re.MULTILINE,
    )
    named = "".join(
        part if i % 2 else REFERENCE.sub(linked, part) for i, part in enumerate(parts)
    )
    return Markup(to_html(convert(named, "google", None)))


@cache
def item(place: Place) -> Item:
    """Everything about a documented thing.

    Args:
        place: The thing.
    """
    kind = place.code
    if kind is None:
        text = modules()[place.module].constants.get(place.name, "")
        return _item(place.name, "", _definition(place), text, Scope(place.module))
    origin = f"{inspect.getsourcefile(kind)}".partition(f"{PACKAGE}/")[2]
    scope = Scope(place.module, kind if inspect.isclass(kind) else None)
    if inspect.isfunction(kind):
        names = tuple(inspect.signature(kind).parameters)
        return _item(
            place.name,
            "def",
            _call(place, kind),
            kind.__doc__,
            Scope(place.module, None, names),
            origin,
        )
    below = tuple(
        _member(place, name, value)
        for name, value in members(kind).items()
        if name != "__init__"
    )
    text = f"{inspect.cleandoc(kind.__doc__ or '')}\n\n{_of_constructor(kind)}"
    parts = tuple(_inherited(place))
    return _item(
        place.name, "class", _call(place, kind), text, scope, origin, below, parts
    )


def _of_constructor(kind: type) -> str:
    made = vars(kind).get("__init__")
    text = inspect.cleandoc(made.__doc__ or "") if made is not None else ""
    return text[text.find("Args:") :] if "Args:" in text else ""


def _member(place: Place, name: str, value: Any) -> Item:
    function = bare(value)
    text = function.__doc__ or inspect.getdoc(getattr(place.code, name)) or ""
    is_property = not callable(value) and not isinstance(
        value, classmethod | staticmethod
    )
    scope = Scope(
        place.module, place.code, tuple(inspect.signature(function).parameters)
    )
    label = (
        "property"
        if is_property
        else "classmethod"
        if isinstance(value, classmethod)
        else "def"
    )
    signature = (
        _returned(place, function, name)
        if is_property
        else _call(place, function, name)
    )
    return _item(f"{place.name}.{name}", label, signature, text, scope)


def _item(
    anchor: str,
    label: str,
    signature: Markup,
    text: str | None,
    scope: Scope,
    origin: str = "",
    below: tuple[Item, ...] = (),
    inherited: tuple[Markup, ...] = (),
) -> Item:
    told = inspect.cleandoc(text or "")
    plain = re.sub(r"`+", "", told)
    return Item(
        anchor,
        label,
        signature,
        markdown(told, scope),
        _first(told, scope),
        plain,
        origin,
        below,
        inherited,
    )


def _definition(place: Place) -> Markup:
    """A constant as it is written, where that is short."""
    tree = modules()[place.module].tree
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [getattr(node, "target", None)]
        )
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(
            getattr(n, "id", "") == place.name for n in targets
        ):
            written = ast.unparse(node.value) if node.value else ""
            return _name(place.name) + (
                Markup(" = ") + _typed(place.module, written)
                if len(written) < WIDEST
                else ""
            )
    return _name(place.name)


def _name(name: str) -> Markup:
    return Markup('<span class="name">') + name + Markup("</span>")


def _returned(place: Place, function: Any, name: str) -> Markup:
    told = inspect.signature(function).return_annotation
    return _name(name) + (
        ": " + _typed(place.module, _text(told))
        if told is not inspect.Signature.empty
        else ""
    )


def _call(place: Place, function: Any, name: str = "") -> Markup:
    """How a function or class is called: on one line, or with a line for each parameter."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return _name(name or place.name)
    given = [
        one for one in signature.parameters.values() if one.name not in ("self", "cls")
    ]
    parts: list[Markup] = []
    for before, one in zip([None, *given], given, strict=False):
        if one.kind is one.KEYWORD_ONLY and (
            before is None
            or before.kind in (one.POSITIONAL_OR_KEYWORD, one.POSITIONAL_ONLY)
        ):
            parts.append(Markup("*"))
        parts.append(_parameter(place.module, one))
    told = signature.return_annotation
    back = (
        ""
        if inspect.isclass(function) or told is signature.empty
        else " → " + _typed(place.module, _text(told))
    )
    length = (
        len(Markup(", ").join(parts).striptags())
        + len(Markup(back).striptags())
        + len(name or place.name)
    )
    if length < WIDEST:
        inside = Markup(", ").join(parts)
    else:
        inside = Markup("\n") + Markup("").join(
            Markup("    ") + part + ",\n" for part in parts
        )
    return _name(name or place.name) + "(" + inside + ")" + back


def _parameter(module: str, one: inspect.Parameter) -> Markup:
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    shown = Markup('<span class="parameter">') + stars + one.name + Markup("</span>")
    if one.annotation is not one.empty:
        shown += ": " + _typed(module, _text(one.annotation))
    if one.default is not one.empty:
        written = repr(one.default)
        plain = (
            isinstance(one.default, str | int | float | tuple | None)
            and len(written) <= WIDEST // 2
        )
        shown += " = " + (written if plain else "…")
    return shown


def _text(annotation: Any) -> str:
    return str(getattr(annotation, "__forward_arg__", annotation)).strip("'\"")


def _typed(module: str, text: str) -> Markup:
    """Code whose names are links, where these have a page."""
    scope = Scope(module)

    def linked(found: re.Match[str]) -> str:
        held = modules()[module]
        known = found[0] in vars(held.module) or found[0] in held.imports
        meant = scope.find(found[0]) if known else None
        return (
            f'<a href="{meant.link}">{found[0]}</a>'
            if meant and meant.link
            else found[0]
        )

    return Markup(
        re.sub(r"(?<![\w.&])[A-Za-z_]\w+", linked, html.escape(text, quote=False))
    )


def _inherited(place: Place) -> Iterator[Markup]:
    seen = set(members(place.code))
    for base in place.code.__mro__[1:]:
        above = Place(base.__module__, base.__name__)
        names = (
            [name for name in members(base) if name not in seen and name != "__init__"]
            if above in homes()
            else []
        )
        seen |= set(names)
        if names:
            file = pages()[homes()[above]].file
            links = [
                Markup('<a href="{0}#{1}.{2}">{2}</a>').format(file, above.name, name)
                for name in names
            ]
            yield Markup('<a href="{0}#{1}">{1}</a>: ').format(
                file, above.name
            ) + Markup(", ").join(links)


def door() -> Iterator[tuple[Markup, Markup]]:
    """The names of the front door: each as a link, and its summary."""
    for name in modules()[PACKAGE].offered:
        place = source(PACKAGE, name)
        link = Markup('<a href="{}#{}">{}</a>').format(
            pages()[homes()[place]].file, place.name, name
        )
        yield link, item(place).summary


def tables(page: Page) -> Iterator[tuple[Registry, list[tuple[Markup, Markup]]]]:
    """The registries of a room: each plug-in as a link or a name, and a line about it.

    Args:
        page: The room's page.
    """
    for kept in registries():
        if kept.room == page.module:
            yield kept, [_plugged(kept, name) for name in kept.entries]


def _plugged(kept: Registry, name: str) -> tuple[Markup, Markup]:
    place = kept.places.get(name)
    if place is None:
        return Markup("<code>{}</code>").format(name), Markup.escape(kept.entries[name])
    file = pages()[homes()[place]].file
    return (
        Markup('<a href="{}#{}"><code>{}</code></a>').format(file, place.name, name),
        item(place).summary,
    )


def beside(page: Page | None) -> list[Page]:
    """The further pages of the room that a page belongs to.

    Args:
        page: The page.
    """
    if page is None or page.module == PACKAGE:
        return []
    room = ".".join(page.module.split(".")[:2])
    return sorted(
        (one for one in pages().values() if one.module.startswith(f"{room}.")),
        key=lambda one: one.module,
    )


def index(shown: dict[str, list[Item]]) -> Iterator[tuple[str, str, str, str]]:
    """What can be searched: (name, what it is, a text, link).

    Args:
        shown: The documented things by page.
    """
    for page in pages().values():
        told = inspect.cleandoc(modules()[page.module].module.__doc__ or "")
        yield page.module, "module", told, page.file
        for one in shown[page.module]:
            for part in (one, *one.members):
                yield (
                    part.anchor,
                    part.label or "constant",
                    part.plain,
                    f"{page.file}#{part.anchor}",
                )
    for kept in registries():
        for name, place in kept.entries.items():
            file = (
                pages()[homes()[kept.places[name]]].file
                if name in kept.places
                else pages()[kept.room].file
            )
            anchor = kept.places[name].name if name in kept.places else kept.anchor
            told = (
                inspect.cleandoc(kept.places[name].code.__doc__)
                if name in kept.places
                else place
            )
            yield name, kept.title.lower(), told, f"{file}#{anchor}"
    for command in commands().values():
        options = " ".join(f"{one.name} {one.help}" for one in command.parameters)
        yield (
            command.name,
            "command",
            f"{command.summary}\n\n{options}",
            f"commands.html#{command.anchor}",
        )


class _Page(HTMLParser):
    """Collects the places and links of a page, and tags that no page of ours has."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {str(given["id"])} if given.get("id") else set()
        self.links += [str(given[key]) for key in ("href", "src") if given.get(key)]
        self.foreign += [] if tag in _TAGS else [tag]


def broken(folder: Path) -> list[str]:
    """Links of the written pages that lead nowhere, and what was taken for a tag although it is
    text.

    Args:
        folder: Where `write` wrote.
    """
    read = {}
    for path in sorted(folder.glob("*.html")):
        read[path.name] = _Page()
        read[path.name].feed(path.read_text(encoding="utf-8"))
    found = [
        f"{name}: <{tag}> is no tag of ours"
        for name, page in read.items()
        for tag in page.foreign
    ]
    for name, page in read.items():
        for link in page.links:
            file, _, anchor = link.partition("#")
            if "://" in link or link.startswith("data:"):
                continue
            if not (folder / (file or name)).is_file():
                found.append(f"{name} links to {file}, which is not there")
            elif anchor and anchor not in read[file or name].anchors:
                found.append(f"{name} links to {link}, where there is no such place")
    return found
