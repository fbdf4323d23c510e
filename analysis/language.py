"""Find words in documents, docstrings and messages for which the field has a clearer one.

    python -m analysis.language

prints a line for each place, and ends with 1 if there is one. Code in backquotes is skipped.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[1]
WORDS = {
    r"told": "reported, observed, passed",
    r"told apart": "significantly different",
    r"go(?:es|ing)? on|gone on": "resumes, continues",
    r"anew": "again, from scratch",
    r"(?:the|a|its|own|validation|test|training|task's) measures?(?! of)": "metric",
    r"driven by|drives? a search": "searched by; the search metric",
    r"judg(?:e|es|ed|ing)": "evaluate, decide",
    r"slots?": "worker",
    r"in flight": "pending",
    r"home folder|home directory": "data directory",
    r"hand(?:ing|ed|s)? on": "warm start, weight inheritance",
    r"searchers?|proposers?": "external optimiser",
    r"usual(?:ly)?": "default, standard",
    r"rooms?(?! layout)": "subpackage",
    r"doors?": "API",
    r"promises?": "contract, check",
    r"dear(?:er|est)?": "expensive",
    r"at the wheel": "in the loop",
    r"own kind|kinds? of (?:loss|signal)": "type, matched signal",
    r"besides?": "next to, in addition to",
    r"first cells": "initial cells",
    r"functional class(?:es)?": "isomorphism class",
    r"would be seen": "detectable",
    r"boards?": "leaderboard",
    r"players?": "external optimiser",
    r"whoever": "the user, a reader",
    r"seal(?:s|ed|ing)": "checksum",
    r"drawn? (?:cells?|seeds?|classes|independently|from|at random)": "sampled",
}
"""A word, and what to write in its place."""
EXCEPT = {
    "CHANGELOG.md": "history",
    "analysis/guide/glossary.md": "lists the words of others",
    "analysis/losses_protocol.md": "dated",
    "analysis/regimes_protocol.md": "dated",
}
"""Documents that do not change, and why."""
QUESTION = "Which loss should drive a search?"
"""The title of a section and a page, which keeps its words."""
_CODE = re.compile(
    r"```.*?```|`+[^`]*`+|\]\([^)]*\)|^ *(?:>>>|\.\.\.|snas ).*?$|^ +\w+:",
    re.DOTALL | re.MULTILINE,
)
"""Code, examples, and the names of arguments."""
_EVERY = re.compile(
    "|".join(rf"\b(?:{word})\b" for word in reversed(WORDS)), re.IGNORECASE
)


def found_in(text: str) -> Iterator[tuple[int, str]]:
    """The words of a text that should be others, each with its line, from 0."""
    shown = _CODE.sub(lambda code: "\n" * code[0].count("\n"), text)
    for number, line in enumerate(shown.replace(QUESTION, "").splitlines()):
        yield from ((number, word) for word in _EVERY.findall(line))


def documents() -> Iterator[tuple[str, int, str]]:
    """All documents: path, first line, text."""
    for pattern in ("*.md", "analysis/**/*.md", "data/*.md", "llms.txt"):
        for path in sorted(TOP.glob(pattern)):
            name = path.relative_to(TOP).as_posix()
            if name not in EXCEPT:
                yield name, 1, path.read_text("utf-8")


def strings() -> Iterator[tuple[str, int, str]]:
    """Docstrings and messages of the package: path, first line, text."""
    for path in sorted((TOP / "surrogate_nas").rglob("*.py")):
        name = path.relative_to(TOP).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if " " in node.value.strip():
                    yield name, node.lineno, node.value


def main() -> int:
    """Print every place."""
    places = [
        f"{name}:{line + further}: {word!r}"
        for name, line, text in (*documents(), *strings())
        for further, word in found_in(text)
    ]
    print("\n".join(places) or "No word has a clearer one.")
    return bool(places)


if __name__ == "__main__":
    sys.exit(main())
