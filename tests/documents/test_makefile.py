"""`make setup` shows what pip does while it does it, and fails when pip fails."""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.documents import TOP

PIP = """#!/bin/sh
echo '  Installing build dependencies: started'
echo 'Collecting numpy'
echo '  Downloading numpy-2.4.0-cp311.whl (16.4 MB)'
read line < go
echo 'Installing collected packages: numpy, scipy, typer'
exit {code}
"""
"""Fetches a file, and goes on once the test has seen that it is told."""
VENV = f"""#!/bin/sh
mkdir -p .venv/bin
cp pip .venv/bin/pip
ln -s {sys.executable} .venv/bin/python
"""
"""Makes an environment that has nothing installed."""
PATIENCE_SECONDS = 120
"""Only a test that fails waits so long."""


def given(folder, code):
    """A clone as far as `make setup` needs one, with a pip of our own."""
    for name in ("Makefile", "pyproject.toml", "analysis"):
        (folder / name).symlink_to(TOP / name)
    for name, content in (("pip", PIP.format(code=code)), ("python", VENV)):
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)
    os.mkfifo(folder / "go")
    return folder


@pytest.mark.parametrize("code", [0, 1])
def test_setup_tells_what_pip_does_as_it_does_it(tmp_path, code):
    folder = given(tmp_path, code)
    command = ["make", ".venv/.first", f"PYTHON={folder / 'python'}"]
    # Tests are run by make too, which would have this one say so.
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS"))
    }
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=-1,
        stderr=-1,
        bufsize=0,
        start_new_session=True,
        env=own,
    )
    assert process.stdout is not None
    try:
        shown = b""
        while b"numpy" not in shown or not shown.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], PATIENCE_SECONDS)
            assert ready, f"pip waits and nothing is shown of it: {shown!r}"
            piece = process.stdout.read(4096)
            assert piece, f"it ended: {shown!r}"
            shown += piece
        assert b"  preparing the package\n" in shown
        assert b"  fetching numpy-2.4.0-cp311.whl (16.4 MB)\n" in shown
        with open(folder / "go", "w") as pipe:
            pipe.write("on\n")
        rest, _ = process.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert rest == b"  installing 3 packages\n"
    assert (
        bool(process.returncode)
        == bool(code)
        == (not (folder / ".venv" / ".first").exists())
    )
