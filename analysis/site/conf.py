"""The site that `make docs` builds: the documents, the executed tutorials, the reference of the
public names in tests/public.py, and the help of the commands.
"""

import os
import re
import sys
from inspect import isclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import jupytext
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode
from typer.cli import get_docs_for_click
from typer.main import get_command

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "results" / "docs-source"
sys.path.insert(0, str(ROOT))

import surrogate_nas as sn  # noqa: E402
from surrogate_nas.cli.app import app as snas  # noqa: E402
from tests.documents import links  # noqa: E402
from tests.public import address, is_code, plugged, reference  # noqa: E402
from tests.rooms import ROOMS  # noqa: E402

project = "surrogate_nas"
copyright = "surrogate_nas developers"
version = release = sn.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["scripts"]
html_theme = "pydata_sphinx_theme"
html_theme_options: dict[str, Any] = {"navbar_align": "left"}
if site := os.environ.get("DOCS_URL"):  # of all versions: .github/workflows/docs.yml
    own = os.environ["DOCS_VERSION"]
    html_theme_options |= {
        "switcher": {"json_url": f"{site}/versions.json", "version_match": own},
        "check_switcher": False,
        "navbar_start": ["navbar-logo", "version-switcher"],
    }
html_show_sourcelink = False
html_title = f"surrogate_nas {version}"
smartquotes = False
myst_heading_anchors = 6
default_role = "py:obj"
autoclass_content = "both"
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 88
sphinx_gallery_conf = {
    "examples_dirs": str(SOURCE / "scripts"),
    "gallery_dirs": str(SOURCE / "tutorials"),
    "filename_pattern": "",
    "download_all_examples": False,
    "min_reported_time": 1e9,
}

DOCUMENTS = ("*.md", "analysis/*.md", "analysis/guide/*.md", "data/*.md")
ELSEWHERE = [ROOT / "analysis" / "methods.md"]  # a page of the reference
SHOWN = {where: where for where in reference()} | {
    address(name, getattr(sn, name)): f"{sn.__name__}.{name}" for name in sn.__all__
}
"""From an address to the name in the reference: that of `surrogate_nas`, if it has one."""
NAMED = {shown.rpartition(".")[2]: shown for shown in SHOWN.values()} | {
    name: SHOWN[address(name, thing)] for name, thing in plugged().items()
}


def put(path: str | Path, content: str | bytes) -> None:
    """Write a source file at a path relative to the sources."""
    file = SOURCE / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def put_documents() -> None:
    """Write the documents and the files that they link to.

    A README is the first page of its folder. The other pages follow in the order of its links.
    """
    put("index.rst", Path(__file__).with_name("index.rst").read_bytes())
    paths = [path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern))]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for link in links(text):
            file = (path.parent / link.partition("#")[0]).resolve()
            if file.is_file() and file not in paths:
                put(file.relative_to(ROOT), file.read_bytes())
        if path.name == "README.md" and path.parent != ROOT:
            place = {one: text.find(f"({one.name}") for one in paths}
            below = [one for one in paths if one.parent == path.parent and one != path]
            below.sort(key=lambda one: (place[one] < 0, place[one]))
            names = [one.stem for one in below if one not in ELSEWHERE]
            text += "\n```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
        text = re.sub(r"\([\w./]*\btutorials/(\w*)(\.py)?\)", _tutorial, text)
        put(path.relative_to(ROOT), text)


def _tutorial(found: re.Match[str]) -> str:
    return f"(/tutorials/{found[1] or 'index'}.rst)"


def put_tutorials() -> None:
    """Write the tutorials for sphinx-gallery: a docstring, then text as reStructuredText."""
    put("scripts/GALLERY_HEADER.rst", "Tutorials\n=========\n")
    for path in (ROOT / "analysis" / "tutorials").glob("*.py"):
        cells = jupytext.read(path, fmt="py:percent").cells
        parts = [f'r"""\n{_restructured(cells[0].source)}\n"""']
        for cell in cells[1:]:
            text = _restructured(cell.source) if cell.cell_type == "markdown" else ""
            marked = "".join(f"# {line}\n" for line in text.splitlines())
            parts.append(f"# %%\n{marked}\n{'' if text else cell.source}\n")
        put(f"scripts/{path.name}", "\n".join(parts))


def _restructured(text: str) -> str:
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"^# (.*)$", rf"\1\n{'=' * 90}", text, flags=re.M)
    return re.sub(r"^## (.*)$", rf"\1\n{'-' * 90}", text, flags=re.M)


def put_reference() -> None:
    """Write a page for `surrogate_nas`, one for each subpackage, and one for the commands."""
    pages: dict[str, list[tuple[str, Any]]] = {sn.__name__: []}
    pages |= {f"{sn.__name__}.{room}": [] for room in ROOMS}
    for where, thing in reference().items():
        room = ".".join(SHOWN[where].split(".")[:2])
        page = sn.__name__ if SHOWN[where] != where else room
        pages[page].append((SHOWN[where], thing))
    pages = {page: things for page, things in pages.items() if things}
    for page, things in pages.items():
        text = f"{page}\n{'=' * len(page)}\n\n.. automodule:: {page}\n   :no-members:\n"
        text += "\n.. currentmodule:: None\n\n.. autosummary::\n\n"
        text += "".join(f"   ~{name}\n" for name, _ in things)
        for name, thing in things:
            kind = "class" if isclass(thing) else "function"
            text += (
                f"\n.. auto{kind}:: {name}\n"
                if is_code(thing)
                else f"\n.. autodata:: {name}\n   :no-value:\n"
            )
        put(f"api/{page}.rst", text)
    names = "".join(f"   {one}\n" for one in ("/analysis/methods", "commands", *pages))
    put("api/index.rst", f"Reference\n=========\n\n.. toctree::\n\n{names}")
    command = get_command(snas)
    context = command.make_context("snas", [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name="snas", title="Commands")
    shown = re.compile(r"^\x08\n(\S.*:)\n((?:  .*\n)+)", re.M)
    text = shown.sub(lambda one: f"{one[1]}\n\n```sh\n{dedent(one[2])}```\n", text)
    put("api/commands.md", text)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Resolve the short names of docstrings and the addresses of signatures."""
    objects = env.domains.python_domain.objects
    target = node["reftarget"]
    head, *rest = target.split(".")
    name = SHOWN.get(target) or ".".join([NAMED.get(head, head), *rest])
    if node["refdomain"] != "py" or name not in objects:
        return None
    entry = objects[name]
    return make_refnode(
        app.builder, node["refdoc"], entry.docname, entry.node_id, content, name
    )


def skip(app: Sphinx, kind: str, name: str, thing: Any, *_: Any) -> bool | None:
    """Skip fields of named tuples and built-in defaults, which the class describes."""
    is_field = type(thing).__name__ in ("_tuplegetter", "builtin_function_or_method")
    return True if is_field else None


def setup(app: Sphinx) -> None:
    """Write the sources, and resolve short names."""
    put_documents()
    put_tutorials()
    put_reference()
    app.connect("autodoc-skip-member", skip)
    app.connect("missing-reference", resolve)
