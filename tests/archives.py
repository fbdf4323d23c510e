"""Archives that tests make."""

import io
import tarfile


def tarred(path, members, mode="w"):
    """A tar of files with their contents."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
