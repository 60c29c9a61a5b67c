"""ActionPool: the server's side of the action runners: a fork each, used again after a clean finish, never too many.

Actions are at most once: one whose process dies is answered with that and never run again. Those that are declared
`concurrency="shared"` run in one process together (engine B2).

An action that waits for another holds its process meanwhile. Each depth of such calls has processes of its own, as many
as there are at the top: with one number for all, actions that wait for each other could take every place.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reactor.definitions.manifest import Manifest
from reactor.errors import Overloaded
from reactor.execution import frames
from reactor.execution.blame import blame, crashed, stalled
from reactor.execution.frames import AnyFrame, Call, Failure, Outcome
from reactor.execution.http_exchange import HttpExchange
from reactor.execution.nursery import Nursery
from reactor.execution.runner import Runner
from reactor.execution.spellings import spellings
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
        self._common: Runner | None = None  # where new shared actions run; made when one comes
        self._shared: dict[Runner, dict[int, _Run]] = {}  # shared runner → its runs by call id
        self._shared_paths: frozenset[str] = frozenset()  # set by switch()
        self._retired: set[Runner] = set()  # of an older nursery, or told to end
        self._waiting: dict[int, deque[_Run]] = {}  # by depth: all runners of it are busy

    @property
    def running(self) -> list[Runner]:
        """The runners with an action in them."""
        return [*self._busy, *(runner for runner, runs in self._shared.items() if runs)]

    async def run(self, call: Call, nested: Nested, exchange: HttpExchange | None = None) -> Outcome:
        """Run the action; `nested` carries out what it calls meanwhile. Its outcome, also when its process dies.

        With an `exchange` it is a request to an HTTP route, whose response goes there.

        Cancelling ends the action's process. Raises Overloaded when too many wait.
        """
        run = _Run(call, nested, asyncio.get_running_loop().create_future(), exchange)
        if self._queued >= self._limits.action_queue:
            raise Overloaded("TooManyConcurrentRequests", "Too many actions are waiting to run, try again later")
        self._waiting.setdefault(call.depth, deque()).append(run)
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
        self._shared_paths = _shared_paths(Manifest.from_bytes(nursery.manifest))
        leaving, self._idle = self._idle, []
        if self._common is not None:
            if not self._shared[self._common]:
                leaving.append(self._common)
            self._common = None  # one that is busy ends when the last of its actions has
        self._retired.update(self._busy, leaving)
        for runner in leaving:
            runner.send(frames.Drain())
        self._dispatch()

    @property
    def _queued(self) -> int:
        return sum(map(len, self._waiting.values())) + sum(map(len, self._shared.values()))

    async def stop(self) -> None:
        """End all of them and wait; what ran is answered as crashed."""
        self._nursery = None
        runners = {*self._idle, *self._busy, *self._retired, *self._shared}
        for runner in runners:
            runner.kill()
        await asyncio.gather(*(runner.gone() for runner in runners))
        for waiting in self._waiting.values():
            while waiting:
                run = waiting.popleft()
                _resolve(run, Outcome(run.call.id, None, Failure(Overloaded.tag, "The server is stopping", retry=True)))

    def _dispatch(self) -> None:
        for depth, waiting in self._waiting.items():
            while waiting and self._nursery is not None and self._nursery.alive:
                runner = self._runner_for(waiting[0], depth, self._nursery)
                if runner is None:
                    break
                self._begin(waiting.popleft(), runner)

    def _runner_for(self, run: _Run, depth: int, nursery: Nursery) -> Runner | None:
        """A runner that can take it now."""
        if run.exchange is None and run.call.path in self._shared_paths:
            if self._common is None:
                self._common = nursery.launch("shared", self)
                self._shared[self._common] = {}
            return self._common
        if sum(run.call.depth == depth for run in self._busy.values()) >= self._limits.action_runners:
            return None
        return self._idle.pop() if self._idle else nursery.launch("action", self)

    def _begin(self, run: _Run, runner: Runner) -> None:
        if runner is self._common:
            self._shared[runner][run.call.id] = run
        else:
            self._busy[runner] = run
        if run.exchange is None:
            runner.send(frames.RunAction(run.call))
        else:
            run.exchange.started(runner.send)
            runner.send(frames.RunHttp(run.call, run.exchange.request))

    def _forget(self, run: _Run) -> None:
        """The caller waits no longer: nothing of the run may go on."""
        for task in run.tasks:
            task.cancel()
        waiting = self._waiting.get(run.call.depth, ())
        if run in waiting:
            waiting.remove(run)  # type: ignore[union-attr]
        for runs in self._shared.values():
            runs.pop(run.call.id, None)
        for runner, its in self._busy.items():
            if its is run:  # cancelled: it has not finished
                runner.kill()

    # ── what they say, and their death ────────────────────────────────────────────────────────────────────────────

    def runner_said(self, runner: Runner, frame: AnyFrame) -> None:
        """RunnerOwner: the action is done, or wants something of the server."""
        match frame:
            case frames.ActionDone(outcome=outcome, reusable=reusable):
                if runner in self._shared:
                    self._shared_done(runner, outcome)
                    return
                run = self._busy.get(runner)
                if run is None or run.call.id != outcome.call:  # a fork of it that ran on, for instance
                    runner.babbled(f"the end of call {outcome.call}")
                    return
                del self._busy[runner]
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
            case frames.Nested(action=action, number=number, call=call):
                asking = self._shared[runner].get(action) if runner in self._shared else self._busy.get(runner)
                if asking is None:  # its time was over: what it asks for now is not done
                    return
                run = asking
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
        assert runner.status is not None
        run = self._busy.pop(runner, None)
        if run is not None:
            if run.exchange is not None:
                run.exchange.released()
            guilty = blame(runner, self._limits)
            failure = guilty.get(run.call.id) or crashed(runner.status)
            _log.warning("action runner died", extra={"status": runner.status, "path": run.call.path})
            _resolve(run, Outcome(run.call.id, None, failure))
        self._end_shared(runner, crashed(runner.status) if runner.killed_for is None else stalled(runner.allowed))
        self._dispatch()

    def _shared_done(self, runner: Runner, outcome: Outcome) -> None:
        runs = self._shared[runner]
        run = runs.pop(outcome.call, None)
        if run is not None:
            _resolve(run, outcome)
        if not runs and runner is not self._common:
            runner.send(frames.Drain())

    def _end_shared(self, runner: Runner, failure: Failure) -> None:
        if self._common is runner:
            self._common = None
        runs = self._shared.pop(runner, {})
        if runs:
            _log.warning("shared action runner died", extra={"status": runner.status, "actions": len(runs)})
        for run in runs.values():
            _resolve(run, Outcome(run.call.id, None, failure))


def _shared_paths(manifest: Manifest) -> frozenset[str]:
    """Every spelling of the actions that share a process."""
    shared = [function for function in manifest.functions if function.concurrency == "shared"]
    return frozenset(spelling for each in shared for spelling in spellings(each.path, each.python_path))


def _resolve(run: _Run, outcome: Outcome) -> None:
    if not run.done.done():
        run.done.set_result(outcome)
