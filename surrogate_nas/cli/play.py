"""The command that serves one run to whoever holds the loop."""

from __future__ import annotations

import json as codec
import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from surrogate_nas.cli.options import (
    BenchmarkArgument,
    BudgetOption,
    BudgetSecondsOption,
    ObjectiveOption,
    SubjectToOption,
    WithOption,
    bound_objective,
    results_folder,
    run_options,
)
from surrogate_nas.cli.output import note
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import need
from surrogate_nas.files.progress import duration
from surrogate_nas.study.options import OBJECTIVE_OPTIONS

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from surrogate_nas.study.play import Play

LARGEST_LINE = 2**20
"""The most bytes of a message."""
_PIECE = 2**16
_LONGEST_WAIT = 3600.0


class SilentError(Exception):
    """Nothing was said for too long."""


def lines(source: int, patience: float) -> Iterator[bytes | None]:
    """Lines as they come, without their ends; None for one that is too long, of which nothing is
    kept.

    Args:
        source: A descriptor.
        patience: The most seconds between two pieces.

    Raises:
        SilentError: Nothing came for so long.
    """
    begun = bytearray()
    is_too_long = False
    while True:
        while b"\n" in begun:
            line, _, begun = begun.partition(b"\n")
            yield None if is_too_long or len(line) > LARGEST_LINE else bytes(line)
            is_too_long = False
        if len(begun) > LARGEST_LINE:
            is_too_long = True
            begun.clear()
        if not _has_more(source, patience):
            raise SilentError
        piece = os.read(source, _PIECE)
        if not piece:
            if begun or is_too_long:
                yield None if is_too_long else bytes(begun)
            return
        begun += piece


def _has_more(source: int, patience: float) -> bool:
    until = time.monotonic() + patience
    while True:
        left = max(until - time.monotonic(), 0.0)
        if select.select([source], [], [], min(left, _LONGEST_WAIT))[0]:
            return True
        if time.monotonic() >= until:
            return False


def serve_lines(play: Play, source: int, out: BinaryIO, patience: float) -> None:
    """Answer each line of JSON with one, until the player finishes or is gone.

    Args:
        play: The run.
        source: The descriptor that messages come from.
        out: Where replies go.
        patience: The most seconds between two messages.

    Raises:
        SilentError: None came for so long.
    """
    for line in lines(source, patience):
        message: Any = None
        if line is None:
            reply = {"error": f"A message has at most {LARGEST_LINE:,} bytes."}
        else:
            try:
                message = codec.loads(line)
            except (ValueError, RecursionError):
                shown = repr(line[:80].decode(errors="replace"))
                reply = {"error": f"A message is one line of JSON, not {shown}."}
            else:
                reply = play.call(message)
        try:
            out.write(codec.dumps(reply).encode() + b"\n")
            out.flush()
        except OSError:  # nobody reads any more
            return
        if play.is_over and isinstance(message, dict) and "finish" in message:
            return


