"""Write the Croissant metadata of the tables in data/, beside them.

    python analysis/croissant.py

What a table holds is read from the table and its card; here is what neither says. The documents
are written again where a table changes; tests/tables/test_croissant.py holds them against it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surrogate_nas.files.formats import this_release
from surrogate_nas.tables.croissant import ENDING, write_croissant

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
MAKER = "surrogate_nas developers"
COMMON = {
    "creator": {"@type": "sc:Organization", "name": MAKER},
    "datePublished": "2026-11-25",
    "license": "https://spdx.org/licenses/MIT.html",
    "citeAs": (
        "@misc{surrogate_nas, title = {surrogate_nas}, author = {{" + MAKER + "}},"
        f" version = {{{this_release()}}}, year = {{2026}}}}"
    ),
    "rai:dataSocialImpact": (
        "None is known. Networks are small and are not part of the tables; energy was spent on"
        " training them once, so that others need not."
    ),
    "rai:dataReleaseMaintenancePlan": (
        "A table is replaced whole, with a new checksum here; earlier ones are in the repository's"
        " history. A new release of the package comes with the tables that belong to it."
    ),
}
SMALL = (
    "Networks have three cells and 4 to 16 channels, data sets hundreds to thousands of small"
    " examples, runs last seconds: nothing here shows how large networks train."
)
LIMITS = {
    "fashion": [
        SMALL,
        "Cells that compute the same function share one training.",
        "Latency was measured on one processor for 500 cells and is predicted for the others.",
        "500 of 5,044 classes have three seeds, the others one.",
    ],
    "proxies-nb201": [SMALL, "One seed and one batch: how far a score scatters is not known."],
    "losses": [
        SMALL,
        "Learning rates are those of the usual loss; no other loss was tuned.",
        "Tasks were chosen by how well two seeds agree, or are marked where they do not.",
        "Tables of 25 November 2026 are of earlier versions of the tasks, with two seeds.",
        "Several tasks are made of one source of data and are no independent evidence.",
    ],
}
BIASES = {
    "losses": [
        "Six of the tasks are made of scikit-learn's digits; texts are in European languages."
    ]
}
ABOUT = {
    "losses": (
        "The same cells, mostly of the NAS-Bench-201 space, trained on every task with every"
        " compatible loss by several seeds: losses and measures along and at the end of each run."
        " How, what for, and what not for: data/losses.md."
    )
}


def documents() -> Iterator[tuple[list[Path], Path, dict[str, Any]]]:
    """Every document: its tables, its file, and what its tables do not say."""
    for name in ("fashion", "proxies-nb201", "losses"):
        folder = DATA / name
        tables = sorted(folder.glob("*.h5")) if folder.is_dir() else [DATA / f"{name}.h5"]
        about: dict[str, Any] = {**COMMON, "rai:dataLimitations": LIMITS[name]}
        if name in ABOUT:
            about |= {"description": ABOUT[name], "rai:dataCollection": ABOUT[name]}
        if made := sorted(time for table in tables for time in _made(table)):
            about["datePublished"] = made[-1][:10]
        if name in BIASES:
            about["rai:dataBiases"] = BIASES[name]
        yield tables, DATA / f"{name}{ENDING}", about


def _made(table: Path) -> Iterator[str]:
    """When the first and the last training of each loss ended, as far as its card says."""
    card = json.loads(table.with_suffix(".json").read_text(encoding="utf-8"))
    for loss in card.get("losses", {}).values():
        yield from filter(None, loss.get("made", ()))


def main() -> None:
    """Write all of them."""
    for tables, out, about in documents():
        write_croissant(tables, out, about)
        print(f"{out.relative_to(ROOT)}: {len(tables)} tables")


if __name__ == "__main__":
    main()
