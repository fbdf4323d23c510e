"""The folder that is served: which file or folder an address means, and the addresses of both."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

from surrogate_nas.files.regular import open_regular
from surrogate_nas.report.reading import kind_of

REPORT = "report.html"
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
}
"""Of files that are served, by the suffixes of their names."""
_LINKS = {
    REPORT: "report",
    "explore.html": "explorer",
    "summary.json": "summary (JSON)",
    "suite.json": "summary (JSON)",
}
"""Files of a finished comparison or suite, and the texts of the links to them."""
_FORBIDDEN = {"/", "\\", "\0"}


class Router:
    """Resolves addresses within one folder; nothing outside it or hidden is found."""

    def __init__(self, root: Path) -> None:
        """Take an existing folder."""
        self.root = root.resolve()

    def find(self, path: str) -> Path | None:
        """The file or folder of an address, each part of it quoted; None where there is none.

        A link is followed if it ends inside.
        """
        try:
            parts = [unquote(part, errors="strict") for part in path.split("/")] if path else []
            for part in parts:
                if not part or part.startswith(".") or set(part) & _FORBIDDEN:
                    return None
            target = self.root.joinpath(*parts).resolve(strict=True)
        except (OSError, RuntimeError, UnicodeError):
            return None
        return target if target.is_relative_to(self.root) else None

    def open(self, path: str) -> tuple[BinaryIO, str] | None:
        """A file, which the caller closes, and its content type; None where it is not served."""
        file = self.find(path)
        if file is None or file.suffix.lower() not in _CONTENT_TYPES:
            return None
        try:
            return open_regular(file, follow=False), _CONTENT_TYPES[file.suffix.lower()]
        except OSError:
            return None

    def page_address(self, folder: Path) -> str:
        """The address of the page of a folder of results."""
        return f"/at/{self._quoted(folder)}"

    def file_address(self, folder: Path, name: str) -> str:
        """The address of a file in a folder."""
        return f"/files/{self._quoted(folder)}{quote(name)}"

    def _quoted(self, folder: Path) -> str:
        return "".join(f"{quote(part)}/" for part in folder.relative_to(self.root).parts)

    def links(self, folder: Path) -> list[tuple[str, str]]:
        """Texts and addresses of links to the files of a finished comparison or suite."""
        files = {name: text for name, text in _LINKS.items() if (folder / name).is_file()}
        for table in sorted((folder / "tables").glob("*.csv")):
            files[f"tables/{table.name}"] = table.name
        return [(text, self.file_address(folder, name)) for name, text in files.items()]

    @property
    def results(self) -> list[Path]:
        """The folders of results right in the root, by name, without hidden ones and links."""
        try:
            inside = sorted(self.root.iterdir())
        except OSError:
            return []
        folders = [one for one in inside if one.is_dir() and not one.is_symlink()]
        return [one for one in folders if not one.name.startswith(".") and kind_of(one)]
