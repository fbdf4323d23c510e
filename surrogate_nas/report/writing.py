"""How a page and its figures reach a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from surrogate_nas.files import replacing
from surrogate_nas.report.picture import Picture


def write_page(html: str, pictures: Iterable[Picture], folder: Path) -> Path:
    """Write ``report.html`` and ``figures/*.png``; each file is whole or as it was before.

    Args:
        html: The page.
        pictures: Its figures.
        folder: Where to write; made if it is missing.

    Returns:
        The path of the page.

    Raises:
        UserError: The folder cannot be written.
    """
    for picture in pictures:
        with replacing(folder / "figures" / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.png)
    path = folder / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8", errors="backslashreplace")
    return path
