"""``python -m surrogate_nas`` runs the command ``snas``, for example from a notebook."""

from surrogate_nas.cli import main

if __name__ == "__main__":
    main()
