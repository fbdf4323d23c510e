"""``python -m surrogate_nas``: the command ``snas`` where only the interpreter is known, as from a
notebook.
"""

from surrogate_nas.cli import main

if __name__ == "__main__":
    main()
