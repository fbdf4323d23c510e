"""Every figure of a report as vectors: an SVG and a PDF each, and their captions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from surrogate_nas.files import replacing
from surrogate_nas.report.exporting import Format
from surrogate_nas.report.reading import Results, Source, Study, results_of

if TYPE_CHECKING:
    from surrogate_nas.report.picture import Picture


def write_figures(source: Source, out: str | Path) -> list[Path]:
    """Draw the figures of the report again for papers; each file is whole or as it was before.

    Args:
        source: A results folder, or a comparison. Of a suite the figures of all problems together come first, then each
            problem's own in a folder of its name; of a path over λ likewise.
        out: The folder to write to, made if it is missing.

    Returns:
        The files, ``captions.txt`` the last.

    Raises:
        UserError: There is nothing to export, or the folder cannot be written.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> made = sn.compare("fashion", ["random"], "valid_loss", runs=1, budget=2)
        >>> with TemporaryDirectory() as folder:
        ...     sorted(file.name for file in write_figures(made, folder) if file.stem == "final-scores")
        ['final-scores.pdf', 'final-scores.svg']
    """
    results, out = results_of(source), Path(out)
    written, captions = [], []
    for folder, picture in _pictures(results):
        name = f"{folder}{picture.name}"
        captions.append(f"{name}: {picture.caption}\n")
        for ending, content in picture.vectors().items():
            written.append(out / f"{name}.{ending}")
            with replacing(written[-1]) as temporary:
                temporary.write_bytes(content)
    written.append(out / "captions.txt")
    with replacing(written[-1]) as temporary:
        temporary.write_text("".join(captions), encoding="utf-8", errors="backslashreplace")
    return written


def _pictures(results: Results) -> Iterator[tuple[str, Picture]]:
    """Every figure with its folder."""
    from surrogate_nas.report.page import Page

    whole = results.suite if results.path is None else results.path
    if whole is not None:
        yield from (("", picture) for picture in Page(Study(whole)).pictures)
    for part in results.parts:
        yield from ((part.folder, picture) for picture in Page(Study(part.comparison)).pictures)


EXPORT = Format(write_figures, "figures", "Captions: {out}/captions.txt")
