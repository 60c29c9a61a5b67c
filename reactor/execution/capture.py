"""Where `print` and `logging` of user code go: to the log lines of the running call.

Outside a call, and with `print(file=…)`, both do what they always did. Installed once per process, before user code is
imported.
"""

from __future__ import annotations

import builtins
import logging
from typing import Any

from reactor.execution.logs import Level
from reactor.execution.run import current_run

_print = builtins.print


def install() -> None:
    """Put `print` and the root logger under this rule. Doing it again changes nothing."""
    if builtins.print is _capturing_print:
        return
    builtins.print = _capturing_print
    root = logging.getLogger()
    if root.level == logging.WARNING:  # its default: as set by nobody. `logging.info` in a function is meant to be seen
        root.setLevel(logging.INFO)
    root.addHandler(_RunHandler())


def _capturing_print(*arguments: object, sep: str | None = " ", end: str | None = "\n", **rest: Any) -> None:
    run = current_run()
    if run is None or rest.get("file") is not None:
        _print(*arguments, sep=sep, end=end, **rest)
    elif sep is None or sep == " ":
        run.logs.add("LOG", *arguments)
    else:
        run.logs.add("LOG", sep.join(map(str, arguments)))


class _RunHandler(logging.Handler):
    """Hands records to the running call; outside one it does what Python does when no handler is configured."""

    def emit(self, record: logging.LogRecord) -> None:
        run = current_run()
        if run is None:
            usual = logging.lastResort
            if usual is not None and record.levelno >= usual.level and logging.getLogger().handlers == [self]:
                usual.handle(record)
            return
        if record.name.partition(".")[0] == "reactor":
            return  # the engine's own words are not the function's
        try:
            text = self.format(record)  # the message, and the traceback when there is one
        except Exception:  # noqa: BLE001  # a bad format string in user code is no error of the call
            self.handleError(record)
            return
        run.logs.add(_level(record.levelno), text)


def _level(number: int) -> Level:
    if number >= logging.ERROR:
        return "ERROR"
    if number >= logging.WARNING:
        return "WARN"
    return "INFO" if number >= logging.INFO else "DEBUG"
