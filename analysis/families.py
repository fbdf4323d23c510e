"""The mean regrets of `bo` and of its closest rival on each problem of the suite `families`, by its
archive: the table in `analysis/families.md`.

    python analysis/families.py
"""

import json
import zipfile
from collections import defaultdict
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


def regrets(archive: zipfile.ZipFile, problem: str) -> dict[str, list[float]]:
    """The final regrets of every strategy, in the order of its runs: 0 is the optimum, 1 random
    sampling.

    Args:
        archive: Of a suite.
        problem: Its name there.
    """
    reference = json.loads(archive.read(f"problems/{problem}/experiment.json"))[
        "reference"
    ]
    optimum, *_, sampled = reference["optimum"], *reference["random"]
    found = defaultdict(list)
    for name in sorted(archive.namelist()):
        if name.startswith(f"problems/{problem}/runs/"):
            trials = map(json.loads, archive.read(name).splitlines())
            best = min(trial["score"] for trial in trials if trial.get("feasible"))
            strategy = unquote(Path(name).stem).rpartition("-")[0]
            found[strategy].append((best - optimum) / (sampled - optimum))
    return found


def mean(values: list[float]) -> str:
    """A mean with its 95 % interval.

    Args:
        values: One a run.
    """
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    reach = stats.t.ppf(0.975, len(values) - 1) * error
    middle = np.mean(values)
    low, high = middle - reach, middle + reach
    texts = (
        f"{number + 0:.2f}".replace("-", "−")
        for number in np.round((middle, low, high), 2)
    )
    return "{} [{}, {}]".format(*(text.replace("0.", ".", 1) for text in texts))


def table() -> str:
    """The table in Markdown, a line a problem."""
    lines = []
    with zipfile.ZipFile(ARCHIVE) as archive:
        for problem in json.loads(archive.read("plan.json"))["problems"]:
            found = regrets(archive, problem)
            rival = min(
                (name for name in found if name != LEADER),
                key=lambda n: np.mean(found[n]),
            )
            paired = np.subtract(found[LEADER], found[rival]).tolist()
            cells = (
                mean(found[LEADER]),
                f"`{rival}`",
                mean(found[rival]),
                mean(paired),
            )
            lines.append((problem, *cells))
    return markdown(HEADS, lines)


if __name__ == "__main__":
    put(TOP / "analysis" / "families.md", "analysis/families.py", table())
