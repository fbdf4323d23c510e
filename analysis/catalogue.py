"""Write data/catalogue.json: what the tables of all sources hold, so that a list need not read or
assemble any.

SURROGATE_NAS_MIRROR=… .venv/bin/python analysis/catalogue.py [SOURCE …]; takes minutes where no
source is named, and the tables of the others stay as they are where one is. A source that an
installed package makes is described as the package alone makes it, before anything is fetched.
"""

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ENTRIES = ("title", "space", "cells", "metrics", "source", "banner")


def entry(name: str) -> dict[str, object]:
    """What a table says of itself.

    Args:
        name: A benchmark whose data is here.
    """
    from surrogate_nas.benchmarks.table import TableBenchmark
    from surrogate_nas.files import table_path
    from surrogate_nas.tables import write_table
    from surrogate_nas.tables.sources.base import SOURCES, source_of

    path = table_path(name)
    table = SOURCES.find(source_of(name) or "").read(name)
    # single seeds are not told, and take long to write
    table.columns = {
        key: values for key, values in table.columns.items() if key.seed == "mean"
    }
    write_table(table, path)
    held = TableBenchmark(path).describe()
    path.unlink()
    return {key: held[key] for key in ENTRIES}


def main() -> None:
    """Describe every benchmark of every source, or of those that are named."""
    from surrogate_nas.files.whole import HOME_VARIABLE
    from surrogate_nas.tables.sources.base import declared, sources
    from surrogate_nas.tables.sources.fetching import fetch

    place = Path(__file__).parents[1] / "data" / "catalogue.json"
    named = sys.argv[1:]
    found: dict[str, object] = json.loads(place.read_text()) if named else {}
    with TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        for name in named or sources():
            source = declared(name)
            if not source.package:
                fetch(name)
            for benchmark in source.names:
                found[benchmark] = entry(benchmark)
                print(benchmark, file=sys.stderr, flush=True)
    place.write_text(
        json.dumps(found, separators=(",", ":"), sort_keys=True).replace('},"', '},\n"')
        + "\n"
    )


if __name__ == "__main__":
    main()
