"""The `reactor` command. Each subcommand reads its options, calls one thing, and chooses the exit status.

0: done. 1: it failed, and the terminal says why. 2: it was asked wrongly.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

import codegen
from reactor.cli import environment
from reactor.cli.host import Host, HostOptions
from reactor.cli.logs import logs
from reactor.cli.migrate import migrate
from reactor.cli.project import DATA, Data, absolute, project_root, run_to_end
from reactor.cli.remote import CallResult, Remote, reaching
from reactor.cli.settings import ProjectSettings
from reactor.cli.terminal import Terminal
from reactor.errors import ReactorError
from reactor.execution.loader import load_bundle

app = typer.Typer(
    name="reactor",
    help="A reactive backend you write in Python.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(environment.commands, name="env")
app.command()(logs)
app.command()(migrate)

Port = Annotated[
    int, typer.Option(envvar="REACTOR_PORT", min=0, max=65535, help="Where to listen; 0 takes a free one.")
]
SitePort = Annotated[
    str | None,
    typer.Option(
        "--site-port",
        envvar="REACTOR_SITE_PORT",
        metavar="INTEGER|off",
        help="Where to serve the project's HTTP routes besides /http/.  [default: the port above --port]",
    ),
]
Files = Annotated[
    str | None,
    typer.Option(
        "--files",
        envvar="REACTOR_FILES",
        metavar="s3://BUCKET/PREFIX|local",
        help="Where to keep files.  [default: what pyproject.toml says, else the data folder]",
    ),
]
HostName = Annotated[str, typer.Option("--host", envvar="REACTOR_HOST", help="The address to listen at.")]


def main() -> None:
    """Entry point of the command."""
    try:
        app()
    except ReactorError as error:
        Terminal(Path.cwd()).failed(error)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _options(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True)] = False,
) -> None:
    if show_version:
        print(f"reactor {version('reactor-backend')}")
        raise typer.Exit


@app.command()
def dev(
    port: Port = 3210,
    site_port: SitePort = None,
    host: HostName = "127.0.0.1",
    data: Data = DATA,
    files: Files = None,
    once: Annotated[bool, typer.Option("--once", help="Push once and end, without serving.")] = False,
    types: Annotated[bool, typer.Option("--codegen/--no-codegen", help="Write functions/_generated.")] = True,
) -> None:
    """Serve this project and push every save."""
    root = project_root()
    settings = ProjectSettings.read(root)
    site = _site_port(site_port, port)
    options = HostOptions(
        root,
        absolute(data),
        host,
        port,
        site,
        site_port is not None,
        settings.limits,
        dev=True,
        types=types,
        files=settings.files_at(files),
    )
    terminal = Terminal(root)
    terminal.log_from("reactor", logging.WARNING)
    service = Host(options, terminal)
    if once:
        run_to_end(service.push_once())
    else:
        run_to_end(service.serve(), interrupted=0)


@app.command()
def serve(
    port: Port = 3210,
    site_port: SitePort = None,
    host: HostName = "127.0.0.1",
    data: Data = DATA,
    files: Files = None,
) -> None:
    """Serve this project as it is now; clients are not told what went wrong inside a function."""
    root = project_root()
    settings = ProjectSettings.read(root)
    options = HostOptions(
        root,
        absolute(data),
        host,
        port,
        _site_port(site_port, port),
        site_port is not None,
        settings.limits,
        dev=False,
        files=settings.files_at(files),
        private_hosts=settings.private_hosts,
    )
    terminal = Terminal(root)
    terminal.log_from("reactor", logging.INFO)
    run_to_end(Host(options, terminal).serve(), interrupted=0)


@app.command()
def run(
    path: Annotated[str, typer.Argument(help="The function: `users:getCurrentUser` or `users:get_current_user`.")],
    args: Annotated[str, typer.Argument(help="Its arguments, a JSON object.")] = "{}",
    identity: Annotated[
        str | None, typer.Option(help="The user to call it as: a JSON object with at least `subject`.")
    ] = None,
    data: Data = DATA,
    url: Annotated[str | None, typer.Option(envvar="REACTOR_URL", help="A server elsewhere.")] = None,
    admin_key: Annotated[
        str | None, typer.Option(envvar="REACTOR_ADMIN_KEY", help="Its admin key.", show_envvar=True)
    ] = None,
) -> None:
    """Call a function as the operator, internal ones included, and print its result as JSON.

    Uses the server of this project if one is running, else starts one for the call.
    """
    arguments = _json_object(args, "the arguments")
    user = None if identity is None else _json_object(identity, "--identity")
    if url is None:
        root = project_root()
        result = run_to_end(_call_here(root, absolute(data), path, arguments, user))
    elif admin_key is None:
        raise typer.BadParameter("a server elsewhere needs its admin key: --admin-key, or REACTOR_ADMIN_KEY")
    else:
        result = run_to_end(_call_there(url, admin_key, path, arguments, user))
    for line in result.log_lines:
        print(line, file=sys.stderr)
    if result.error is not None:
        print(result.error.rstrip(), file=sys.stderr)
        raise typer.Exit(1)
    print(orjson.dumps(result.value, option=orjson.OPT_INDENT_2).decode())


@app.command("codegen")
def write_types() -> None:
    """Write functions/_generated without starting anything."""
    root = project_root()
    manifest = load_bundle(root).manifest
    changed = codegen.write(root / "functions" / "_generated", codegen.typescript.render(manifest))
    terminal = Terminal(root)
    terminal.generated(changed)
    if not changed:
        terminal.say("functions/_generated is up to date")


async def _call_here(
    root: Path, data: Path, path: str, args: dict[str, Any], identity: dict[str, Any] | None
) -> CallResult:
    settings = ProjectSettings.read(root)
    files = settings.files_at(os.environ.get("REACTOR_FILES"))
    async with reaching(root, data, limits=settings.limits, files=files) as remote:
        return await remote.call(path, args, identity)


async def _call_there(
    url: str, admin_key: str, path: str, args: dict[str, Any], identity: dict[str, Any] | None
) -> CallResult:
    async with Remote(url, admin_key) as remote:
        return await remote.call(path, args, identity)


def _site_port(given: str | None, port: int) -> int | None:
    """The port above the API's unless told otherwise; a free one when that has one."""
    if given is None:
        return None if port == 65535 else port and port + 1
    if given == "off":
        return None
    if given.isdecimal() and int(given) <= 65535:
        return int(given)
    raise typer.BadParameter("--site-port must be a port number, or `off`")


def _json_object(text: str, what: str) -> dict[str, Any]:
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"{what} must be JSON: {error}") from None
    if not isinstance(tree, dict):
        raise typer.BadParameter(f"{what} must be a JSON object, like '{{\"limit\": 10}}'")
    return tree
