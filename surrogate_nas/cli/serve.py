"""The command that shows running comparisons and suites in the browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from typer import echo

from surrogate_nas.cli.output import JsonOption, emit, note

_PORT = 8765
ServeOption = Annotated[
    bool,
    "Show it in a browser while it runs; the address is printed.",
]


@contextmanager
def shown(folder: Path, wanted: bool) -> Iterator[None]:
    """Serve a folder while a command fills it, and print the address; if the usual port is in use,
    a free one is taken.
    """
    if not wanted:
        yield
        return
    from surrogate_nas.core.errors import UserError
    from surrogate_nas.report.live import Server

    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = Server(folder, _PORT)
    except UserError:
        server = Server(folder, 0)
    with server:
        thread = server.in_background()
        note(f"Watch it grow: {server.address}")
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def serve(
    folder: Annotated[
        Path,
        "A comparison, a suite, or a folder of them, also unfinished.",
    ],
    port: Annotated[int, "The port on this machine; 0 for a free one."] = _PORT,
    json: JsonOption = False,
) -> None:
    """Show comparisons and suites while they run, in a browser.

    The page can be opened on this machine only, until Ctrl-C. Other users of the machine can reach
    its address too, so the printed one ends in a token; without it nothing is shown.

    \b
    Examples:
      snas serve results/compare
      snas serve results --port 0
    """
    from surrogate_nas.report.live import Server

    with Server(folder, port) as server:
        content = {
            "address": server.address,
            "folder": str(server.folder),
            "token": server.token,
        }
        emit(content, json, lambda: echo(server.address))
        sys.stdout.flush()
        note(f"Serving {folder} until Ctrl-C.")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            note("Ended.")
