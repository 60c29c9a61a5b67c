"""Progress: how a load is going, on standard error: a line that moves, or a line now and then without a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from reactor.cli.bench.load import Load

_MOVES = 0.25  # seconds between two looks of the moving line, which costs a tenth of a millisecond
_TELLING = 0.1  # seconds: in less, a speed is chance
_LINES = 10  # in all, without a terminal
_BAR = 24  # characters


class Progress:
    """What is said while calls are made."""

    def __init__(self, calls: str = "calls") -> None:
        """`calls` is what they are named."""
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._calls = calls

    @contextlib.asynccontextmanager
    async def of(self, load: Load, what: str, seconds: float | None, calls: int | None) -> AsyncIterator[None]:
        """Follow the load while the block runs. `what` is done for so many seconds, or so many calls."""
        task = asyncio.get_running_loop().create_task(self._follow(load, what, seconds, calls))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(Text(text, style="dim"))

    async def _follow(self, load: Load, what: str, seconds: float | None, calls: int | None) -> None:
        moving = self._console.is_terminal
        pause = _MOVES if moving else max(1.0, (seconds or 0.0) / _LINES)
        last, answered = load.began or time.perf_counter(), 0
        if not moving:
            await asyncio.sleep(pause)
        with (
            Live(console=self._console, auto_refresh=False, transient=True)
            if moving
            else contextlib.nullcontext() as live
        ):
            while True:
                if live is not None:
                    live.update(self._line(load, what, seconds, calls, last, answered), refresh=True)
                elif load.tally.answered:
                    self.say(self._line(load, what, seconds, calls, last, answered).plain)
                last, answered = time.perf_counter(), load.tally.answered
                await asyncio.sleep(pause)

    def _line(
        self, load: Load, what: str, seconds: float | None, calls: int | None, last: float, answered: int
    ) -> Text:
        """How far it is, and what it came to since `last`, when so many calls had been answered."""
        now, tally = time.perf_counter(), load.tally
        gone = now - load.began
        speed = (tally.answered - answered) / max(now - last, 1e-3)
        if calls is not None:
            share, far = tally.answered / calls, f"{tally.answered:,} of {calls:,}"
        else:
            share, far = (gone / seconds if seconds else 0.0), f"{gone:.1f} of {seconds or 0:g} s"
        filled = min(_BAR, int(share * _BAR))
        latencies = tally.latencies
        text = Text(f"{what} ")
        if self._console.is_terminal:
            text.append("━" * filled, style="green").append("━" * (_BAR - filled) + " ", style="dim")
        text.append(far)
        if now - last > _TELLING:
            text.append(f"  {speed:,.0f} {self._calls}/s")
        if latencies.count:
            text.append(
                f"  p50 {milliseconds(latencies.percentile(0.5))}  p99 {milliseconds(latencies.percentile(0.99))}"
            )
        return text.append(f"  {tally.failures:,} errors" if tally.failures else "", style="red")


def milliseconds(seconds: float) -> str:
    """For people."""
    value = seconds * 1000
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"
