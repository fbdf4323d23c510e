"""The mean regrets of `bo` and of its closest rival on each problem of the suite `families`, by its
archive: the table in `analysis/families.md`.

    python analysis/families.py
    python analysis/families.py ARCHIVE    # prints the table of another suite
"""

import json
import sys
import zipfile
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from marked import put
from marked import table as markdown
from scipy import stats

TOP = Path(__file__).parents[1]
ARCHIVE = TOP / "data" / "archives" / "families.zip"
LEADER = "bo"
HEADS = (
    "problem",
    "`bo`",
    "closest rival",
    "its mean regret",
    "`bo` less rival, by paired runs",
)


def regrets(archive: zipfile.ZipFile, problem: str) -> dict[str, dict[str, float]]:
    """The final regrets of every strategy by the number of the run: 0 is the optimum, 1 random
    sampling.

    Args:
        archive: Of a suite.
        problem: Its name there.
    """
    reference = json.loads(archive.read(f"problems/{problem}/experiment.json"))[
        "reference"
    ]
    optimum, *_, sampled = reference["optimum"], *reference["random"]
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name in sorted(archive.namelist()):
        if name.startswith(f"problems/{problem}/runs/"):
            trials = map(json.loads, archive.read(name).splitlines())
            best = min(trial["score"] for trial in trials if trial.get("feasible"))
            strategy, _, run = unquote(Path(name).stem).rpartition("-")
            found[strategy][run] = (best - optimum) / (sampled - optimum)
    return found


def mean(values: Collection[float]) -> str:
    """A mean with its 95 % interval.

    Args:
        values: One a run.
    """
    values = [*values]
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    reach = stats.t.ppf(0.975, len(values) - 1) * error
    middle = np.mean(values)
    low, high = middle - reach, middle + reach
    texts = (
        f"{number + 0:.2f}".replace("-", "−")
        for number in np.round((middle, low, high), 2)
    )
    return "{} [{}, {}]".format(*(text.replace("0.", ".", 1) for text in texts))


def table(path: Path = ARCHIVE) -> str:
    """The table of an archive in Markdown, a line a problem."""
    lines = []
    with zipfile.ZipFile(path) as archive:
        for problem in json.loads(archive.read("plan.json"))["problems"]:
            found = regrets(archive, problem)
            rival = min(
                (name for name in found if name != LEADER),
                key=lambda n: np.mean([*found[n].values()]),
            )
            own, other = found[LEADER], found[rival]
            paired = [own[run] - other[run] for run in own.keys() & other]
            cells = (mean(own.values()), f"`{rival}`", mean(other.values()))
            cells += (mean(paired),)
            lines.append((problem, *cells))
    return markdown(HEADS, lines)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(table(Path(sys.argv[1])))
    else:
        put(TOP / "analysis" / "families.md", "analysis/families.py", table())
