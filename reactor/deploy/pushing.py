"""A push from a loaded bundle to the code in force: what would it do, and doing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from reactor.definitions.manifest import Manifest
from reactor.deploy.plan import DeployPlan
from reactor.deploy.preparation import Preparation
from reactor.deploy.progress import Tell
from reactor.deploy.schema_work import SchemaWork
from reactor.deploy.writer_calls import WriterCalls
from reactor.engine.engine import Engine
from reactor.errors import NotPrepared, StorageError, WriterDied
from reactor.execution.frames import Prepared
from reactor.execution.nursery import Nursery
from reactor.execution.system_names import DISCARD

Push: TypeAlias = Callable[[Nursery, Prepared], Awaitable[None]]

_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push would do: what is different, and what that means for the documents and indexes there are."""

    plan: DeployPlan
    work: SchemaWork
    obstacle: str | None = None  # what it would be refused for

    def lines(self) -> list[str]:
        """For a person, a line each."""
        return [*self.plan.lines(), *self.work.lines()]


async def plan_push(engine: Engine, nursery: Nursery, running: Manifest) -> PushPlan:
    """What a push of a loaded bundle would do; every document in doubt is looked at. Nothing is changed."""
    manifest = Manifest.from_bytes(nursery.manifest)
    preparation = Preparation(engine, nursery, manifest, lambda _work: None)
    try:
        obstacle = await preparation.rehearse()
        return PushPlan(DeployPlan.between(running, manifest), preparation.work, obstacle)
    finally:
        await preparation.close()


async def prepare_and_push(engine: Engine, nursery: Nursery, manifest: Manifest, tell: Tell, push: Push) -> None:
    """Prepare while what runs goes on, then `push`. Raises as both do; nothing is left of it then."""
    preparation = Preparation(engine, nursery, manifest, tell)
    try:
        prepared = await preparation.run()
        for rounds_left in reversed(range(_ROUNDS)):
            try:
                await push(nursery, prepared)
                break
            except NotPrepared:
                if not rounds_left:
                    raise
                prepared = await preparation.again()
    except (StorageError, WriterDied):
        raise  # who could take it back? the next start does
    except BaseException:
        await preparation.undo()
        raise
    finally:
        await preparation.close()


async def discard_leftovers(engine: Engine) -> None:
    """Take away what a push left that was cut short by the end of its server."""
    await WriterCalls(engine).call(DISCARD, {})
