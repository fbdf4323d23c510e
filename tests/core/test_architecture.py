"""The map of rooms: imports flow one way, and opening the front door is quick."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import surrogate_nas
from surrogate_nas.space import SPACES
from tests.rooms import ROOMS

PACKAGE = Path(surrogate_nas.__file__).parent
OPEN_TO = {
    "strategies": {"core", "files", "runtime", "space", "surrogates", "strategies"},
    "space": {"core", "files", "space"},
}
"""Strategies import nothing that knows an answer."""
HEAVY = {
    "torch",
    "llvmlite",
    "pandas",
    "sklearn",
    "xgboost",
    "matplotlib",
    "scipy",
    "statsmodels",
    "h5py",
    "numpy",
    "joblib",
    "msgspec",
}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path):
    return ".".join(
        path.relative_to(PACKAGE.parent).with_suffix("").parts
    ).removesuffix(".__init__")


@cache
def nodes(path):
    """Everything in a file as it is parsed, which several tests look at."""
    return list(ast.walk(ast.parse(path.read_text())))


MODULES = {module_of(path) for path in PACKAGE.rglob("*.py")}


def imports(path):
    """Every module of this package that a file imports: at its top, inside a function, or by its
    name in a text.
    """
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (
                name.name
                for name in node.names
                if name.name.split(".")[0] == "surrogate_nas"
            )
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            if (node.module or "").split(".")[0] == "surrogate_nas":
                named = [f"{node.module}.{name.name}" for name in node.names]
                yield from (
                    name if name in MODULES else str(node.module) for name in named
                )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if (name := node.value.partition(":")[0]) in MODULES and "." in name:
                yield name


FILES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py" or path.parent != PACKAGE
)


def test_every_room_has_its_place():
    assert {room(path) for path in FILES} == set(ROOMS)


def test_every_folder_of_code_is_a_package():
    assert not [
        path.parent for path in FILES if not (path.parent / "__init__.py").is_file()
    ]


def test_a_module_imports_only_from_rooms_above_it_and_none_in_circles():
    arrows = {}
    for path in FILES:
        above = ROOMS[: ROOMS.index(room(path)) + 1]
        for module in imports(path):
            assert module != "surrogate_nas", f"{path} imports the front door"
            assert module.split(".")[1] in above, f"{path} imports {module}"
            arrows.setdefault(module_of(path), set()).add(module)
    TopologicalSorter({one: others - {one} for one, others in arrows.items()}).prepare()
    assert len(ROOMS) <= 20


def test_experiments_use_public_names_and_the_package_uses_none_of_theirs():
    """No name of the package that begins with an underscore."""
    private = {f"_{word}" for word in "asdict fields replace exit build_block".split()}
    for path in (PACKAGE.parent / "analysis").rglob("*.py"):
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
                own = isinstance(node.value, ast.Name) and node.value.id in (
                    "self",
                    "cls",
                )
                is_private = node.attr.startswith("_") and node.attr not in private
                assert own or not is_private, f"{path}:{node.lineno} uses {node.attr}"
            if isinstance(node, ast.ImportFrom):
                for name in node.names:
                    whole = f"{node.module}.{name.name}"
                    is_private = re.match(r"surrogate_nas\b.*\._(?!_)", whole)
                    assert not is_private, f"{path} imports {whole}"
    for path in FILES:
        assert "import analysis" not in path.read_text(), path
        assert "from analysis" not in path.read_text(), path


@pytest.mark.parametrize("name", OPEN_TO)
def test_a_room_imports_only_what_is_open_to_it(name):
    for path in FILES:
        if room(path) == name:
            assert {module.split(".")[1] for module in imports(path)} <= OPEN_TO[
                name
            ], path


def test_no_file_of_tests_imports_from_another():
    """What several share stands in a module of its own, so that a file of tests can be changed by
    itself.
    """
    for path in Path(__file__).parents[1].rglob("*.py"):
        assert not re.search(
            r"^\s*from tests\.(\S+\.)?test_", path.read_text(), re.M
        ), path


def test_nothing_is_evaluated_as_code():
    for path, _, called in calls():
        assert called not in ("eval", "exec", "compile"), path


@cache
def calls():
    """Every call in a file, with what is called."""
    return [
        (path, node, ast.unparse(node.func))
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Call)
    ]


def test_pickles_are_read_through_the_allow_list_only():
    for path, call, called in calls():
        owner, _, function = called.rpartition(".")
        assert called != "pd.read_pickle", path
        if owner in ("pickle", "cloudpickle", "joblib") and function in (
            "load",
            "loads",
        ):
            # these read in a process of ours what we sent it
            assert room(path) in ("contract", "runtime"), f"{path} unpickles plainly"
        if called == "torch.load":
            assert "weights_only=True" in map(ast.unparse, call.keywords), path


def loaded_after(code):
    """The top-level modules that a fresh process has loaded after some code."""
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; print(' '.join(m for m in sys.modules if '.' not in m))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        timeout=600,
    )
    return set(made.stdout.split())


@pytest.mark.parametrize("module", ["surrogate_nas", "surrogate_nas.cli"])
def test_importing_loads_nothing_heavy(module):
    assert not loaded_after(f"import {module}") & HEAVY


def test_data_and_measures_of_a_task_load_neither_torch_nor_scikit_learn():
    code = """
