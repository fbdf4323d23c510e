"""The command line as it describes itself: every command with its arguments and options."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

PROGRAM = "snas"


@dataclass(frozen=True)
class Parameter:
    """An argument or an option of a command.

    Attributes:
        name: As it is typed, with all its spellings and the kind of value that it takes.
        help: What it is for, with its default.
    """

    name: str
    help: str


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: As it is typed, such as ``snas data fetch``.
        usage: How it is called, in one line.
        help: What it does, in Markdown.
        parameters: Its arguments, then its options.
    """

    name: str
    usage: str
    help: str
    parameters: tuple[Parameter, ...]

    @property
    def anchor(self) -> str:
        """Its place on the page of commands."""
        return self.name.replace(" ", "-")

    @property
    def summary(self) -> str:
        """The first sentence of its help."""
        return " ".join(self.help.split("\n\n")[0].split())


@cache
def commands() -> Mapping[str, Command]:
    """Every command by name, the program itself first."""
    import typer

    from surrogate_nas.cli.app import app

    return {
        command.name: command for command in _walk(typer.main.get_command(app), PROGRAM)
    }


def _walk(node: Any, name: str) -> Iterator[Command]:
    context = node.make_context(name.rpartition(" ")[2], [], resilient_parsing=True)
    usage = f"{name} {' '.join(node.collect_usage_pieces(context))}"
    given = sorted(
        node.get_params(context), key=lambda one: one.param_type_name != "argument"
    )
    records = filter(None, (one.get_help_record(context) for one in given))
    shown = tuple(
        Parameter(" ".join(typed.split()), " ".join(told.split()))
        for typed, told in records
    )
    yield Command(name, usage, _markdown(node.help or ""), shown)
    for called in sorted(getattr(node, "list_commands", lambda _: ())(context)):
        yield from _walk(node.get_command(context, called), f"{name} {called}")


def _markdown(text: str) -> str:
    """Help with its examples, which click marks by a backspace, as blocks of code."""
    return "\n\n".join(
        f"```sh\n{textwrap.dedent(block[1:].partition(':')[2]).strip()}\n```"
        if block.startswith("\b")
        else block
        for block in text.split("\n\n")
    )
