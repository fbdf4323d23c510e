"""Write the tutorials as notebooks without outputs, which run on a hosted service too.

.venv/bin/python analysis/notebooks.py [REQUIREMENT] [--out results/notebooks]

Their first cell installs the package where it is missing. A tutorial that imports `analysis` runs
in a clone alone, and is left out.
"""

import argparse
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "analysis" / "tutorials").glob("*.py"))
INSTALL = """from importlib.util import find_spec

if find_spec("surrogate_nas") is None:
    %pip install --quiet "{}"
"""


def hosted() -> list[Path]:
    """The tutorials that need the package alone."""
    return [path for path in TUTORIALS if "from analysis" not in path.read_text()]


def notebook(tutorial: Path, requirement: str) -> nbformat.NotebookNode:
    """A tutorial behind a cell that installs what `requirement` names."""
    book = jupytext.read(tutorial, fmt="py:percent")
    book.cells.insert(0, nbformat.v4.new_code_cell(INSTALL.format(requirement)))
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    return book


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "requirement",
        nargs="?",
        default="surrogate_nas[benchmarks,models,train]",
        help="What pip is given, such as 'surrogate_nas[all] @ git+https://…'.",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "notebooks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for tutorial in hosted():
        path = options.out / f"{tutorial.stem}.ipynb"
        nbformat.write(notebook(tutorial, options.requirement), path)
        print(path)


if __name__ == "__main__":
    main()
