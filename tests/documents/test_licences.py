"""What is said of the project and of what it brings: metadata, the citation file, and the licences
of dependencies.
"""

import csv
import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import surrogate_nas

ROOT = Path(surrogate_nas.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
with (ROOT / "data" / "licences.csv").open(newline="", encoding="utf-8") as _file:
    LICENCES = {row["library"]: row for row in csv.DictReader(_file)}
FREE = (
    r"(0BSD|Apache-2\.0( WITH"
    r" LLVM-exception)?|BSD(-[23]-Clause)?|BSL-1\.0|CC0-1\.0|CNRI-Python|ISC|MIT(-0|-CMU)?|"
    r"PSF-2\.0|Zlib)"
)
"""Licences that bind nobody who passes a library on, but to keep its notice."""
OFFERED = {"base": PROJECT["dependencies"]} | {
    extra: wanted
    for extra, wanted in PROJECT["optional-dependencies"].items()
    if extra not in ("all", "dev")
}
NAMED = [
    (extra, canonicalize_name(one.name))
    for extra, wanted in OFFERED.items()
    for one in map(Requirement, wanted)
    if one.name != PROJECT["name"]
    and (one.marker is None or one.marker.evaluate({"sys_platform": "linux"}))
]


def test_every_named_library_is_listed_with_its_licence():
    for extra, library in NAMED:
        assert extra in LICENCES[library]["named by"].split(), (
            f"{library}: run make lists"
        )
        assert LICENCES[library]["licence"] and LICENCES[library]["version"], library


def test_a_licence_that_is_not_free_or_not_stated_is_explained():
    for library, row in LICENCES.items():
        free = all(
            re.fullmatch(FREE, part.strip("() "))
            for part in re.split(r" AND | OR ", row["licence"])
        )
        assert free or len(row["note"]) > 40, (
            f"{library} is {row['licence']}: say in analysis/licences.py why"
        )


def test_the_base_brings_nothing_that_binds_what_is_built_on_it():
    strong = {
        name
        for name, row in LICENCES.items()
        if re.search(r"(?<!L)GPL|SSPL|CC-BY-NC", row["licence"])
    }
    assert not [
        name
        for name in strong
        if {"base", "benchmarks", "models", "train"}
        & {*LICENCES[name]["brought by"].split()}
    ]
    assert not [name for name in strong if LICENCES[name]["named by"]]


def test_the_citation_file_is_valid_and_of_this_release():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software"
    assert cited["title"] == PROJECT["name"] and cited["license"] == PROJECT["license"]
    assert cited["version"] == surrogate_nas.__version__ and PROJECT["dynamic"] == [
        "version"
    ]
    assert [author["name"] for author in cited["authors"]] == [
        author["name"] for author in PROJECT["authors"]
    ]
    assert all(isinstance(word, str) for word in cited["keywords"])


def test_the_metadata_names_every_python_and_the_typing():
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {lowest}" in PROJECT["classifiers"]
    assert (
        "Typing :: Typed" in PROJECT["classifiers"]
        and (ROOT / "surrogate_nas" / "py.typed").is_file()
    )
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])
