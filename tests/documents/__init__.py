"""The project's own texts as tests read them: sections, code, commands, links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[2]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^#+ (.*)$", re.M)
_ELSEWHERE = {"results", "build", "dist"}


class Section(NamedTuple):
    """A heading and what stands below it until the next one."""

    title: str
    text: str


def texts():
    """Every Markdown file of the project, and llms.txt."""
    found = [
        path for path in TOP.rglob("*.md") if not _is_made(path.relative_to(TOP).parts)
    ]
    return sorted([*found, TOP / "llms.txt"])


def _is_made(parts):
    return parts[0] in _ELSEWHERE or any(
        part.startswith(".") or part.endswith(".egg-info") for part in parts
    )


def read(name):
    """The text of a file by its path from the top."""
    return (TOP / name).read_text(encoding="utf-8")


def blocks(text, language):
    """What stands in fences of a language."""
    return [body for kind, body in _FENCED.findall(text) if kind == language]


def prose(text):
    """A text without its fenced code."""
    return _FENCED.sub("", text)


def spans(text):
    """The code within lines, line breaks as spaces."""
    return [" ".join(code.split()) for code in _CODE.findall(prose(text))]


def links(text):
    """Where links and pictures lead."""
    return _LINK.findall(prose(text))


def anchors(text):
    """The names that headings have in addresses."""
    found = {}
    for title in _HEADING.findall(prose(text)):
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
    return {
        name if not again else f"{name}-{again}"
        for name, most in found.items()
        for again in range(most + 1)
    }


def sections(text):
    """Every heading with its own text."""
    parts = re.split(r"^#+ (.*)$", prose(text), flags=re.M)
    yield from map(Section, parts[1::2], parts[2::2])


def shell(text):
    """The command lines in fences: continued lines joined, comments and the path of the environment
    left out.
    """
    joined = "\n".join(blocks(text, "sh")).replace("\\\n", " ")
    lines = (re.sub(r"\s+#.*$", "", line).strip() for line in joined.splitlines())
    return [line.removeprefix(".venv/bin/") for line in lines if line]
