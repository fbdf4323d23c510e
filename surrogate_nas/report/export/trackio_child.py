"""Run by itself in an environment that says where: writes the runs on standard input, a JSON document a line."""

import json
import sys


def main() -> None:
    """Write every run."""
    from trackio.sqlite_storage import SQLiteStorage

    for line in sys.stdin:
        SQLiteStorage.bulk_log(**json.loads(line))


if __name__ == "__main__":
    main()
