"""`reactor env`: the deployment's environment variables, through its server when one runs, else in its data folder.

Without a server no user code is loaded: code that needs a variable could not be, before the variable is there.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import typer

from reactor.application import DATABASE
from reactor.cli import dotenv
from reactor.cli.changed_offline import CHANGED_OFFLINE
from reactor.cli.project import DATA, Data, absolute, project_root, run_to_end
from reactor.cli.settings import ProjectSettings
from reactor.cli.target import Key, Target, Url
from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.database.environment import stored_variables, update_variables
from reactor.database.variable import BUILT_IN, VariableChange
from reactor.limits import Limits
from reactor.storage.lock import FileLock, make_folder

EXAMPLES = """
**Examples**

    reactor env set OPENAI_KEY --from-file key.txt    # out of sight of `ps`

    reactor env set < .env

    reactor env list --names-only
"""

commands = typer.Typer(
    help="Set and show environment variables.\n\nFunctions see them in `ctx.env` and `os.environ`. With a server or without.",
    epilog=EXAMPLES,
    no_args_is_help=True,
)


class Deployment(Protocol):
    """Whoever keeps the variables."""

    async def variables(self) -> dict[str, str]:
        """All of them."""
        ...

    async def change_variables(self, changes: Sequence[VariableChange]) -> None:
        """All changes or none. Raises ReactorError."""
        ...


class Folder:
    """A data folder nobody serves. It is locked like a server's while it is open."""

    def __init__(self, data: Path, limits: Limits) -> None:
        self._data = data
        self._limits = limits

    async def variables(self) -> dict[str, str]:
        """See Deployment."""
        return {name: row.value for name, row in stored_variables(self._data / DATABASE).items()}

    async def change_variables(self, changes: Sequence[VariableChange]) -> None:
        """See Deployment."""
        boot = secrets.token_hex(16)
        database = Database.open_writer(self._data / DATABASE, clock=SystemClock(), boot=boot, limits=self._limits)
        try:
            batch = database.begin()
            try:
                transaction = batch.transaction("reactor env")
                update_variables(transaction, changes, self._limits)
                transaction.release()
            except BaseException:
                batch.abandon()
                raise
            batch.commit()
        finally:
            database.close()
        (self._data / CHANGED_OFFLINE).touch()


@commands.command("set")
def set_variables(
    name: Annotated[str | None, typer.Argument(help="Its name. Without one, NAME=value lines are read.")] = None,
    value: Annotated[str | None, typer.Argument(help="Its value. Without one, it is read from standard input.")] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from-file", help="Read the value, or the NAME=value lines, from a file.")
    ] = None,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Set variables: `set NAME VALUE`, `set NAME --from-file key.pem`, `set NAME < key.pem`, `set < .env`."""
    if name is not None and "=" in name and value is None and from_file is None:
        name, _, value = name.partition("=")
    if value is not None and from_file is not None:
        raise typer.BadParameter("the value is given twice: on the command line and with --from-file")
    if value is None:
        value = _text(from_file)
    changes = [VariableChange(name, value)] if name is not None else _changes(dotenv.read(value))
    _change(changes, data, url, admin_key)
    told = name if name is not None else f"{len(changes)} variable{'' if len(changes) == 1 else 's'}"
    print(f"Set {told}", file=sys.stderr)


@commands.command("get")
def get_variable(
    name: Annotated[str, typer.Argument(help="Its name.")],
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Print a variable's value; into a file or pipe, exactly its bytes."""
    found = _variables(data, url, admin_key)
    if name not in found:
        print(f"There is no environment variable {name}.", file=sys.stderr)
        raise typer.Exit(1)
    _print(found[name] + ("\n" if sys.stdout.isatty() else ""))


@commands.command("list")
def list_variables(
    names_only: Annotated[bool, typer.Option("--names-only", help="Without the values.")] = False,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Print all variables as NAME=value lines that `env set` reads back as they were."""
    found = _variables(data, url, admin_key)
    _print("".join(f"{name}\n" for name in found) if names_only else dotenv.write(found))


@commands.command("remove")
def remove_variable(
    name: Annotated[str, typer.Argument(help="Its name.")],
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Remove a variable; one that is not there is no mistake."""
    _change([VariableChange(name, None)], data, url, admin_key)
    print(f"Removed {name}", file=sys.stderr)


def _changes(variables: Mapping[str, str]) -> list[VariableChange]:
    return [VariableChange(name, value) for name, value in variables.items() if name not in BUILT_IN]


def _text(file: Path | None) -> str:
    """The bytes of the file or of standard input as text, nothing added or taken away."""
    try:
        return (sys.stdin.buffer.read() if file is None else file.read_bytes()).decode()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file or 'standard input'} is not UTF-8 text") from None


def _print(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    sys.stdout.buffer.flush()


def _variables(data: Path, url: str | None, admin_key: str | None) -> dict[str, str]:
    async def ask() -> dict[str, str]:
        async with _deployment(data, url, admin_key) as deployment:
            return await deployment.variables()

    return run_to_end(ask())


def _change(changes: Sequence[VariableChange], data: Path, url: str | None, admin_key: str | None) -> None:
    async def change() -> None:
        async with _deployment(data, url, admin_key) as deployment:
            await deployment.change_variables(changes)

    run_to_end(change())


@contextlib.asynccontextmanager
async def _deployment(data: Path, url: str | None, admin_key: str | None) -> AsyncGenerator[Deployment, None]:
    async with Target(data, url, admin_key).running() as remote:
        if remote is not None:
            yield remote
            return
    root, folder = project_root(), absolute(data)
    make_folder(folder)
    lock = FileLock.take(folder / f"{DATABASE}.server", "server")
    try:
        yield Folder(folder, ProjectSettings.read(root).limits)
    finally:
        lock.release()