class _Tools:
    """The operations of a run as a client of the Model Context Protocol calls them."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def _said(self, **message: Any) -> dict[str, Any]:
        from mcp.server.mcpserver.exceptions import ToolError

        reply = self._play.call(message)
        if "error" in reply:
            raise ToolError(reply["error"])
        return reply

    def describe(self) -> dict[str, Any]:
        """The space, the objective in words and numbers, what is free, and what is left."""
        return self._said(describe=True)

    def sample(self, n: int = 1) -> dict[str, Any]:
        """Random cells of the space. Free."""
        return self._said(sample=n)

    def neighbours(self, cell: str) -> dict[str, Any]:
        """The cells that are one step away from a cell. Free."""
        return self._said(neighbours=cell)

    def query(self, cells: list[str]) -> dict[str, Any]:
        """What is known of cells without evaluating them: λR, known limits, sizes. Free."""
        return self._said(query=cells)

    def history(self, last: int = 0) -> dict[str, Any]:
        """All trials of this run, or the last so many. Free."""
        return self._said(history=last or True)

    def evaluate(
        self, cells: list[str | dict[str, Any]], usage: dict[str, float] | None = None
    ) -> dict[str, Any]:
        """Evaluate cells, which is charged to the budget.

        A cell is its text, or an object with cell (or code) and epochs. usage tells what it took to
        think of them: tokens, requests, money.
        """
        return self._said(evaluate=cells, usage=usage or {})

    def finish(self) -> dict[str, Any]:
        """End the run before its budget is spent. Nothing can be evaluated afterwards."""
        return self._said(finish=True)


def mcp_server(play: Play) -> MCPServer:
    """The run as a server of the Model Context Protocol, an operation a tool.

    Args:
        play: The run.
    """
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


def serve_mcp(play: Play, source: int, out: BinaryIO, patience: float) -> None:
    """Serve a run to a client of the Model Context Protocol, until the client is gone.

    Args:
        play: The run.
        source: The descriptor that messages come from.
        out: Where replies go.
        patience: The most seconds between two messages.

    Raises:
        SilentError: None came for so long.
    """
    silence: list[SilentError] = []
    heard, said = os.pipe()

    def pass_on() -> None:
        with os.fdopen(said, "wb") as file:
            try:
                for line in lines(source, patience):
                    # a line that is no message is refused by the server
                    file.write((b"too long" if line is None else line) + b"\n")
                    file.flush()
            except SilentError as error:
                silence.append(error)
            except OSError:
                pass  # the server has ended

    with _as_standard(heard, 0), _as_standard(out.fileno(), 1):
        threading.Thread(target=pass_on, daemon=True).start()
        mcp_server(play).run("stdio")
    os.close(heard)
    if silence:
        raise silence[0]


@contextmanager
def _as_standard(descriptor: int, standard: int) -> Iterator[None]:
    """Let a descriptor be standard input or output."""
    before = os.dup(standard)
    os.dup2(descriptor, standard)
    try:
        yield
    finally:
        os.dup2(before, standard)
        os.close(before)


@contextmanager
def _standard_streams() -> Iterator[tuple[int, BinaryIO]]:
    """Standard input and output for messages alone: what else reads finds nothing, and what else
    is printed goes to standard error.
    """
    sys.stdout.flush()
    source = os.dup(0)
    out = os.fdopen(os.dup(1), "wb")
    with (
        open(os.devnull, "rb") as nothing,
        _as_standard(nothing.fileno(), 0),
        _as_standard(2, 1),
    ):
        yield source, out
    os.close(source)
    with suppress(OSError):  # nobody reads any more
        out.close()


def play(
    bench: BenchmarkArgument,
    objective: ObjectiveOption = None,
    subject_to: SubjectToOption = None,
    budget: BudgetOption = None,
    budget_seconds: BudgetSecondsOption = None,
    seed: Annotated[int, typer.Option(help="Which run to make.")] = 0,
    name: Annotated[str, typer.Option(help="What results call the player.")] = "play",
    blind: Annotated[
        bool, typer.Option("--blind", help="Show operations and metrics under drawn names.")
    ] = False,
    code: Annotated[
        str,
        typer.Option(
            metavar="FILE.py:NAME",
            help="A function that gives the text of a cell for code; cells may then be code.",
        ),
    ] = "",
    mcp: Annotated[
        bool, typer.Option("--mcp", help="Speak the Model Context Protocol, not plain JSON lines.")
    ] = False,
    patience: Annotated[
        float, typer.Option(help="The most seconds between two messages.")
    ] = 3600.0,
    with_: WithOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the run is stored and goes on from; results/play-BENCH if left out."
        ),
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
    from surrogate_nas.core.arguments import check_number
    from surrogate_nas.study.play import Play

    if mcp:
        need("snas play --mcp", "mcp")
    check_number("--patience", patience, above=True)
    bound = bound_objective(bench, with_, objective, subject_to, options)
    folder = results_folder(out, "comparison", "play", bench, objective, subject_to)
    serve = serve_mcp if mcp else serve_lines
    with (
        _standard_streams() as (source, answers),
        Play(
            bound.benchmark,
            bound,
            budget=budget,
            budget_seconds=budget_seconds,
            seed=seed,
            name=name,
            blind=blind,
            code=code,
            folder=folder,
            **options,
        ) as played,
    ):
        why = "left"
        try:
            serve(played, source, answers, patience)
        except SilentError:
            why = f"said nothing for {duration(patience)}"
    if played.failure:
        raise UserError(played.failure)
    if played.run is None:
        raise UserError(
            f"The player {why} after {played.evaluations} evaluations; the same command goes on."
        )
    note(f"{played.evaluations} evaluations are in {folder}; snas report {folder} shows them.")


_OF_WORKERS = (
    "call_limit",
    "simulated_workers",
    "parallel",
    "in_flight",
    "order",
    "at_end",
    "gpus",
    "per_gpu",
    "gpus_each",
)
"""Options of runs that evaluate several cells at once, or whose strategy may hang."""
play = run_options(play, more=OBJECTIVE_OPTIONS, without=_OF_WORKERS)
