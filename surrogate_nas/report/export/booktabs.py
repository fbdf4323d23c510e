"""LaTeX as papers print tables: booktabs, every text escaped, so that no name can be a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surrogate_nas.study.suite.tables import tabular

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "[": r"{[}",  # a row that begins with one would lend it to the line break before
    "]": r"{]}",
    '"': r"\textquotedbl{}",
    "−": r"$-$",
    "–": r"--",
    "…": r"\dots{}",
    "λ": r"$\lambda$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "±": r"$\pm$",
}


def escaped(text: str) -> str:
    """A text as LaTeX sets it, on one line.

    Args:
        text: Anything.

    Example:
        >>> escaped("bo_epochs(n=5) & 100 %")
        'bo\\\\_epochs(n=5) \\\\& 100 \\\\%'
    """
    return "".join(_ESCAPED.get(letter, letter) for letter in " ".join(text.split()))


def bold(content: str) -> str:
    """Set in bold.

    Args:
        content: Already escaped.
    """
    return rf"\textbf{{{content}}}"


def underlined(content: str) -> str:
    """Set with a line below.

    Args:
        content: Already escaped.
    """
    return rf"\underline{{{content}}}"


@dataclass(frozen=True)
class Tabular:
    """A table with its caption; all is escaped already.

    Attributes:
        label: To refer to it, as in ``tab:LABEL``.
        caption: What it shows.
        heads: Of the columns.
        rows: The cells.
        texts: How many leading columns are set to the left, the others to the right.
    """

    label: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1

    def __str__(self) -> str:
        """The whole table environment; it needs the package booktabs."""
        columns = "l" * self.texts + "r" * (len(self.heads) - self.texts)
        return "\n".join(
            [
                "% \\usepackage{booktabs}",
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{self.caption}}}",
                rf"\label{{tab:{self.label}}}",
                *tabular(columns, self.heads, self.rows),
                r"\end{table}",
                "",
            ]
        )
