"""ActionPool: the server's side of the action runners: a fork each, used again after a clean finish, never too many.

Actions are at most once: one whose process dies is answered with that and never run again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reactor.errors import Overloaded
from reactor.execution import frames
from reactor.execution.blame import blame, crashed
from reactor.execution.frames import AnyFrame, Call, Failure, Outcome
from reactor.execution.http_exchange import HttpExchange
from reactor.execution.nursery import Nursery
from reactor.execution.runner import Runner
from reactor.limits import Limits

_log = logging.getLogger("reactor.execution")

Nested = Callable[[Call], Awaitable[Outcome]]


@dataclass(slots=True, eq=False)
class _Run:
    """One action or HTTP request under way."""

    call: Call
    nested: Nested
    done: asyncio.Future[Outcome]
    exchange: HttpExchange | None = None  # of an HTTP request
    tasks: set[asyncio.Task[None]] = field(default_factory=set)  # its nested calls; each removes itself


class ActionPool:
    """`switch` to a nursery, then `run`. Forks are made when needed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._nursery: Nursery | None = None  # whose forks new actions get; set by switch()
        self._idle: list[Runner] = []
        self._busy: dict[Runner, _Run] = {}
        self._retired: set[Runner] = set()  # of an older nursery, or told to end
        self._waiting: deque[_Run] = deque()  # all runners are busy

    @property
    def running(self) -> list[Runner]:
        """The runners with an action in them."""
        return list(self._busy)

    async def run(self, call: Call, nested: Nested, exchange: HttpExchange | None = None) -> Outcome:
        """Run the action; `nested` carries out what it calls meanwhile. Its outcome, also when its process dies.

        With an `exchange` it is a request to an HTTP route, whose response goes there.

        Cancelling ends the action's process. Raises Overloaded when too many wait.
        """
        run = _Run(call, nested, asyncio.get_running_loop().create_future(), exchange)
        if len(self._waiting) >= self._limits.action_queue:
            raise Overloaded("TooManyConcurrentRequests", "Too many actions are waiting to run, try again later")
        self._waiting.append(run)
        self._dispatch()
        try:
            return await run.done
        finally:
            self._forget(run)

    def switch(self, nursery: Nursery) -> None:
        """New actions run in this nursery's code; those that run finish in their own."""
        if nursery is self._nursery:
            return
        self._nursery = nursery
        leaving, self._idle = self._idle, []
        self._retired.update(self._busy, leaving)
        for runner in leaving:
            runner.send(frames.Drain())
        self._dispatch()

    async def stop(self) -> None:
        """End all of them and wait; what ran is answered as crashed."""
        self._nursery = None
        runners = {*self._idle, *self._busy, *self._retired}
        for runner in runners:
            runner.kill()
        await asyncio.gather(*(runner.gone() for runner in runners))
        while self._waiting:
            run = self._waiting.popleft()
            _resolve(run, Outcome(run.call.id, None, Failure(Overloaded.tag, "The server is stopping", retry=True)))

    def _dispatch(self) -> None:
        while self._waiting and self._nursery is not None and self._nursery.alive:
            if self._idle:
                runner = self._idle.pop()
            elif len(self._busy) < self._limits.action_runners:
                runner = self._nursery.launch("action", self)
            else:
                return
            run = self._busy[runner] = self._waiting.popleft()
            if run.exchange is None:
                runner.send(frames.RunAction(run.call))
            else:
                run.exchange.started(runner.send)
                runner.send(frames.RunHttp(run.call, run.exchange.request))

    def _forget(self, run: _Run) -> None:
        """The caller waits no longer: nothing of the run may go on."""
        for task in run.tasks:
            task.cancel()
        if run in self._waiting:
            self._waiting.remove(run)
        for runner, its in self._busy.items():
            if its is run:  # cancelled: it has not finished
                runner.kill()

    # ── what they say, and their death ────────────────────────────────────────────────────────────────────────────

    def runner_said(self, runner: Runner, frame: AnyFrame) -> None:
        """RunnerOwner: the action is done, or wants something of the server."""
        match frame:
            case frames.ActionDone(outcome=outcome, reusable=reusable):
                run = self._busy.pop(runner)
                if run.exchange is not None:
                    run.exchange.released()
                _resolve(run, outcome)
                if not reusable or runner in self._retired:
                    self._retired.add(runner)
                    runner.send(frames.Drain())
                else:
                    self._idle.append(runner)
                self._dispatch()
            case frames.ResponseHead() | frames.ResponseChunk() | frames.ResponseEnd():
                exchange = self._busy[runner].exchange
                assert exchange is not None
                exchange.arrived(frame)
            case frames.Nested(number=number, call=call):
                run = self._busy[runner]
                task = asyncio.get_running_loop().create_task(self._carry_out(runner, run, number, call))
                run.tasks.add(task)
                task.add_done_callback(run.tasks.discard)
            case _:
                raise AssertionError(frame)

    async def _carry_out(self, runner: Runner, run: _Run, number: int, call: Call) -> None:
        try:
            outcome = await run.nested(call)
        except Overloaded as overload:
            outcome = Outcome(call.id, None, Failure(overload.code, str(overload), retry=True))
        except Exception:  # noqa: BLE001  # a bug of ours must not leave the action waiting for ever
            _log.exception("a nested call failed in the server", extra={"path": call.path})
            outcome = Outcome(call.id, None, Failure("InternalServerError", "Your request couldn't be completed."))
        runner.send(frames.NestedDone(number, outcome))

    def runner_ended(self, runner: Runner) -> None:
        """RunnerOwner: answer what it ran."""
        self._retired.discard(runner)
        if runner in self._idle:
            self._idle.remove(runner)
        run = self._busy.pop(runner, None)
        if run is not None:
            if run.exchange is not None:
                run.exchange.released()
            assert runner.status is not None
            guilty = blame(runner, self._limits)
            failure = guilty.get(run.call.id) or crashed(runner.status)
            _log.warning("action runner died", extra={"status": runner.status, "path": run.call.path})
            _resolve(run, Outcome(run.call.id, None, failure))
        self._dispatch()


def _resolve(run: _Run, outcome: Outcome) -> None:
    if not run.done.done():
        run.done.set_result(outcome)
