"""What each dependency costs: MB on the disk, seconds to install, seconds to import.

.venv/bin/python analysis/dependencies.py [--install]

Of a library of the base, what only it brings is what the base would do without, if that one were left out; of a library
of an extra, what it brings beside the base. MB (10^6 bytes) are those of the installed files, compiled ones included;
seconds are a processor's, which other load does not change much. With --install each is installed once more, with what
only it brings and nothing else, into an empty folder.
"""

import argparse
import resource
import subprocess
import sys
from importlib.metadata import Distribution, packages_distributions
from tempfile import TemporaryDirectory

from requirements import BASE, OF_USERS, closure, direct, installed

TIMES = 3


def megabytes(library: Distribution) -> float:
    """What the files of a library take."""
    files = [path.locate() for path in library.files or []]
    return sum(file.stat().st_size for file in map(type(library.locate_file("")), files) if file.is_file()) / 1e6


def module_of(library: str) -> str:
    """The module that Python imports of a library."""
    held = {name: one for name, found in packages_distributions().items() for one in found}
    named = [name for name, one in held.items() if one.lower().replace("_", "-") == library and name[0] != "_"]
    return min(named, key=lambda name: (name.lower().replace("_", "-") != library, len(name)))


def processor_seconds(*command: str) -> float | None:
    """What a command and its children take; None where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if subprocess.run(command, capture_output=True).returncode:
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def import_seconds(module: str) -> float | None:
    """The least of some fresh processes' seconds for an import, beyond those of Python itself."""
    times = [[processor_seconds(sys.executable, "-c", code) for _ in range(TIMES)] for code in ("", f"import {module}")]
    bare, own = ([one for one in found if one is not None] for found in times)
    return max(min(own) - min(bare), 0.0) if own else None


def install_seconds(libraries: list[Distribution]) -> float | None:
    """What pip takes to fetch, unpack and compile libraries."""
    with TemporaryDirectory() as folder:
        wanted = [f"{library.name}=={library.version}" for library in libraries]
        options = ("--quiet", "--no-deps", "--target", folder)
        return processor_seconds(sys.executable, "-m", "pip", "install", *options, *wanted)


def shown(seconds: float | None) -> str:
    """Seconds as the table has them."""
    return "–" if seconds is None else f"{seconds:.2f}"


def main() -> None:
    """Print a table in Markdown for the base and every extra."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--install", action="store_true")
    options = parser.parse_args()
    held = installed()
    base = closure(direct(BASE), held)
    print("| of | library | MB | with what only it brings | libraries | s to import | s to install |")
    print("|---|---|---|---|---|---|---|")
    for extra in (BASE, *(extra for extra in OF_USERS if direct(extra) <= held.keys())):
        names = sorted(direct(extra))
        for name in names:
            others = closure(set(names) - {name}, held) if extra == BASE else base
            only = closure([name], held) - others
            sizes = [megabytes(held[one]) for one in only]
            installing = shown(install_seconds([held[one] for one in only])) if options.install and only else ""
            sizes_of = f"{megabytes(held[name]):.1f} | {sum(sizes):.0f} | {len(only)}"
            importing = shown(import_seconds(module_of(name)))
            print(f"| {extra} | {name} {held[name].version} | {sizes_of} | {importing} | {installing} |", flush=True)
        whole = closure(names, held) - (set() if extra == BASE else base)
        print(
            f"| **{extra}** | all | | **{sum(megabytes(held[one]) for one in whole):.0f}** | {len(whole)} | | |",
            flush=True,
        )


if __name__ == "__main__":
    main()
