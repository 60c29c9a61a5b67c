"""Child: work that takes long, in a process of its own. An order goes in, news come out, and in the end what came of it.

Both ends are here: `run_child` is the server's, `serve_order` the process's. Orders and news are lines of JSON. A child
whose server is gone ends: its standard input does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from typing import Any

import orjson

from reactor.errors import BundleBroken, ReactorError, TransferRefused

Order = dict[str, Any]
News = Callable[[str, int, int], None]  # what is being done, how much of it, of how much (0: not known)

_LINE = 16 << 20  # of what a child says
_NICE = 5  # what serves goes before


async def run_child(module: str, order: Order, news: News, *, hidden: Collection[str] = ()) -> Any:
    """Run `python -m module` to its end; what it came to. Raises TransferRefused. Cancelled, it kills the child.

    Environment variables in `hidden` it does not get.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name not in hidden},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(orjson.dumps(order) + b"\n")
        async for line in process.stdout:
            told = orjson.loads(line)
            match told:
                case {"news": [what, done, total]}:
                    news(what, done, total)
                case {"refused": text}:
                    raise TransferRefused(text)
                case {"result": result}:
                    return result
        raise TransferRefused("The process that did it died; the server's output may say why. Nothing has changed.")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def serve_order(work: Callable[[Order, News], Any]) -> None:
    """Do what the order says, and end."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # user code may print
    os.nice(_NICE)
    order = orjson.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()

    def say(**told: Any) -> None:
        out.write(orjson.dumps(told) + b"\n")

    try:
        say(result=work(order, lambda what, done, total: say(news=[what, done, total])))
    except BundleBroken as broken:
        say(refused=f"The code does not load:\n{broken.traceback.strip()}")
    except ReactorError as error:
        say(refused=str(error))
    except OSError as error:
        say(refused=f"{error.strerror or error}: {error.filename or 'the disk'}")
    except MemoryError:
        say(refused="There is not enough memory for it.")
    except Exception:  # noqa: BLE001  # the disk is full for SQLite, or a bug of ours: whoever waits is told
        traceback.print_exc()
        say(refused="It came to an error, which the server's output has. Nothing has changed.")


def _end_with_server() -> None:
    sys.stdin.buffer.read()
    os._exit(1)
