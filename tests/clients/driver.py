"""Holds real PyPI `convex` clients in a process of their own and does what the tests say; the pair of driver.mjs.

`python -m tests.clients.driver`. One JSON object a line on stdin, one a line on stdout, as described there. A process of
their own, because a call of the client's core that never returns must not hang the tests: its blocking calls hold the
interpreter's lock, so while a mutation waits nothing else is heard or said here. Subscriptions are awaited instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from itertools import count
from typing import Any

from convex import ConvexClient, ConvexError, ConvexInt64, QuerySetSubscription, QuerySubscription
from convex.http_client import ConvexHttpClient

from tests.clients.lossless import ABSENT, BigInt, from_tree, to_tree

Message = dict[str, Any]

_numbers = count()
_speaking = threading.Lock()
_lines = os.fdopen(os.dup(1), "w")  # ours alone: what the client's core prints goes to stderr
os.dup2(2, 1)


def say(message: Message) -> None:
    with _speaking:
        _lines.write(json.dumps({"n": next(_numbers), **message}) + "\n")
        _lines.flush()


def from_client(value: Any) -> Any:
    """The client's value as the tests write it: its int64 as our BigInt."""
    if isinstance(value, ConvexInt64):
        return BigInt(value.value)
    if isinstance(value, list):
        return [from_client(item) for item in value]
    if isinstance(value, dict):
        return {key: from_client(item) for key, item in value.items()}
    return value


def to_client(value: Any) -> Any:
    if isinstance(value, BigInt):
        return ConvexInt64(int(value))
    if isinstance(value, list):
        return [to_client(item) for item in value]
    if isinstance(value, dict):
        return {key: to_client(item) for key, item in value.items()}
    return value


def describe(error: Exception) -> Message:
    data = from_client(error.data) if isinstance(error, ConvexError) else ABSENT
    told = {"name": type(error).__name__, "message": str(error)}
    return told if data is ABSENT else {**told, "data": to_tree(data)}


class Live:
    """A ConvexClient.

    While `anext` waits, a subscription's other methods believe it lost and quietly subscribe again. So its id is asked
    for before, and it is ended by ending the wait, which drops it.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.client = ConvexClient(url)
        self.labels: dict[Any, str] = {}  # subscriber id → label
        self.following: dict[str, asyncio.Task[None]] = {}  # label → the task that waits for its values
        self.watching: asyncio.Task[None] | None = None

    def subscribe(self, order: Message) -> None:
        subscription = self.client.subscribe(order["path"], to_client(from_tree(order["args"])))
        self.labels[subscription.id] = order["sub"]
        self.following[order["sub"]] = asyncio.create_task(self._follow(order["sub"], subscription))

    async def unsubscribe(self, order: Message) -> None:
        await ended(self.following.pop(order["sub"]))

    def watch(self, order: Message) -> None:
        """From now on tell the whole query set, each time it changes."""
        self.watching = asyncio.create_task(self._watch(self.client.watch_all()))

    def query(self, order: Message) -> Any:
        return self.client.query(order["path"], to_client(from_tree(order["args"])))

    def mutation(self, order: Message) -> Any:
        return self.client.mutation(order["path"], to_client(from_tree(order["args"])))

    def action(self, order: Message) -> Any:
        return self.client.action(order["path"], to_client(from_tree(order["args"])))

    def actAs(self, order: Message) -> None:  # noqa: N802 (the word of driver.mjs)
        self.client.set_admin_auth(order["key"])

    def useToken(self, order: Message) -> None:  # noqa: N802
        self.client.set_auth(order["token"])

    def signOut(self, order: Message) -> None:  # noqa: N802
        self.client.clear_auth()

    async def close(self, order: Message) -> None:
        for task in (*self.following.values(), self.watching):
            if task is not None:
                await ended(task)
        del self.client

    async def _follow(self, label: str, subscription: QuerySubscription) -> None:
        told = {"client": self.name, "sub": label}
        while True:
            try:
                value = await anext(subscription)
            except Exception as error:
                say({"event": "failed", **told, "error": describe(error)})
            else:
                say({"event": "result", **told, "value": to_tree(from_client(value))})

    async def _watch(self, views: QuerySetSubscription) -> None:
        async for view in views:
            values = {self.labels[key]: to_tree(from_client(value)) for key, value in (view or {}).items()}
            say({"event": "view", "client": self.name, "values": values})


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class Http:
    """A ConvexHttpClient."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.client = ConvexHttpClient(url)

    def query(self, order: Message) -> Any:
        return self.client.query(order["path"], to_client(from_tree(order["args"])))

    def mutation(self, order: Message) -> Any:
        return self.client.mutation(order["path"], to_client(from_tree(order["args"])))

    def action(self, order: Message) -> Any:
        return self.client.action(order["path"], to_client(from_tree(order["args"])))

    def actAs(self, order: Message) -> None:  # noqa: N802 (the word of driver.mjs)
        self.client.set_admin_auth(order["key"])

    def useToken(self, order: Message) -> None:  # noqa: N802
        self.client.set_auth(order["token"])

    def signOut(self, order: Message) -> None:  # noqa: N802
        self.client.clear_auth()

    def close(self, order: Message) -> None:
        pass


async def main() -> None:
    held: dict[str, Live | Http] = {}
    orders = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        try:
            if order["do"] == "open":
                kind = Live if order["kind"] == "live" else Http
                held[order["client"]] = kind(order["client"], order["url"])
                value = None
            else:
                value = getattr(held[order["client"]], order["do"])(order)
                if asyncio.iscoroutine(value):
                    value = await value
            say({"reply": order["id"], "value": to_tree(from_client(value))})
        except Exception as error:
            say({"reply": order["id"], "error": describe(error)})


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # the client's threads may wait for ever; nothing is left to say
