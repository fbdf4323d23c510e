"""Record the files that a user's functions read in the folder of their code.

For each version of a user's code, a record in the data directory lists the files that the code has
read, with their digests at the first reading. If a file that the code reads changes, the benchmark
has another fingerprint and counts as a different benchmark.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from surrogate_nas.core import UserError, is_users_file, json_check, json_digest
from surrogate_nas.files import home, locked, write_whole
from surrogate_nas.files.opened import Opened, digest_of, heard, state_of


class FilesRead:
    """The record of files that one version of a user's code has read.

    Attributes:
        folder: The folder of the user's code. Files in subfolders of this folder are recorded, too.
        at_start: Digests of those recorded files that had already changed when the benchmark was
            opened, by file name.
    """

    def __init__(self, folder: Path, code: str, imported: Opened | None = None) -> None:
        """Open the record of a user's folder and code.

        Args:
            folder: The user's folder.
            code: A digest of the code.
            imported: The files that were opened when the code was imported, or None.
        """
        self.folder = folder if imported is None else imported.folder
        self._code = code
        self.at_start = self._changed()
        if imported is not None:
            self.note(imported)
            self.at_start = self._changed()

    @property
    def fingerprint(self) -> str:
        """A digest of the user's code and of the files that have changed since the code first read
        them.
        """
        return json_digest([self._code, self.at_start]) if self.at_start else self._code

    @property
    def are_stale(self) -> bool:
        """Whether a recorded file has changed since the benchmark was opened."""
        return self._changed() != self.at_start

    @property
    def _path(self) -> Path:
        return home() / "read" / f"{self._code}.json"

    def _stored(self) -> dict[str, Any]:
        """Read the first digest of each file, and the names of files that the code writes."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if content.pop("check") != json_check(content):
                raise ValueError
        except FileNotFoundError:
            return {"first": {}, "written": []}
        except (OSError, ValueError, LookupError, AttributeError) as error:
            raise UserError(
                f"{self._path} is damaged. Delete it, and the results in other folders that were"
                " made with these files, if the files have changed since."
            ) from error
        return dict(content)

    def _digest(self, name: str, first: Mapping[str, Any]) -> str:
        state = state_of(self.folder / name)
        digest, *before = first.get(name, [""])
        return digest if before == list(state) else digest_of(self.folder / name, state)

    def now(self, names: Iterable[str] = ()) -> dict[str, str]:
        """Return the current digests, by file name, of all files that the code has read and of some
        further files.
        """
        stored = self._stored()
        read = {*stored["first"], *names} - {*stored["written"]}
        return {name: self._digest(name, stored["first"]) for name in sorted(read)}

    def _changed(self) -> dict[str, str]:
        """Return the digests of the files that have changed since they were first read."""
        first = self._stored()["first"]
        return {name: now for name, now in self.now().items() if now != first[name][0]}

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Record the files that the user's code reads inside the ``with`` block.

        Raises:
            UserError: A recorded file has changed since the benchmark was opened.
        """
        try:
            with heard(self.folder) as opened:
                yield
        finally:
            self.note(opened)

    def note(self, opened: Opened) -> None:
        """Add files that the user's code has opened to the record.

        Raises:
            UserError: A recorded file has changed since the benchmark was opened.
        """
        if not opened.read and not opened.written:
            return
        stored = self._stored()
        if self._add(opened, stored):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._path):
                stored = self._stored()
                self._add(opened, stored)
                write_whole(
                    self._path, json.dumps({**stored, "check": json_check(stored)})
                )

    def _add(self, opened: Opened, stored: dict[str, Any]) -> bool:
        """Add new files to the record, and return whether there were any."""
        first, written = stored["first"], {*stored["written"]} | opened.written
        is_new = len(written) > len(stored["written"])
        stored["written"] = sorted(written)
        for name in written & first.keys():
            del first[name]
        for name, state in sorted(opened.read.items()):
            path = self.folder / name
            if name in written or path.is_dir():
                continue
            if name not in first:
                new = state if state.size or state.written else state_of(path)
                # the code's own, written past Python's reports
                if opened.begun <= new.written <= time.time_ns():
                    continue
                first[name] = [digest_of(path, state), *state]
                is_new = True
            right = self.at_start.get(name, first[name][0])
            if state != state_of(path) or self._digest(name, first) != right:
                raise UserError(
                    f"{path} changed while the benchmark was in use, and results of two versions"
                    " are never mixed. Repeat the command with another folder (--out, in Python"
                    " folder=). A training must write its files into trial.folder."
                )
        return is_new


def folder_of(function: object) -> Path:
    """Return the folder of the file that defines a function or class. If there is no file, return
    the working directory.
    """
    kind = function if hasattr(function, "__module__") else type(function)
    folder = _folder_of_module(kind.__module__)
    script = _folder_of_module("__main__")
    is_below = folder.is_relative_to(script) and not is_users_file(kind.__module__)
    return script if is_below else folder


def _folder_of_module(name: str) -> Path:
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path.cwd() if file is None else Path(file).absolute().parent
