"""The `reactor` command: what it offers, in groups. Each command reads its options, calls one thing, chooses the status.

0: done. 1: it failed, and the terminal says why. 2: it was asked wrongly.
"""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from reactor.cli import (
    backup,
    client_types,
    deploy,
    doctor,
    documents,
    environment,
    export,
    import_data,
    init_project,
    logs,
    migrate,
    run,
)
from reactor.cli.bench import command as bench
from reactor.cli.code import Code, code_to_serve
from reactor.cli.host import Host, HostOptions
from reactor.cli.project import DATA, Data, absolute, project_root, run_to_end
from reactor.cli.settings import ProjectSettings
from reactor.cli.terminal import Terminal
from reactor.errors import ReactorError

HELP = """A reactive backend you write in Python; works with Convex clients.

Start with `reactor init my-app`, then `cd my-app` and `reactor dev`.
"""
EPILOG = """
**Exit codes**: 0 done · 1 it failed, and standard error says why · 2 it was asked wrongly · 130 interrupted

Results go to standard output, everything else to standard error. Without a terminal nothing is coloured; `NO_COLOR=1`
does the same with one. Settings: `[tool.reactor]` in `pyproject.toml`.
"""
SERVE, USE, MOVE, CHECK = "Build and serve", "Use a running server", "Move data", "Types and checks"
DEV_EXAMPLES = """
**Examples**

    reactor dev                   # watch, reload, write types; data in .reactor/

    reactor dev --once            # load, bring the data up to it, write types, end: for CI
"""
SERVE_EXAMPLES = """
**Examples**

    reactor serve --port 8080 --data /var/lib/app

    reactor serve --code deployed --data /var/lib/app    # a machine without sources: waits for `reactor deploy`
"""

app = typer.Typer(
    name="reactor",
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

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


app.command(rich_help_panel=SERVE, epilog=init_project.EXAMPLES, name="init")(init_project.init)


@app.command(rich_help_panel=SERVE, epilog=DEV_EXAMPLES)
def dev(
    port: Port = 3210,
    site_port: SitePort = None,
    host: HostName = "127.0.0.1",
    data: Data = DATA,
    files: Files = None,
    once: Annotated[bool, typer.Option("--once", help="Push once and end, without serving.")] = False,
    types: Annotated[bool, typer.Option("--codegen/--no-codegen", help="Write the types of the front end.")] = True,
) -> None:
    """Serve this project and push every save.

    A save that does not load, or that stored documents do not fit, changes nothing and shows why.
    """
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
        dev=True,
        outputs=settings.outputs(root) if types else None,
        files=settings.files_at(files),
    )
    terminal = Terminal(root, types=settings.generated)
    terminal.log_from("reactor", logging.WARNING)
    service = Host(options, terminal)
    if once:
        run_to_end(service.push_once())
    else:
        run_to_end(service.serve(), interrupted=0)


@app.command(rich_help_panel=SERVE, epilog=SERVE_EXAMPLES)
def serve(
    port: Port = 3210,
    site_port: SitePort = None,
    host: HostName = "127.0.0.1",
    data: Data = DATA,
    files: Files = None,
    code: Annotated[
        Code,
        typer.Option(help="Which code: what was deployed if anything was, this folder's, or only what is deployed."),
    ] = Code.AUTO,
) -> None:
    """Serve this project to others.

    Clients are not told what went wrong inside a function, files are not watched, and `reactor deploy` may push other
    code, which is also what serves after a restart.
    """
    store, root = code_to_serve(absolute(data), code)
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
        bundles=store,
    )
    terminal = Terminal(root)
    terminal.log_from("reactor", logging.INFO)
    run_to_end(Host(options, terminal).serve(), interrupted=0)


def _site_port(given: str | None, port: int) -> int | None:
    """The port above the API's unless told otherwise; a free one when that has one."""
    if given is None:
        return None if port == 65535 else port and port + 1
    if given == "off":
        return None
    if given.isdecimal() and int(given) <= 65535:
        return int(given)
    raise typer.BadParameter("--site-port must be a port number, or `off`")


app.command(rich_help_panel=SERVE, epilog=deploy.EXAMPLES)(deploy.deploy)
app.command(rich_help_panel=USE, epilog=run.EXAMPLES)(run.run)
app.command(rich_help_panel=USE, epilog=documents.EXAMPLES, name="data")(documents.show_data)
app.command(rich_help_panel=USE, epilog=logs.EXAMPLES)(logs.logs)
app.command(rich_help_panel=USE, epilog=bench.EXAMPLES)(bench.bench)
app.command(rich_help_panel=USE, epilog=migrate.EXAMPLES)(migrate.migrate)
app.add_typer(environment.commands, name="env", rich_help_panel=USE)
app.command(rich_help_panel=MOVE, epilog=export.EXAMPLES)(export.export)
app.command(rich_help_panel=MOVE, epilog=import_data.EXAMPLES, name="import")(import_data.import_data)
app.command(rich_help_panel=MOVE, epilog=backup.BACKUP_EXAMPLES)(backup.backup)
app.command(rich_help_panel=MOVE, epilog=backup.RESTORE_EXAMPLES)(backup.restore)
app.command(rich_help_panel=CHECK, epilog=client_types.CODEGEN_EXAMPLES, name="codegen")(client_types.write_types)
app.command(rich_help_panel=CHECK, epilog=client_types.SPEC_EXAMPLES)(client_types.function_spec)
app.command(rich_help_panel=CHECK, epilog=client_types.OPENAPI_EXAMPLES, name="openapi")(client_types.print_openapi)
app.command(rich_help_panel=CHECK, epilog=doctor.EXAMPLES)(doctor.doctor)
