"""Deployer: every save becomes a push, one after the other.

It drives; what a push *is* belongs to the Application, what it prints to whoever gives `report`. A push that fails
changes nothing, is reported, and the next save is the next try.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from reactor.definitions.manifest import Manifest
from reactor.deploy.plan import NOTHING, DeployPlan
from reactor.errors import ReactorError


@dataclass(frozen=True, slots=True)
class Pushed:
    """The new code is live."""

    changed: frozenset[Path]  # the files whose change led to it; empty for the first push
    plan: DeployPlan
    generated: tuple[str, ...]  # names of the generated files that changed
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The push failed; what ran before runs on."""

    changed: frozenset[Path]
    error: ReactorError


DeployReport: TypeAlias = Pushed | Refused

Push: TypeAlias = Callable[[], Awaitable[Manifest]]
Generate: TypeAlias = Callable[[Manifest], Sequence[str]]
Report: TypeAlias = Callable[[DeployReport], None]


class Deployer:
    """Pushes on request and on every change; remembers what it last saw live, to tell what is new."""

    def __init__(self, push: Push, generate: Generate, report: Report, *, running: Manifest | None = None) -> None:
        """`push` loads and switches, or raises a ReactorError and changes nothing.

        `generate` writes client types and returns what changed. `running` is what is live already.
        """
        self._push = push
        self._generate = generate
        self._report = report
        self._running = running or NOTHING  # replaced in push() when one succeeds

    async def push(self, changed: frozenset[Path] = frozenset()) -> DeployReport:
        """One push, reported. Errors of reactor's own are part of the report; any other is a bug and is raised."""
        started = time.monotonic()
        try:
            manifest = await self._push()
        except ReactorError as error:
            report: DeployReport = Refused(changed, error)
        else:
            plan, self._running = DeployPlan.between(self._running, manifest), manifest
            generated = tuple(self._generate(manifest))
            report = Pushed(changed, plan, generated, time.monotonic() - started)
        self._report(report)
        return report

    async def follow(self, changes: AsyncIterator[frozenset[Path]]) -> None:
        """Push on each set of changes until there are no more.

        The next set is asked for when the push before is over: a watcher that gathers meanwhile makes any number of
        saves during a push one push after it.
        """
        async for changed in changes:
            await self.push(changed)
