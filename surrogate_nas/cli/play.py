"""The command that serves one run to whoever holds the loop."""

import json as codec
import select
import sys
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stdout
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from surrogate_nas.cli.options import (
    OF_AN_OBJECTIVE,
    BenchmarkArgument,
    RandomOption,
    WithOption,
    bound_objective,
    results_folder,
    taking,
)
from surrogate_nas.cli.output import note
from surrogate_nas.core import UserError, check_number, need
from surrogate_nas.files.progress import duration

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from surrogate_nas.results.play import Play

Message = dict[str, Any]
LARGEST_LINE = 2**20
"""The most bytes of a message."""


class SilentError(Exception):
    """No message came for too long."""


def serve_lines(play: "Play", source: FileIO, out: BinaryIO, patience: float) -> None:
    """Answer each line of JSON with one, until the player finishes or is gone.

    Raises:
        SilentError: No message came for `patience` seconds.
    """
    reply: Mapping[str, Any]
    message: Any = None
    while not (play.is_over and isinstance(message, dict) and "finish" in message):
        if not select.select([source], [], [], patience)[0]:
            raise SilentError
        line = source.readline(LARGEST_LINE + 1)
        if not line:
            return
        message = None
        try:
            message = codec.loads(line)
        except (ValueError, RecursionError):
            reply = {"error": f"A message is a line of JSON, not {line[:80]!r}."}
            while len(line) > LARGEST_LINE and not line.endswith(b"\n"):
                reply = {"error": f"A message has at most {LARGEST_LINE:,} bytes."}
                line = source.readline(LARGEST_LINE + 1)
        else:
            reply = play.call(message)
        try:
            out.write(codec.dumps(reply).encode() + b"\n")
            out.flush()
        except OSError:  # the client has closed its end
            return


class _Tools:
    def __init__(self, play: "Play") -> None:
        self._play = play

    def _call(self, **message: Any) -> Message:
        from mcp.server.mcpserver.exceptions import ToolError

        reply = self._play.call(message)
        if "error" in reply:
            raise ToolError(reply["error"])
        return dict(reply)

    def describe(self) -> Message:
        """The space, the objective in words and numbers, what is free, and what is left."""
        return self._call(describe=True)

    def sample(self, n: int = 1) -> Message:
        """Random cells of the space. Free."""
        return self._call(sample=n)

    def neighbours(self, cell: str) -> Message:
        """The cells that are one step away from a cell. Free."""
        return self._call(neighbours=cell)

    def query(self, cells: list[str]) -> Message:
        """What is known of cells without evaluating them: λR, known limits, sizes. Free."""
        return self._call(query=cells)

    def history(self, last: int = 0) -> Message:
        """All trials of this run, or the last so many. Free."""
        return self._call(history=last or True)

    def evaluate(
        self, cells: list[str | Message], usage: dict[str, float] | None = None
    ) -> Message:
        """Evaluate cells, which is charged to the budget.

        A cell is its text, or an object with cell and epochs. usage tells what it took to think of
        them: tokens, requests, money.
        """
        return self._call(evaluate=cells, usage=usage or {})

    def finish(self) -> Message:
        """End the run before its budget is spent. Nothing can be evaluated afterwards."""
        return self._call(finish=True)


def mcp_server(play: "Play") -> "MCPServer":
    """The run as a server of the Model Context Protocol, an operation a tool."""
    from mcp.server.mcpserver import MCPServer

    from surrogate_nas.strategies.conversation import OPERATIONS

    server: MCPServer = MCPServer(
        "surrogate_nas",
        instructions=(
            "One budgeted search for the best cell of a space. Call describe first. Everything but"
            " evaluate is free; evaluate is charged. The run ends with the budget, or by finish."
        ),
    )
    for name in OPERATIONS:
        server.add_tool(getattr(_Tools(play), name))
    return server


@taking(
    "objective subject_to budget budget_seconds budget_tokens target run seed",
    f"{OF_AN_OBJECTIVE} hidden threads memory",
)
def play(
    bench: BenchmarkArgument,
    n_random: RandomOption = None,
    name: Annotated[str, "What results call the player."] = "play",
    blind: Annotated[bool, "Show operations and metrics under drawn names."] = False,
    mcp: Annotated[
        bool,
        "Speak the Model Context Protocol, not plain JSON lines.",
    ] = False,
    patience: Annotated[
        float, "The most seconds between two messages, without --mcp."
    ] = 3600.0,
    with_: WithOption = None,
    out: Annotated[
        Path | None,
        "Where the run is stored and goes on from; results/play-BENCH if left out.",
    ] = None,
    **options: Any,
) -> None:
    """Let an agent or a script make a run.

    On standard input a line of JSON a message, such as {"describe": true}; each is answered by one
    on standard output. The same command goes on after a dropped connection. Then snas report shows
    the run.

    \b
    Examples:
      snas play fashion --objective "valid_loss + 0.1*params" --budget 50 --out results/agent
      snas play fashion --budget 50 --name agent --blind --mcp --out results/agent
    """
    from surrogate_nas.results.play import Play
    from surrogate_nas.runs.options import Resources

    if mcp:
        need("snas play --mcp", "mcp")
    check_number("--patience", patience, above=True)
    asked = options["objective"], options["subject_to"]
    bound = bound_objective(bench, with_, options)
    folder = results_folder(out, "comparison", "play", bench, *asked)
    replies = sys.stdout.buffer
    source = open(0, "rb", buffering=0, closefd=False)
    with (
        nullcontext() if mcp else redirect_stdout(sys.stderr),
        Play(
            bound.benchmark,
            bound,
            name=name,
            blind=blind,
            folder=folder,
            n_random=n_random,
            resources=Resources.out_of(options),
            **options,
        ) as played,
    ):
        why = "left"
        try:
            if mcp:
                mcp_server(played).run("stdio")
            else:
                serve_lines(played, source, replies, patience)
        except SilentError:
            why = f"said nothing for {duration(patience)}"
    if played.failure:
        raise UserError(played.failure)
    if played.run is None:
        raise UserError(
            f"The player {why} after {played.evaluations} evaluations; the same command goes on."
        )
    note(
        f"{played.evaluations} evaluations are in {folder}; snas report {folder} shows them."
    )
