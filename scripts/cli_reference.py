# ruff: noqa: INP001 (a script, not a module of anything)
"""Writes the command reference in docs/cli.md from the commands themselves: `python scripts/cli_reference.py`.

A test compares the two, so that the page cannot tell of an option nobody has.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from reactor.cli.command_table import LaterCommand
from reactor.cli.commands import app

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
BEGIN = "<!-- written by scripts/cli_reference.py -->\n"
END = "<!-- end of what is written -->\n"


def reference() -> str:
    """The text between the marks."""
    return "\n".join(_commands(get_command(app), "reactor"))


def main() -> None:
    """Bring the page up to date."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{reference()}\n{END}{after}")


def _commands(group: Any, name: str) -> Iterator[str]:
    for listed in group.commands.values():
        command = listed.load() if isinstance(listed, LaterCommand) else listed
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} {command.name}")
        else:
            yield from _command(command, f"{name} {command.name}")


def _command(command: Any, name: str) -> Iterator[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    yield f"### `{' '.join((name, *map(_argument, arguments)))}`\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
    if arguments or options:
        yield "| | | default |"
        yield "| --- | --- | --- |"
        yield from (f"| `{_argument(each)}` | {_cell(each.help)} | |" for each in arguments)
        yield from (f"| {_option(each)} | {_cell(each.help)} | {_default(each)} |" for each in options)
        yield ""


def _argument(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).strip("[]")
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    choices = getattr(option.type_descriptor, "choices", None)
    values = f" {' or '.join(f'`{_word(each)}`' for each in choices)}" if choices else ""
    return names + values


def _default(option: Any) -> str:
    variable = f"`{option.envvar}` in the environment" if option.envvar else ""
    value = (
        "" if option.default in (None, False, True, ()) or callable(option.default) else f"`{_word(option.default)}`"
    )
    return ", else ".join(filter(None, (variable, value)))


def _word(value: Any) -> str:
    return str(getattr(value, "value", value))


def _cell(text: str | None) -> str:
    return " ".join((text or "").split("  [default:")[0].split(" [default:")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
