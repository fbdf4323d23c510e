"""A file of sealed lines that grows while long work goes on and survives any crash.

The first line says what the work is; another work's file is never continued, nor a damaged one. A line that a crash
tore is dropped. One process writes at a time; a second one waits.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.chain import Chain, DamagedError, read_chain
from surrogate_nas.files.formats import FORMATS, check_first_line, stamp
from surrogate_nas.files.regular import read_regular

_ROOT = f"journal {FORMATS['journal'].version}"


class Journal:
    """One writer's file, open for appending; without a path everything stays in memory.

    Attributes:
        path: The file, or None.
        header: The first line: of the work when it began.
        entries: The further lines, those appended included.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "work.journal"
        ...     with Journal(path, {"epochs": 12}) as journal:
        ...         journal.append({"cell": 11, "error": 8.5})
        ...     with Journal(path, {"epochs": 12}) as journal:  # after a crash: goes on
        ...         journal.append({"cell": 12, "error": 7.9})
        ...     [entry["cell"] for entry in Journal.read(path, {"epochs": 12})]
        [11, 12]
    """

    def __init__(self, path: Path | None, settings: dict[str, Any], notes: dict[str, Any] | None = None) -> None:
        """Begin, or go on where an earlier process stopped.

        Args:
            path: The file; None to keep nothing.
            settings: What must agree for the work to go on.
            notes: Further content of the first line, which need not agree.

        Raises:
            UserError: The file cannot be written, is damaged, or is of another work.
        """
        self.path = path
        self.header: dict[str, Any] = json.loads(json.dumps({"settings": settings, **(notes or {})}))
        self.entries: list[Any] = []
        self._chain: Chain | None = None
        if path is None:
            return
        try:
            check_first_line(path, "journal")
            self._chain = Chain(path, _ROOT, self._accept)
            if not self._chain.entries:
                self._chain.append({**stamp("journal"), **self.header})
        except DamagedError as error:
            raise self.damaged(error) from error
        except OSError as error:
            raise self._cannot_write(error) from error

    @classmethod
    def read(cls, path: Path, settings: dict[str, Any]) -> list[Any]:
        """What a journal holds by now, also while another process adds to it; nothing where there is none.

        Args:
            path: The file.
            settings: What must agree.

        Raises:
            UserError: The file cannot be read, is damaged, or is of another work.
        """
        journal = cls(None, settings)
        journal.path = path
        try:
            check_first_line(path, "journal")
            journal._accept([link.entry for link in read_chain(read_regular(path), _ROOT)])
        except FileNotFoundError:
            return []
        except DamagedError as error:
            raise journal.damaged(error) from error
        except OSError as error:
            raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
        return journal.entries

    def _accept(self, lines: list[dict[str, Any]]) -> int:
        if not lines:
            return 0
        wanted = self.header["settings"]
        try:
            self.header = lines[0]
            self.entries = [line["entry"] for line in lines[1:]]
            held = dict(self.header["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise self.damaged(error) from error
        if held != wanted:
            differing = ", ".join(sorted(key for key in {*held, *wanted} if held.get(key) != wanted.get(key)))
            raise UserError(
                f"{self.path} holds interrupted work with other settings ({differing}). "
                "Finish that, delete it, or choose another place."
            )
        return len(lines)

    def damaged(self, error: Exception) -> UserError:
        """What to raise where a line is not what it should be.

        Args:
            error: What is wrong with it.
        """
        return UserError(f"{self.path} is damaged ({error}). Delete it to begin anew.")

    def append(self, entry: Any) -> None:
        """Add a line, which is safe on the disk a fifth of a second later or when the journal is closed.

        Args:
            entry: Anything that JSON can hold.

        Raises:
            UserError: The disk is full.
        """
        if self._chain is not None:
            try:
                self._chain.append({"entry": entry})
            except OSError as error:
                raise self._cannot_write(error) from error
        self.entries.append(entry)

    def commit(self) -> None:
        """Wait until every line is safe on the disk.

        Raises:
            UserError: The disk is full.
        """
        if self._chain is not None:
            try:
                self._chain.commit()
            except OSError as error:
                raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> UserError:
        return UserError(f"Cannot write {self.path}: {error.strerror or error}. What was finished is kept.")

    def close(self) -> None:
        """Close the file; where nothing was added to its first line, remove it.

        Raises:
            UserError: The disk is full.
        """
        if self._chain is None or self.path is None:
            return
        chain, self._chain = self._chain, None
        try:
            if not self.entries:
                self.path.unlink(missing_ok=True)
            chain.close()
        except OSError as error:
            raise self._cannot_write(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
