"""Bar: how far something has come, on standard error; nothing without a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Bar:
    """A context manager."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, what: str, done: float, total: float) -> None:
        """So much is done. A total of 0 is not known."""
        self._progress.update(self._task, description=what, completed=done, total=total or None)

    def show_state(self, state: dict[str, Any]) -> None:
        """What a transfer's row says."""
        self.show(state.get("progress_message", ""), state.get("done", 0), state.get("total", 0))

    def hide(self) -> None:
        """For a question."""
        self._progress.stop()
