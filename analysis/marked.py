"""The part of a Markdown file that a script writes: what stands between two marks."""

from collections.abc import Iterable, Sequence
from pathlib import Path

_BEGIN = "<!-- made by {} -->\n"
_END = "<!-- made until here -->\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown.

    Args:
        heads: The head of every column.
        rows: The cells of every line.
    """
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def put(file: Path, name: str, text: str) -> None:
    """Write what a script makes between its marks.

    Args:
        file: The Markdown file, which has the marks.
        name: The script's, as the first mark has it.
        text: What to put there.
    """
    before, mark, rest = file.read_text(encoding="utf-8").partition(_BEGIN.format(name))
    _, end, after = rest.partition(_END)
    if not end:
        raise SystemExit(f"{file.name} has no place for {name}.")
    file.write_text(before + mark + text + end + after, encoding="utf-8")


def held(file: Path, name: str) -> str:
    """What stands between the marks of a script.

    Args:
        file: The Markdown file.
        name: The script's.
    """
    return (
        file.read_text(encoding="utf-8")
        .partition(_BEGIN.format(name))[2]
        .partition(_END)[0]
    )
