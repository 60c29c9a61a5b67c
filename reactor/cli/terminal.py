"""Terminal: everything the commands say to a person. Results for programs go to stdout, all else to stderr."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from typing_extensions import override

from reactor.cli.ink import Ink
from reactor.errors import BundleBroken, ReactorError

if TYPE_CHECKING:
    from rich.status import Status

    from reactor.definitions.manifest import Manifest
    from reactor.deploy.deployer import DeployReport
    from reactor.deploy.plan import DeployPlan
    from reactor.deploy.progress import Work

_SAID_EVERY = 1.0  # seconds


class Terminal:
    """Where a person reads along."""

    def __init__(self, root: Path, ink: Ink | None = None, types: str = "functions/_generated") -> None:
        """`types` is where the front end's types are, below the root."""
        self._root = root
        self._types = types
        self._ink = ink or Ink()
        self._status: Status | None = None  # the moving line, while something is under way; see progress()
        self._shown = ("", 0.0)  # what was said last of it where nothing moves, and when

    def log_from(self, name: str, level: int) -> None:
        """Show the records of a logger from now on."""
        handler = _EventHandler(self._ink)
        handler.setFormatter(_EventFormatter())
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False

    def say(self, text: str) -> None:
        """A line of no great weight."""
        self._ink.line((f"  {text}", "dim"))

    def loaded(self, manifest: Manifest, seconds: float) -> None:
        """The project runs for the first time."""
        tables, functions = len(manifest.tables), len(manifest.functions)
        self._done(f"{tables} {_plural('table', tables)}, {functions} {_plural('function', functions)}", seconds)

    def generated(self, names: Sequence[str]) -> None:
        """Client types were written."""
        types = [name for name in names if "/" not in name]
        if types:
            self.say(f"wrote {self._types}: {', '.join(types)}")
        for name in names:
            if "/" in name:
                self.say(f"wrote {name.removeprefix('./')}")

    def report(self, report: DeployReport) -> None:
        """What came of a push."""
        from reactor.deploy.deployer import Pushed  # whoever has a report has imported it

        files = ", ".join(sorted(self._relative(path) for path in report.changed)) or "push"
        if not isinstance(report, Pushed):
            self.failed(report.error)
            self._ink.line(("✗", "red"), f" {files}: not live. What ran before runs on.")
            return
        self._done(files, report.seconds)
        for line in report.plan.lines():
            self.say(line)
        self.generated(report.generated)

    def failed(self, error: ReactorError) -> None:
        """Something could not be done; broken user code shows its traceback."""
        if isinstance(error, BundleBroken):
            self._ink.line((error.traceback.rstrip(), "red"))
        else:
            self._ink.line(("error:", "red"), f" {error}")

    def plan(self, plan: DeployPlan) -> None:
        """What a push changes."""
        for change in plan.changes:
            colour = {"+": "green", "-": "red"}.get(change.sign, "yellow")
            self._ink.line("  ", (change.sign, colour), str(change)[1:])
        if plan.modules:
            what = "what functions do" if plan else "only what functions do"
            count = f"{len(plan.modules)} module{'s' if len(plan.modules) > 1 else ''}"
            self.say(f"{what}, in {count} of functions/: {', '.join(plan.modules)}")
        elif not plan:
            self.say("no change in tables, functions, routes or crons")

    def done(self, text: str) -> None:
        """It went well."""
        self._ink.line(("✓", "green"), f" {text}")

    def refused(self, text: str) -> None:
        """It was looked at, and cannot be."""
        self._ink.line(("✗", "red"), f" {text}")

    def progress(self, work: Work | None) -> None:
        """What is being done to documents and indexes: a line that moves, or now and then a line where nothing can."""
        if work is None:
            if self._status is not None:
                self._status.stop()
            self._status = None
            self._shown = ("", 0.0)
            return
        text = str(work)
        if self._ink.moves:
            if self._status is None:
                from rich.console import Console  # where something moves

                self._status = Console(file=self._ink.file).status("")
                self._status.start()
            self._status.update(text.replace("[", "\\["))
            return
        what, now = text.partition(":")[0], time.monotonic()
        if what != self._shown[0] or now - self._shown[1] >= _SAID_EVERY:
            self._shown = (what, now)
            self.say(text)

    def warn(self, text: str) -> None:
        """Something a person should know."""
        self._ink.line((text, "yellow"))

    def _done(self, what: str, seconds: float) -> None:
        self._ink.line(("✓", "green"), f" {what} ", (f"({seconds * 1000:.0f} ms)", "dim"))

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)


class _EventHandler(logging.Handler):
    """One line a record, however long."""

    _styles = MappingProxyType({"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"})

    def __init__(self, ink: Ink) -> None:
        super().__init__()
        self._ink = ink

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            moment = time.strftime("%H:%M:%S", time.localtime(record.created))
            level = (f"{record.levelname:<8}", self._styles.get(record.levelname, ""))
            self._ink.line((moment, "dim"), " ", level, " ", self.format(record))
        except Exception:  # noqa: BLE001  # as logging does: a record that cannot be shown ends nothing
            self.handleError(record)


class _EventFormatter(logging.Formatter):
    """An event's name and its fields: `checkpoint wal_bytes=0`."""

    _usual = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = (f"{key}={value!r}" for key, value in vars(record).items() if key not in self._usual)
        return " ".join((record.getMessage(), *fields))


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
