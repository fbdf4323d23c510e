"""The licences of all libraries that the base and each extra bring: data/licences.csv.

.venv/bin/python analysis/licences.py

A library says its licence as an SPDX expression, as a classifier, or as a text; what says none, or
binds whoever passes the library on, has a note. Of an extra that is not installed here, the file
keeps what it says; with the site-packages of another environment on PYTHONPATH it is read from
there. tests/documents/test_licences.py holds it against pyproject.toml.
"""

import csv
import re
from importlib.metadata import Distribution, PackagePath
from pathlib import Path

from requirements import BASE, OF_USERS, ROOT, closure, direct, installed

FILE = ROOT / "data" / "licences.csv"
COLUMNS = ("library", "version", "licence", "brought by", "named by", "note")
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
WRITTEN = {
    r"Apache( License)?,?\s+(Version )?2(\.0)?(, January 2004)?": "Apache-2.0",
    r"BSD[- ]3[- ]Clause( License)?|3-[Cc]lause BSD( License)?": "BSD-3-Clause",
    r"BSD[- ]2[- ]Clause( License)?|2-clause BSD": "BSD-2-Clause",
    r"MIT License": "MIT",
    r"BSD License": "BSD",
}
UNKNOWN = "not stated"
NOTES = {
    "analog-nasbench": (
        "States no licence. Only its data file is read, nothing of it is passed on by this project."
    ),
    "certifi": "Weak copyleft by file: changes to its own files stay under MPL-2.0. Used as it is.",
    "directsearch": (
        "Comes with nevergrad, in the extra bridges alone, and is never imported here. Who passes"
        " on an installation with this extra passes it on under the GPL; the base and all other"
        " extras are free of it."
    ),
    "docutils": (
        "In the public domain, but for files that are under BSD licences and one for Emacs"
        " under the GPL. It builds the site and is never imported by the package."
    ),
    "moocore": (
        "Weak copyleft: imported as a library that the user can exchange; its own code stays under"
        " LGPL."
    ),
    "pycountry": "Weak copyleft: its data and catalogues are read from the installed package.",
    "tqdm": "Weak copyleft by file: changes to its own files stay under MPL-2.0. Used as it is.",
}


def licence_of(library: Distribution) -> str:
    """A licence as SPDX names it, or `UNKNOWN`."""
    said = library.metadata
    if expression := said.get("License-Expression"):
        return str(expression)
    text = (said.get("License") or "").strip()
    heads = [
        one.split("::")[-1].strip()
        for one in said.get_all("Classifier", [])
        if one.startswith("License ::")
    ]
    listed = CLASSIFIERS.get(heads[0], heads[0]) if heads else ""
    written = _read(text) or _read("\n".join(map(_content, _licence_files(library))))
    if listed in ("", "BSD"):  # which says too little
        return written or listed or text or UNKNOWN
    return listed


def _licence_files(library: Distribution) -> list[PackagePath]:
    return [
        path
        for path in library.files or []
        if path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    ]


def _content(path: PackagePath) -> str:
    return Path(str(path.locate())).read_text(encoding="utf-8", errors="replace")


def _read(text: str) -> str:
    """What a licence's name or text says, or nothing."""
    for pattern, name in WRITTEN.items():
        if re.match(rf"\s*({pattern})\s*(\n|$)", text):
            return name
    if "Licensed under the Apache License, Version 2.0" in text:
        return "Apache-2.0"
    if "Permission is hereby granted, free of charge" in text:
        return "MIT"
    if "Redistribution and use in source and binary forms" in text:
        return (
            "BSD-3-Clause"
            if re.search(r"[Nn]either\s+the\s+name|may not be used to endorse", text)
            else "BSD-2-Clause"
        )
    return "" if "\n" in text or text == "BSD" else text


def rows(before: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """One row a library, by name; of extras that are not installed as the file had it before."""
    held = installed()
    named = {extra: direct(extra) for extra in (BASE, *OF_USERS)}
    brought: dict[str, set[str]] = {}
    for extra, names in named.items():
        try:
            brought[extra] = closure(names, held)
        except KeyError as missing:
            print(f"{extra} stays as it was: {missing.args[0]} is not installed")
            brought[extra] = {
                name
                for name, row in before.items()
                if extra in row["brought by"].split()
            }
    return [
        {
            "library": name,
            "version": held[name].version if name in held else before[name]["version"],
            "licence": licence_of(held[name])
            if name in held
            else before[name]["licence"],
            "brought by": " ".join(
                extra for extra, names in brought.items() if name in names
            ),
            "named by": " ".join(
                extra for extra, names in named.items() if name in names
            ),
            "note": NOTES.get(name, ""),
        }
        for name in sorted(set().union(*brought.values()))
    ]


def main() -> None:
    """Write the file."""
    with FILE.open(newline="", encoding="utf-8") as file:
        found = rows({row["library"]: row for row in csv.DictReader(file)})
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    print(f"{len(found)} libraries in {FILE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
