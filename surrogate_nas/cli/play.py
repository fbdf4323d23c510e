"""The command `snas play`: run one search with an external optimiser in the loop."""

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
"""The largest size of a message in bytes."""


class SilentError(Exception):
    """Raised if the external optimiser sends no message in time."""


def serve_lines(play: "Play", source: FileIO, out: BinaryIO, patience: float) -> None:
    """Answer each line of JSON from the external optimiser with one line, until the optimiser
    finishes or disconnects.

    Raises:
        SilentError: No message arrived for `patience` seconds.
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
            reply = {"error": f"A message must be a line of JSON, not {line[:80]!r}."}
            while len(line) > LARGEST_LINE and not line.endswith(b"\n"):
                reply = {"error": f"A message may have at most {LARGEST_LINE:,} bytes."}
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
        """Describe the space, the objective, the free operations and the remaining budget. Free."""
        return self._call(describe=True)

    def sample(self, n: int = 1) -> Message:
        """Sample random cells of the space. Free."""
        return self._call(sample=n)

    def neighbours(self, cell: str) -> Message:
        """Return the cells that are one mutation away from a cell. Free."""
        return self._call(neighbours=cell)

    def query(self, cells: list[str]) -> Message:
        """Return what is available without evaluating cells: λR, free constraints, sizes. Free."""
        return self._call(query=cells)

    def history(self, last: int = 0) -> Message:
        """Return all trials of this run, or only the `last` most recent ones. Free."""
        return self._call(history=last or True)

    def evaluate(
        self, cells: list[str | Message], usage: dict[str, float] | None = None
    ) -> Message:
        """Evaluate cells. The budget is charged.

        A cell is a string, or an object with `cell` and `epochs`. `usage` reports the cost of
        proposing the cells: tokens, requests, money.
        """
        return self._call(evaluate=cells, usage=usage or {})

    def finish(self) -> Message:
        """End the run before its budget is spent. Afterwards nothing can be evaluated."""
        return self._call(finish=True)


def mcp_server(play: "Play") -> "MCPServer":
    """Return a Model Context Protocol server for the run, with one tool per operation."""
    from mcp.server.mcpserver import MCPServer

    from surrogate_nas.strategies.conversation import OPERATIONS

    server: MCPServer = MCPServer(
        "surrogate_nas",
        instructions=(
            "Run one search with a budget for the best cell of a space. Call describe first. Only"
            " evaluate is charged; the other tools are free. The run ends when the budget is spent,"
            " or with finish."
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
    name: Annotated[str, "The name of the external optimiser in the results."] = "play",
    blind: Annotated[
        bool, "Hide the names of operations and metrics behind random names."
    ] = False,
    mcp: Annotated[
        bool,
        "Use the Model Context Protocol instead of plain JSON lines.",
    ] = False,
    patience: Annotated[
        float, "The longest wait for a message in seconds, without --mcp."
    ] = 3600.0,
    with_: WithOption = None,
    out: Annotated[
        Path | None,
        "The folder to store the run in and resume it from; results/play-BENCH by default.",
    ] = None,
    **options: Any,
) -> None:
    """Run one search with an external optimiser in the loop.

    The optimiser (an agent or a script) writes one JSON message per line to standard input, such as
    {"describe": true}. Each message is answered by one line on standard output. After a dropped
    connection, repeat the command to resume. Use snas report to show the finished run.

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
            why = f"sent no message for {duration(patience)}"
    if played.failure:
        raise UserError(played.failure)
    if played.run is None:
        raise UserError(
            f"The optimiser {why} after {played.evaluations} evaluations. Repeat the command to"
            " resume."
        )
    note(
        f"{folder} contains {played.evaluations} evaluations. Show them with snas report {folder}."
    )
