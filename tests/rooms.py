"""The rooms of the package."""

ROOMS = [
    "version",
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

MODULES = ("version", "__main__")
"""Those that are one module and no folder."""
