"""Target: which server a command speaks to: one elsewhere, this project's that is running, or one started for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reactor.cli.address_file import AddressFile
from reactor.cli.project import absolute, project_root
from reactor.cli.remote import Remote, reaching
from reactor.cli.settings import ProjectSettings
from reactor.errors import DefinitionError
from reactor.storage.admin_key import AdminKey

ELSEWHERE = "Another server"

Url = Annotated[
    str | None,
    typer.Option(
        envvar="REACTOR_URL", help="A server elsewhere, instead of this project's.", rich_help_panel=ELSEWHERE
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="REACTOR_ADMIN_KEY",
        help="Its admin key. Better in the environment: other users of this machine see the command line.",
        rich_help_panel=ELSEWHERE,
    ),
]


@dataclass(frozen=True, slots=True)
class Target:
    """What was said on the command line."""

    data: Path
    url: str | None
    admin_key: str | None

    @property
    def elsewhere(self) -> Remote | None:
        """The server at the URL, not yet connected; None when none was given."""
        if self.url is None:
            return None
        if self.admin_key is None:
            raise typer.BadParameter("a server elsewhere needs its admin key: --admin-key, or REACTOR_ADMIN_KEY")
        key = self.admin_key.strip()
        if not key.isascii() or not key.isprintable():
            raise typer.BadParameter("the admin key is one line of plain characters, as in the file admin_key")
        try:
            return Remote(self.url, key)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[Remote | None, None]:
        """The server elsewhere, or the one that serves this data folder; None when none does."""
        elsewhere = self.elsewhere
        if elsewhere is not None:
            async with elsewhere:
                yield elsewhere
            return
        folder = absolute(self.data)
        url = AddressFile(folder).read()
        if url is not None:
            async with Remote(url, AdminKey.at(folder).text) as remote:
                if await remote.answers():
                    yield remote
                    return
        yield None

    @contextlib.asynccontextmanager
    async def reached(self) -> AsyncGenerator[Remote, None]:
        """A server in any case: one is started for the block if this project has none."""
        async with self.running() as remote:
            if remote is not None:
                yield remote
                return
        root = project_root()
        settings = ProjectSettings.read(root)
        files = settings.files_at(os.environ.get("REACTOR_FILES"))
        async with reaching(root, absolute(self.data), limits=settings.limits, files=files) as remote:
            yield remote


def nobody_serves() -> DefinitionError:
    """For commands that are of no use without a server."""
    return DefinitionError(
        "No server of this project is running: start one with `reactor dev`, or name one with --url (or REACTOR_URL)."
    )
