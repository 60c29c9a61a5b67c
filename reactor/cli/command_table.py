"""CommandTable: the commands there are, each imported when it is chosen, so that none waits for what others need."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typing_extensions import override

MARKUP: Final = "markdown"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command, or one group of them: what the list says of it, and where it is."""

    name: str
    panel: str
    summary: str  # the first paragraph of its help; a test compares
    home: str  # module of this room, and in it a function, or a Typer of several
    epilog: str = "EXAMPLES"  # the name of its examples there; a Typer has its own


class LaterCommand(TyperCommand):
    """Stands for a command in the list."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(
            entry.name, callback=None, help=entry.summary, rich_help_panel=entry.panel, rich_markup_mode=MARKUP
        )
        self._entry = entry

    def load(self) -> Any:
        """The command itself."""
        entry = self._entry
        module_name, _, attribute = entry.home.partition(":")
        module = import_module(f"{__package__}.{module_name}")
        found = getattr(module, attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=MARKUP)
            alone.command(entry.name, epilog=getattr(module, entry.epilog))(found)
            found = alone
        gc.enable()  # main() has it off
        command: Any = get_command(found)
        command.name = entry.name
        return command

    @override
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """It was chosen."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


def table_of(entries: Sequence[Entry]) -> type[TyperGroup]:
    """The class of a Typer with these commands, in this order."""

    class CommandTable(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for entry in entries:
                self.add_command(LaterCommand(entry))

    return CommandTable
