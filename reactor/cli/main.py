"""Entry point of the `reactor` command.

What a server's process and its nursery both need is imported once, before the one becomes two (`execution/newborn.py`);
so this module imports nothing before it knows what was asked for.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reactor.execution.newborn import Newborn

_SERVING = ("dev", "serve")


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1:] == ["--version"]:
        from reactor.version import VERSION

        print(f"reactor {VERSION}")
        return
    gc.disable()  # imports make objects that stay: looking for garbage among them is a tenth of their time
    newborn = _fork_ahead() if sys.platform == "linux" and sys.argv[1:2] and sys.argv[1] in _SERVING else None

    from reactor.cli.commands import app
    from reactor.errors import ReactorError

    try:
        app(obj=newborn)
    except ReactorError as error:
        from pathlib import Path

        from reactor.cli.terminal import Terminal

        Terminal(Path.cwd()).failed(error)
        sys.exit(1)


def _fork_ahead() -> Newborn | None:
    if "--help" in sys.argv:
        return None
    if not os.environ.get("PYTHONHASHSEED", "").isdecimal():
        _begin_again()

    from reactor.execution.newborn import Newborn

    return Newborn.fork()


def _begin_again() -> None:
    """As the same process, with a hash seed that is known: every runner of this server, forked or not, has to have it.

    Taking 10 ms, it saves a hundred. The seed is no constant, because strings that collide could be made for that.
    """
    os.environ["PYTHONHASHSEED"] = str(int.from_bytes(os.urandom(4)))
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # what we were started as
