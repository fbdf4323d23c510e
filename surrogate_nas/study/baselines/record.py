"""What a baseline found and what our strategies found, as a results folder keeps it: one sealed file a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Journal, replacing
from surrogate_nas.files.content import made

FOLDER = "baselines"
_SETTINGS = {"what": "a baseline", "version": 1}


@dataclass(frozen=True)
class Found:
    """The network that a system or a strategy chose by the validation split.

    Attributes:
        by: The system's or the strategy's name.
        architecture: Of the system's network in its own words, or our cell.
        valid: The measure that judges the task, on the validation split.
        test: The same on the test split, which no search saw.
        parameters: Trained numbers.
        latency_ms: Median milliseconds of one inference of one example, one thread of a CPU.
        networks: How many networks were trained.
        seconds: What was spent.

    Example:
        >>> ours = Found("bo", "|nor_conv_3x3~0|+…", 2.5, 3.1, parameters=5018, latency_ms=0.4, networks=9, seconds=58)
        >>> ours.by, ours.test
        ('bo', 3.1)
    """

    by: str
    architecture: str
    valid: float
    test: float
    parameters: int
    latency_ms: float
    networks: int
    seconds: float


@dataclass(frozen=True)
class Baseline:
    """A system's search and, on the same task for the same seconds, those of our strategies.

    Attributes:
        system: The system's name.
        versions: Of what it ran on.
        digest: Of the task (see `Task.digest`).
        task: The task's name.
        measure: What judges the task.
        unit: Of the measure.
        limit: The seconds that each was given.
        seed: Of the system's search.
        note: What a reader must know of how it was run.
        found: The system's network first, then one for each strategy.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> about = ("autokeras", "autokeras 3", "", "digits", "error", "%", 120.0, 0, "one search")
        >>> found = Found("autokeras", "a network", 2.2, 3.3, 400_000, 1.9, networks=4, seconds=120.0)
        >>> made = Baseline(*about, found=(found,))
        >>> with TemporaryDirectory() as folder:
        ...     _ = made.keep(Path(folder))
        ...     read_baselines(Path(folder)) == [made]
        True
    """

    system: str
    versions: str
    digest: str
    task: str
    measure: str
    unit: str
    limit: float
    seed: int
    note: str
    found: tuple[Found, ...]

    def keep(self, folder: Path) -> Path:
        """Write it to a results folder.

        Args:
            folder: The folder.

        Returns:
            The file.

        Raises:
            UserError: The folder cannot be written.
        """
        path = _path(folder, self.system)
        with replacing(path) as temporary, Journal(temporary, _SETTINGS) as journal:
            journal.append(asdict(self))
        return path


def read_baselines(folder: Path) -> list[Baseline]:
    """The baselines of a results folder, by their systems' names.

    Args:
        folder: The folder.

    Raises:
        UserError: A file is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     read_baselines(Path(folder))
        []
    """
    return [_read(path) for path in sorted((folder / FOLDER).glob("*.jsonl"))]


def _path(folder: Path, system: str) -> Path:
    return folder / FOLDER / f"{system}.jsonl"


def _read(path: Path) -> Baseline:
    entries = Journal.read(path, _SETTINGS)
    try:
        (content,) = entries
        return _made(content)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}). Delete it and run snas baseline again.") from error


def _made(content: Mapping[str, Any]) -> Baseline:
    rest = {name: value for name, value in content.items() if name != "found"}
    return made(Baseline, rest, found=tuple(made(Found, one) for one in content["found"]))
