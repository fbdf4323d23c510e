"""Print the address of a file of a package, by its name, where pip is set to look.

``python from_index.py PACKAGE FILE``. ``pip download`` runs the code of a source archive before it
can be compared. pip has no command that does not, so this uses the parts of pip that find a file.
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
        sys.exit(f"no {name} is where pip looks for {package}")
    sys.stdout.write(addresses[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
