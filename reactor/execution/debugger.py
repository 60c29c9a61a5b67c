"""breakpoint() in functions of a server: nobody sits at the terminal of a runner, so it says where there is one.

In tests, whose process has a terminal, it works as ever. A debugger that is reached some other way, over a socket for
instance, is chosen with PYTHONBREAKPOINT, as in any Python program.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from reactor.errors import ForbiddenHere


def install() -> None:
    """In a runner's process, or the one it will be forked from."""
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = _refuse


def _refuse(*_: object, **__: object) -> NoReturn:
    raise ForbiddenHere(
        "breakpoint() needs a terminal, and functions of a server run in processes that have none. Call the function in a "
        "test, where it works, or choose a debugger that needs none with PYTHONBREAKPOINT."
    )