import numpy as np
from surrogate_nas.training import TASKS
from surrogate_nas.training.engine import TRAINERS
from surrogate_nas.training.machine import cores, device_named
from surrogate_nas.training.metrics import METRICS, Predictions

task = TASKS["digits"]
weights = np.random.default_rng(0).normal(size=(1, 64, 10)).astype(np.float32)
answer = lambda inputs: np.einsum("ni,kic->knc", inputs.reshape(len(inputs), -1), weights)
slope = lambda inputs, of: np.einsum("knc,kic->kni", of(answer(inputs)), weights).reshape(1, *inputs.shape)
with cores(1):
    inputs, targets = task.data["valid"]
    answers = Predictions(answer(inputs), targets, inputs, task, answer, slope)
    told = {measure.name: measure.of(answers) for measure in (*task.measured, METRICS["brier"])}
    batches = list(TRAINERS["supervised"](task, task.data, seed=0).batches(0, answer))
assert device_named("cpu") == "cpu" and len(batches) == 10 and len(task.digest) == 64
assert 0 < told["error"] < told["robust_error"] <= 100, told
"""  # noqa: E501
    assert not loaded_after(code) & {"torch", "sklearn", "scipy", "pandas", "numba"}


LIGHT = (
    "benchmarks",
    "path",
    "strategies",
    "losses",
    "query fashion 11",
    "--version",
    "compare --help",
    "new space Thing",
)
"""Commands that only list, read or write a text."""


def test_what_only_reads_loads_nothing_slow(tmp_path):
    """In Python and from the command line, one after the other in one process."""
    slow = HEAVY - {"h5py", "numpy", "joblib", "msgspec"}
    code = f"""
import os, sys
os.chdir({str(tmp_path)!r})
import surrogate_nas as sn
bench = sn.load("analog-cifar10")
bench.query(bench.space[0], "params")
assert not {slow!r} & {{*sys.modules}}, "querying in Python"
from surrogate_nas.cli import main
sys.stdout = open(os.devnull, "w")
for command in {LIGHT!r}:
    sys.argv = ["snas", *command.split()]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, command
    assert not {slow!r} & {{*sys.modules}}, command
sys.stdout = sys.__stdout__
"""
    assert loaded_after(code)


def test_every_public_name_opens():
    assert len(surrogate_nas.__all__) <= 70
    for name in surrogate_nas.__all__:
        assert getattr(surrogate_nas, name) is not None
    shown = {name for name in dir(surrogate_nas) if not name.endswith("__")}
    assert shown == set(surrogate_nas.__all__)
    with pytest.raises(AttributeError, match="no attribute 'serach'") as raised:
        surrogate_nas.serach  # noqa: B018
    # with these Python says "Did you mean: 'search'?"
    assert (raised.value.name, raised.value.obj) == ("serach", surrogate_nas)


def test_a_former_name_opens_and_is_not_listed():
    name = "EnumerableChoiceSpace"
    assert hasattr(surrogate_nas, name) and name not in surrogate_nas.__all__


def test_nothing_outside_a_space_s_folder_names_it():
    """The front door, the sources that are about it, and the contract's default spaces
    do.
    """
    modules = {place.partition(":")[0] for place in SPACES.places.values()}
    for path in FILES:
        if room(path) in ("space", "tables", "contract"):
            continue
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "surrogate_nas.space"
            ):
                taken = {node.module, *(name.name for name in node.names)}
                assert not taken & {*modules, *SPACES, "NB201"}, path
