"""The commands: what `reactor` offers, in groups. Each command reads its options, calls one thing, chooses the status.

What this module imports every call of the command waits for. It is little: a command's own module comes when it is chosen.

0: done. 1: it failed, and the terminal says why. 2: it was asked wrongly.
"""

from __future__ import annotations

from typing import Annotated

import typer

from reactor.cli.command_table import MARKUP, Entry, table_of
from reactor.version import VERSION

HELP = """A reactive backend you write in Python; works with Convex clients.

Start with `reactor init my-app`, then `cd my-app` and `reactor dev`.
"""
EPILOG = """
**Exit codes**: 0 done · 1 it failed, and standard error says why · 2 it was asked wrongly · 130 interrupted

Results go to standard output, everything else to standard error. Without a terminal nothing is coloured; `NO_COLOR=1`
does the same with one. Settings: `[tool.reactor]` in `pyproject.toml`.
"""
SERVE, USE, MOVE, CHECK = "Build and serve", "Use a running server", "Move data", "Types and checks"
_COMMANDS = (
    Entry("init", SERVE, "Make a new project: schema, functions, tests, settings.", "init_project:init"),
    Entry("dev", SERVE, "Serve this project and push every save.", "serve:dev", "DEV_EXAMPLES"),
    Entry("serve", SERVE, "Serve this project to others.", "serve:serve", "SERVE_EXAMPLES"),
    Entry("deploy", SERVE, "Push this project to a running `reactor serve`.", "deploy:deploy"),
    Entry("run", USE, "Call a function, and print its result as JSON.", "run:run"),
    Entry("data", USE, "Show tables and documents.", "documents:show_data"),
    Entry("logs", USE, "Print what functions printed and how they failed.", "logs:logs"),
    Entry("bench", USE, "Measure a function: throughput, latency, and what it reads.", "bench.command:bench"),
    Entry(
        "migrate",
        USE,
        "Run migrations of functions/, a few documents at a time, while clients go on. Safe to repeat, and to interrupt.",
        "migrate:migrate",
    ),
    Entry("env", USE, "Set and show environment variables.", "environment:commands"),
    Entry("export", MOVE, "Write all data to a file.", "export:export"),
    Entry("import", MOVE, "Read data from a file.", "import_data:import_data"),
    Entry("backup", MOVE, "Write the whole deployment to one file.", "backup:backup", "BACKUP_EXAMPLES"),
    Entry("restore", MOVE, "Make a data folder of a backup.", "backup:restore", "RESTORE_EXAMPLES"),
    Entry("codegen", CHECK, "Write the types of your front end.", "client_types:write_types", "CODEGEN_EXAMPLES"),
    Entry("function-spec", CHECK, "Print all signatures as JSON.", "client_types:function_spec", "SPEC_EXAMPLES"),
    Entry("openapi", CHECK, "Print the OpenAPI description.", "client_types:print_openapi", "OPENAPI_EXAMPLES"),
    Entry("doctor", CHECK, "Check machine, project and data, and say what to do.", "doctor:doctor"),
)

app = typer.Typer(
    name="reactor",
    cls=table_of(_COMMANDS),
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
)


@app.callback(invoke_without_command=True)
def _options(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True)] = False,
) -> None:
    if show_version:
        print(f"reactor {VERSION}")
        raise typer.Exit
