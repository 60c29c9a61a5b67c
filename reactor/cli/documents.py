"""`reactor data`: tables and documents of a server, for reading, once or for as long as they change."""

from __future__ import annotations

import csv
import enum
import io
import sys
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reactor.cli.live_query import LiveQuery
from reactor.cli.project import DATA, Data, run_to_end
from reactor.cli.remote import CallResult, Remote
from reactor.cli.run import value_of
from reactor.cli.target import Key, Target, Url
from reactor.errors import InvalidQuery

EXAMPLES = """
**Examples**

    reactor data                                          # tables, their documents, sizes, indexes

    reactor data messages --filter room=lobby --limit 20

    reactor data messages --index by_room --order asc --format csv > messages.csv

    reactor data _scheduled_functions --filter state.kind=pending --watch

A filter takes the first index that helps. Values are read as JSON where they are that, else as text: `likes=3`,
`room=lobby`, `deletedAt=null`, `code='"5"'`.
"""
_STATS, _DATA = "_system/cli/tableStats", "_system/cli/tableData"
_PAGE = 1000  # documents asked for at once
_CELL = 48  # characters of a value in a table


class Format(enum.Enum):
    """How documents are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Order(enum.Enum):
    """Newest first, or the other way."""

    ASC = "asc"
    DESC = "desc"


Rows = list[dict[str, Any]]


def show_data(
    table: Annotated[str | None, typer.Argument(help="The table. Without one, tables are listed.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The most documents to print.")] = 100,
    order: Annotated[Order, typer.Option(help="By creation, or along --index.")] = Order.DESC,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", metavar="FIELD=VALUE", help="Only these. Again for another field.")
    ] = None,
    index: Annotated[str | None, typer.Option(help="The index that decides the order.")] = None,
    output: Annotated[
        Format | None, typer.Option("--format", help="How to print. [default: table; jsonl into a pipe]")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Print again on every change, until Ctrl-C.")] = False,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Show tables and documents.

    Also the system's own tables. Changes nothing. Uses the server of this project if one is running, else starts one for the question.
    """
    shape = output or (Format.TABLE if sys.stdout.isatty() else Format.JSONL)
    args: dict[str, Any] = {}
    if table is None:
        if filters or index:
            raise typer.BadParameter("--filter and --index need a table: reactor data TABLE --filter …")
    else:
        args = {"table": table, "order": order.value, "filters": dict(map(_filter, filters or ()))}
        if index is not None:
            args["index"] = index
    target = Target(data, url, admin_key)

    async def show() -> None:
        async with target.reached() as remote:
            if not watch:
                _show(await _rows(remote, args, limit), shape, listing=table is None)
                return
            async for rows in _live(remote, args, limit):
                _show(rows, shape, listing=table is None, again=True)

    run_to_end(show(), interrupted=0 if watch else 130)


async def _rows(remote: Remote, args: dict[str, Any], limit: int) -> Rows:
    """Tables, or documents page after page."""
    if not args:
        return _tables(_value(await remote.call(_STATS, {})))
    rows: Rows = []
    cursor: str | None = None
    while len(rows) < limit:
        options = {"numItems": min(_PAGE, limit - len(rows)), "cursor": cursor}
        page = _value(await remote.call(_DATA, {**args, "paginationOpts": options}))
        if cursor is None:
            _tell_unknown(args, page)
        rows += _documents(page)
        cursor = page["continueCursor"]
        if page["isDone"]:
            break
    return rows


async def _live(remote: Remote, args: dict[str, Any], limit: int) -> AsyncGenerator[Rows, None]:
    query = LiveQuery(remote.socket_url, remote.credential(None))
    asked = {**args, "paginationOpts": {"numItems": min(limit, _PAGE), "cursor": None}} if args else {}
    async for result in query.results(_DATA if args else _STATS, asked):
        value = _value(result)
        if args:
            _tell_unknown(args, value)
        yield _documents(value) if args else _tables(value)


def _tell_unknown(args: dict[str, Any], page: dict[str, Any]) -> None:
    """A misspelt field finds nothing, and looks as if there were nothing."""
    for field in page.get("unknown", ()):
        print(f"no document of {args['table']} has a field `{field}`: --filter {field}=… finds none", file=sys.stderr)


def _documents(page: dict[str, Any]) -> Rows:
    if "problem" in page:
        raise InvalidQuery(page["problem"])
    rows: Rows = page["page"]
    return rows


def _tables(stats: Any) -> Rows:
    """The project's tables first, then the system's that hold something."""
    rows = [
        {
            "table": each["name"],
            "documents": int(each["count"]),
            "bytes": int(each["bytes"]),
            "indexes": ", ".join(f"{name} ({', '.join(fields)})" for name, fields in sorted(each["indexes"].items())),
        }
        for each in stats
        if each["count"] or not each["name"].startswith("_")
    ]
    return sorted(rows, key=lambda row: (row["table"].startswith("_"), row["table"]))


def _value(result: CallResult) -> Any:
    if result.error is not None:
        raise InvalidQuery(result.error.strip())
    return result.value


def _filter(text: str) -> tuple[str, Any]:
    field, equals, value = text.partition("=")
    if not equals or not field:
        raise typer.BadParameter(f"--filter must be FIELD=VALUE, not {text!r}")
    return field, value_of(value)


# ── printing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(rows: Rows, shape: Format, *, listing: bool, again: bool = False) -> None:
    match shape:
        case Format.JSON:
            print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        case Format.JSONL:
            for row in rows:
                print(orjson.dumps(row).decode())
        case Format.CSV:
            print(_csv(rows), end="")
        case Format.TABLE:
            console = Console(highlight=False)
            if again and console.is_terminal:
                console.clear()
            console.print(_table(rows, listing=listing) if rows else "no documents")
    sys.stdout.flush()


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Every field there is: the id first, the user's in the order they are met, the creation time last."""
    own = dict.fromkeys(name for row in rows for name in row if not name.startswith("_"))
    system = [name for name in ("_id", "_creationTime") if any(name in row for row in rows)]
    return [*system[:1], *own, *system[1:]]


def _csv(rows: Rows) -> str:
    """A header and a line each; what is no text or number is JSON."""
    text = io.StringIO()
    columns = _columns(rows)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) if name in row else "" for name in columns])
    return text.getvalue()


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _table(rows: Rows, *, listing: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = _columns(rows)
    for name in columns:
        numbers = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold", no_wrap=name == "_id")
    for row in rows:
        table.add_row(*(Text(_shown(name, row[name], listing=listing) if name in row else "") for name in columns))
    return table


def _shown(name: str, value: Any, *, listing: bool) -> str:
    if listing:
        return f"{value:,}" if isinstance(value, int) else str(value)
    text = _cell(value).replace("\n", "⏎")
    if name == "_creationTime":
        return datetime.fromtimestamp(value / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return text if len(text) <= _CELL or name == "_id" else text[: _CELL - 1] + "…"
