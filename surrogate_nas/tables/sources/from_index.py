"""Print the address of a file of a package in the index that pip is configured to use.

Usage: ``python from_index.py PACKAGE FILE``. ``pip download`` runs the code of a source archive
before its digest can be checked, and pip has no other command to find a file. Therefore this script
uses pip's internal functions.
"""

import sys
from typing import Any


def main(package: str, name: str) -> None:
    """Find the file and print its address."""
    from pip._internal.commands import create_command

    command: Any = create_command("download")
    options, _ = command.parse_args([])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        links = [candidate.link for candidate in finder.find_all_candidates(package)]
    addresses = [link.url_without_fragment for link in links if link.filename == name]
    if not addresses:
        sys.exit(f"pip's index has no {name} of {package}")
    sys.stdout.write(addresses[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
