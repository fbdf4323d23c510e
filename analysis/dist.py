"""Build sdist and wheel, check them, and try both where nothing of this checkout is in reach.

.venv/bin/python analysis/dist.py [--out dist]

The wheel is installed without extras into a clean environment of each Python 3.11, 3.12 and 3.13
that this machine has (on PATH, or under ~/.pyenv), the sdist into the last of them, and commands
are run from an empty folder, with an empty home and no way to the network. In the last of them the
starter suite then runs with the tables that the extra brings.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
OPTIONAL_MODULES = """
import importlib, json, pkgutil, sys
import surrogate_nas
from surrogate_nas.core.extras import is_optional

imported, absent = 0, {}
for module in pkgutil.walk_packages(surrogate_nas.__path__, "surrogate_nas."):
    try:
        importlib.import_module(module.name)
        imported += 1
    except ModuleNotFoundError as error:
        if not is_optional(error):
            raise
        absent[error.name.partition(".")[0]] = absent.get(error.name.partition(".")[0], 0) + 1
print(f"{imported} modules import; need more: {absent}")
"""
LARGEST_WHEEL_MB = 25
NO_WAY = {
    f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "all")
}
"""What asks for a page is sent to a port where nobody answers."""
COMMANDS = (
    "--help",
    "query fashion 11",
    "compare fashion --strategies random,evolution,bo --runs 2 --budget 30 --out out",
    "report out",
    "suite tiny.toml --out suite",
)
SUITE = """cells = 15
strategies = [{ name = "random", runs = 2 }, { name = "evolution", runs = 2 }]
[[problems]]
name = "plain"
benchmark = "fashion"
"""


def run(*words: object, cwd: Path, **environment: str) -> str:
    """What a command prints; SystemExit with what it said where it fails."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        and not name.startswith("SURROGATE_NAS_")
    } | {"NO_COLOR": "1"}
    made = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=clean | environment,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        sys.exit(
            f"{' '.join(map(str, words))} ended with {made.returncode}:\n{made.stdout}{made.stderr}"
        )
    return made.stdout


def found(version: str) -> Path | None:
    """A Python of a version on this machine."""
    named = shutil.which(f"python{version}")
    held = sorted(
        Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python{version}")
    )
    for candidate in ([Path(named)] if named else []) + held:
        answers = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        if answers.stdout.strip() == version:
            return candidate
    return None


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of every file of data that is shipped, by its name under data/."""
    files = [
        *folder.glob("*.json"),
        *folder.glob("*.h5"),
        *(folder / "losses").glob("*"),
    ]
    files.append(folder / "sources.csv")
    files += [*(folder / "archives").glob("*.zip")]
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def built(out: Path) -> tuple[Path, Path]:
    """Build wheel and sdist with tools that are installed for this, and let these check their
    metadata.
    """
    shutil.rmtree(out, ignore_errors=True)
    with TemporaryDirectory() as folder:
        run(sys.executable, "-m", "venv", folder, cwd=ROOT)
        python = Path(folder) / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "build", "twine", cwd=ROOT)
        run(python, "-m", "build", "--outdir", out, ROOT, cwd=ROOT)
        (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
        told = run(python, "-m", "twine", "check", "--strict", wheel, sdist, cwd=ROOT)
    print("\n".join(f"twine: {line}" for line in told.splitlines() if line.strip()))
    return wheel, sdist


def check_content(wheel: Path, sdist: Path) -> None:
    """Both carry the real files of data/, and neither tests nor pictures; SystemExit where not."""
    wanted = digests(ROOT / "data")
    with TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(f"{folder}/wheel")
        with tarfile.open(sdist) as archive:
            archive.extractall(f"{folder}/sdist", filter="data")
        unpacked = Path(folder) / "sdist" / sdist.name.removesuffix(".tar.gz")
        for kind, package in (("wheel", Path(folder) / "wheel"), ("sdist", unpacked)):
            held = digests(package / "surrogate_nas" / "data")
            if held != wanted:
                sys.exit(
                    f"The {kind} carries other data than data/:"
                    f" {sorted(set(held.items()) ^ set(wanted.items()))}"
                )
            pictures = [*package.rglob("*.png")]
            if pictures or not (package / "surrogate_nas" / "py.typed").is_file():
                sys.exit(f"The {kind} carries pictures, or lacks py.typed: {pictures}")
        if strays := [
            path.name
            for path in (Path(folder) / "wheel").iterdir()
            if not path.name.startswith("surrogate_nas")
        ]:
            sys.exit(f"The wheel installs more than surrogate_nas: {strays}")
    if wheel.stat().st_size > LARGEST_WHEEL_MB * 1e6:
        sys.exit(f"The wheel has more than {LARGEST_WHEEL_MB} MB.")
    size = sum((ROOT / "data" / name).stat().st_size for name in wanted)
    print(
        f"wheel {wheel.stat().st_size / 1e6:.1f} MB, sdist {sdist.stat().st_size / 1e6:.1f} MB; "
        f"both carry {len(wanted)} files of data ({size / 1e6:.1f} MB), every byte the same"
    )


def megabytes(folder: Path) -> int:
    """What a folder takes on the disk, as ``du -sm`` counts it."""
    return int(
        subprocess.run(
            ["du", "-sm", folder], capture_output=True, text=True, check=True
        ).stdout.split()[0]
    )


def tried(python: Path, package: Path, folder: Path, starter: bool) -> None:
    """Install into a clean environment and run commands from an empty folder."""
    environment = folder / "environment"
    empty = folder / "empty"
    run(python, "-m", "venv", environment, cwd=folder)
    bare = megabytes(environment)
    install = (environment / "bin" / "pip", "install", "--quiet")
    started = time.perf_counter()
    run(*install, package, cwd=folder)
    seconds = time.perf_counter() - started
    size = megabytes(environment)
    print(
        f"  {package.name} installed in {seconds:.0f} s: {size - bare} MB, with pip and Python's"
        f" own {size} MB"
    )
    for made in (empty, folder / "home"):
        made.mkdir()
    (empty / "tiny.toml").write_text(SUITE)
    home = {"HOME": str(folder / "home"), **NO_WAY}

    def snas(command: str) -> str:
        started = time.perf_counter()
        told = run(environment / "bin" / "snas", *command.split(), cwd=empty, **home)
        print(f"  snas {command}: {time.perf_counter() - started:.1f} s")
        return told

    for command in COMMANDS:
        snas(command)
    modules = run(
        environment / "bin" / "python", "-c", OPTIONAL_MODULES, cwd=empty, **home
    )
    print(f"  {modules.strip()}")
    if starter:
        run(*install, f"{package}[benchmarks]", cwd=folder)
        if lacking := json.loads(snas("suite starter --workers 2 --json"))["not_run"]:
            sys.exit(f"Not all of the starter suite ran: {lacking}")


def main() -> None:
    """Build, check, and try what was built."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    wheel, sdist = built(options.out)
    check_content(wheel, sdist)
    pythons = {version: found(version) for version in PYTHONS}
    last = max(version for version, python in pythons.items() if python)
    for version, python in pythons.items():
        print(
            f"Python {version}: {'not on this machine' if python is None else python}",
            flush=True,
        )
        for package in [wheel, sdist] if version == last else [wheel]:
            if python is not None:
                with TemporaryDirectory() as folder:
                    starter = version == last and package == wheel
                    tried(python, package, Path(folder), starter)
    print(
        "Not tried: extras. On Linux torch of the usual index is a build of 3 GB for CUDA."
    )


if __name__ == "__main__":
    main()
