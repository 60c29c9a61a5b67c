"""`reactor dev` and `reactor serve`: a project, served."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from reactor.cli.code import Code, code_to_serve
from reactor.cli.host import Host, HostOptions
from reactor.cli.project import DATA, Data, absolute, project_root, run_to_end
from reactor.cli.settings import ProjectSettings
from reactor.cli.terminal import Terminal

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


def dev(
    context: typer.Context,
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
        newborn=context.obj,
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


def serve(
    context: typer.Context,
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
        newborn=context.obj,
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
