"""`python -m analysis.answer`: compute the answer from a folder of tables, and write its page."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from analysis.answer.controls import REPEATS
from analysis.answer.findings import find
from analysis.answer.page import answer_picture, summary, write_page
from analysis.answer.regimes import DESIGN
from analysis.marked import put
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import write_whole
from surrogate_nas.report.export.figures import rendered


def main() -> int:
    """Read the command line, and write the page; 2 where the tables are no good."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("data/losses"), help="a folder of tables"
    )
    parser.add_argument(
        "--regimes",
        type=Path,
        default=Path("data/regimes"),
        help="a folder of tables of the second experiment",
    )
    parser.add_argument("--design", type=Path, default=DESIGN, help="that of --regimes")
    parser.add_argument("--out", type=Path, default=Path("results/answer"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, help="studies of each control"
    )
    parser.add_argument(
        "--readme", action="store_true", help="write README's answer too"
    )
    given = parser.parse_args()
    start = time.perf_counter()
    try:
        experiment = given.regimes, given.design
        found = find(given.data, given.workers, given.repeats, experiment=experiment)
        page = write_page(found, given.out)
        if given.readme:
            put(Path("README.md"), "python -m analysis.answer --readme", summary(found))
            picture = rendered(answer_picture(found))
            write_whole(Path("data/pictures/answer.png"), picture["png"])
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{page} ({time.perf_counter() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
