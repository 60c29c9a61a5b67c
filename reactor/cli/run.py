"""`reactor run`: call a function as the operator, once or for as long as its result changes."""

from __future__ import annotations

import difflib
import re
import sys
from dataclasses import replace
from typing import Annotated, Any

import orjson
import typer

from reactor.cli.live_query import LiveQuery
from reactor.cli.project import DATA, Data, run_to_end
from reactor.cli.remote import CallResult
from reactor.cli.target import Key, Target, Url, nobody_serves

EXAMPLES = """
**Examples**

    reactor run chat:send '{"room": "lobby", "text": "hi"}'

    reactor run chat:latest room=lobby limit=5 --watch

    reactor run users:me --identity '{"subject": "user_1"}' | jq .name

**Arguments**: a JSON object, or `name=value` each: a value that reads as JSON is that, any other is text.
`limit=5` is a number, `room=lobby` a text, `code='"5"'` a text again.
"""


def run(
    path: Annotated[str, typer.Argument(help="The function: `users:getCurrentUser` or `users:get_current_user`.")],
    args: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]", help="A JSON object, or name=value for each argument.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="A query: print every new result, until Ctrl-C.")
    ] = False,
    identity: Annotated[
        str | None, typer.Option(help="The user to call it as: a JSON object with at least `subject`.")
    ] = None,
    data: Data = DATA,
    url: Url = None,
    admin_key: Key = None,
) -> None:
    """Call a function, and print its result as JSON.

    You are the operator: internal functions can be called, too. Uses the server of this project if one is running, else
    starts one for the call. What the function printed, and how it failed, goes to standard error.
    """
    arguments = arguments_of(args or [])
    user = None if identity is None else json_object(identity, "--identity")
    target = Target(data, url, admin_key)
    if watch:
        run_to_end(_follow(target, path, arguments, user), interrupted=0)
    elif not _print(run_to_end(_call(target, path, arguments, user))):
        raise typer.Exit(1)


async def _call(target: Target, path: str, args: dict[str, Any], user: dict[str, Any] | None) -> CallResult:
    async with target.reached() as remote:
        result = await remote.call(path, args, user)
        if result.error is not None and (hint := _close_to(path, await remote.public_functions())):
            result = replace(result, error=f"{result.error.rstrip()}\n{hint}")
        return result


def _close_to(path: str, known: list[str]) -> str:
    """What may have been meant by a path nobody has."""
    spelt = re.sub(r"_([a-z])", lambda found: found[1].upper(), path.replace(".js:", ":").replace("/", "."))
    names = {name.replace("/", "."): name for name in known}
    close = [] if spelt in names else difflib.get_close_matches(spelt, names, n=3, cutoff=0.7)
    return f"Did you mean {' or '.join(names[each] for each in close)}?" if close else ""


async def _follow(target: Target, path: str, args: dict[str, Any], user: dict[str, Any] | None) -> None:
    async with target.running() as remote:
        if remote is None:
            raise nobody_serves()
        query = LiveQuery(remote.socket_url, remote.credential(user))
        async for result in query.results(path, args):
            _print(result)


def _print(result: CallResult) -> bool:
    for line in result.log_lines:
        print(line, file=sys.stderr)
    if result.error is not None:
        print(result.error.rstrip(), file=sys.stderr, flush=True)
        return False
    print(orjson.dumps(result.value, option=orjson.OPT_INDENT_2).decode(), flush=True)
    return True


def arguments_of(words: list[str]) -> dict[str, Any]:
    """Arguments as they stand on a command line. Raises BadParameter."""
    if not words:
        return {}
    if len(words) == 1 and words[0].lstrip().startswith(("{", "[")):
        return json_object(words[0], "the arguments")
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise typer.BadParameter(f"the arguments must be one JSON object, or name=value each: {word!r} is neither")
        if name in found:
            raise typer.BadParameter(f"the argument `{name}` is given twice")
        found[name] = value_of(text)
    return found


def value_of(text: str) -> Any:
    """JSON where the text is that, else the text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def json_object(text: str, what: str) -> dict[str, Any]:
    """An object from the command line. Raises BadParameter."""
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"{what} must be JSON: {error}") from None
    if not isinstance(tree, dict):
        raise typer.BadParameter(f"{what} must be a JSON object, like '{{\"limit\": 10}}'")
    return tree
