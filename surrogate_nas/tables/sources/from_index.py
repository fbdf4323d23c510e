"""Download one file of a package from where pip is set to look, without building or running it.

``python from_index.py PACKAGE FILE PLACE`` prints the address and writes the file. ``pip download``
runs the code of a source archive before it can be compared. pip has no command that does not, so
this uses the parts of pip that find a file.
"""

import shutil
import sys
from typing import Any


def main(package: str, name: str, path: str) -> None:
    """Find the file by its name, print its address, and write it to a path."""
    from pip._internal.commands import create_command
    from pip._internal.utils.misc import redact_auth_from_url

    command: Any = create_command("download")
    options, _ = command.parse_args([])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        links = [candidate.link for candidate in finder.find_all_candidates(package)]
        address = next(
            (link.url_without_fragment for link in links if link.filename == name), ""
        )
        if not address:
            sys.exit(f"no {name} is where pip looks for {package}")
        sys.stdout.write(f"{redact_auth_from_url(address)}\n")
        sys.stdout.flush()
        headers = {"Accept-Encoding": "identity"}
        with (
            session.get(address, headers=headers, stream=True) as answer,
            open(path, "wb") as file,
        ):
            answer.raise_for_status()
            shutil.copyfileobj(answer.raw, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
