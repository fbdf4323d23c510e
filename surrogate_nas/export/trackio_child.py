"""Run by itself in an environment that says where: writes the runs on standard input, a JSON document a line."""

import json
import sys

from trackio.sqlite_storage import SQLiteStorage

if __name__ == "__main__":
    for line in sys.stdin:
        SQLiteStorage.bulk_log(**json.loads(line))
