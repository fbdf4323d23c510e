"""How many versions of a user's strategy were run on the same problem and seeds: a search over
one's own edits.

A version is its source with the files that it read. The record lies in ``versions/`` of the home
folder, a file for each strategy, problem and root seed, so that a folder that was deleted and
another ``--out`` forget nothing. A comparison's folder has the count of its last command, so that
its page says the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from surrogate_nas.core.digests import json_check
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import home
from surrogate_nas.files.journal import Chain, DamagedError
from surrogate_nas.runs.sources import Sources

_ROOT = "surrogate_nas versions 1"


def count_version(
    name: str,
    place: Path,
    problem: tuple[str, int],
    sources: Sources,
    files: Mapping[str, str] | None,
) -> int:
    """Note a version of a strategy, and count those that were run on the same problem and seeds.

    Args:
        name: The strategy's label.
        place: The folder of its file.
        problem: The objective's fingerprint and the root seed.
        sources: The text of its code by file.
        files: The digests of what its runs read besides; None before a run has told.

    Returns:
        How many there are with this one; 1 where the home folder cannot be written.

    Raises:
        UserError: The record is not as it was written.
    """
    key = json_check([name, str(place), *problem])
    path = home() / "versions" / f"{key}.jsonl"
    entry = {
        "code": json_check(dict(sources)),
        "files": None if files is None else json_check(dict(files)),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(Chain(path, f"{_ROOT} {key}")) as chain:
            known = list(chain.entries)
            is_known = entry in known or (
                files is None and any(one["code"] == entry["code"] for one in known)
            )
            if not is_known:
                chain.append(entry)
                known.append(entry)
    except DamagedError as error:
        raise UserError(
            f"{path} is damaged: {error}. Delete it; versions are then counted anew."
        ) from error
    except OSError:
        return 1
    whole = {(one["code"], one["files"]) for one in known if one["files"] is not None}
    begun = {one["code"] for one in known} - {code for code, _ in whole}
    return len(whole) + len(begun)


def most_versions(counted: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Of several problems the largest count of each strategy."""
    most: dict[str, int] = {}
    for counts in counted:
        most |= {name: max(n, most.get(name, 0)) for name, n in counts.items()}
    return most
