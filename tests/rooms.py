"""The rooms of the package."""

ROOMS = [
    "core",
    "files",
    "runtime",
    "space",
    "surrogates",
    "strategies",
    "tables",
    "training",
    "benchmarks",
    "objective",
    "stats",
    "runs",
    "results",
    "contract",
    "report",
    "cli",
    "__main__",
]
"""In the order that data flows."""
