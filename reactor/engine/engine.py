"""The machine in the middle: calls go down to the runners, batches and results come up, Views are refreshed.

Theory of operation. Everything that changes what a client may see happens in one synchronous step of the event loop,
started by a batch or by results from a reader (engine C1):

    batch from the writer     → the log's head moves → what it met becomes stale → its answers are handed out
    results from a reader     → if they are of a snapshot past the head they wait for it; else they reach the
                                subscriptions, fresh or already met again
    end of every step         → stale queries go to idle readers; every touched View is refreshed, all with one
                                FrameCache

Nothing newer than the head ever leaves the engine. A call is answered exactly once: the pool settles what became of
calls whose process died.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from reactor.clock import Clock
from reactor.database.catalog import BUNDLE_KEY, EVERYTHING_KEY, SYSTEM_INDEX
from reactor.engine.function_log import FunctionLog
from reactor.engine.one_shot import OneShot
from reactor.engine.one_snapshot import Asked, OneSnapshot
from reactor.engine.writer_budget import CRASH, WriterBudget
from reactor.errors import BadRequest, FunctionCrashed, FunctionTimeout, OutOfRetention, Overloaded
from reactor.execution.frames import Batch, Call, Failure, Outcome
from reactor.execution.http_exchange import HttpExchange
from reactor.execution.pool import RunnerPool
from reactor.footprint.key_range import KeyRange
from reactor.footprint.read_set import ReadSet
from reactor.footprint.write_log import WriteLog
from reactor.limits import Limits, setting
from reactor.subscriptions.manager import SubscriptionManager
from reactor.subscriptions.run_queue import Run
from reactor.subscriptions.subscription import Observation, QueryKey, Subscriber, Subscription
from reactor.sync.frame_cache import FrameCache

_log = logging.getLogger("reactor.engine")

Done = Callable[[Outcome], None]

UNKNOWN_READS = ReadSet({SYSTEM_INDEX: (KeyRange.point(BUNDLE_KEY),)})  # of a run that died: new code may do better
FIRST_RETRY, LAST_RETRY = 0.5, 64.0  # seconds before a watched query whose process died is run again
REACHABLE = 5_000_000_000  # ns past the clock that a client may have seen: another node's clock, or ours set back
ADVANCE = "_system/head:advance"
_ENDED = (FunctionTimeout.tag, FunctionCrashed.tag)  # failures of calls whose end nobody chose


class View(Protocol):
    """Somebody to whom changes are shown at the end of a step: a socket's worker."""

    def refresh(self, cache: FrameCache) -> None:
        """Tell what is new, if there is anything."""
        ...

    def aligned(self, ts: int, seen: dict[Subscription, Observation], cache: FrameCache) -> None:
        """The gang this view asked for was run in one snapshot at `ts`."""
        ...

    def scattered(self) -> None:
        """The gang this view asked for was not run, or not all of it."""
        ...


class Engine:
    """One per server. `attach` gives it its pool; it is the pool's listener."""

    def __init__(self, limits: Limits, functions: FunctionLog, clock: Clock) -> None:
        self.limits = limits
        self._clock = clock
        self._functions = functions
        self.log = WriteLog(0)  # replaced by opened
        self.subscriptions = SubscriptionManager(self.log)  # replaced by opened
        self.runs_made = 0  # query runs that came back, ever
        self._pool: RunnerPool | None = None
        self._next_call = 1
        self._next_batch = 1
        self._mutations: dict[int, tuple[Call, Done]] = {}  # by call id, from submit to answer, with who waits
        self._budget = WriterBudget(limits)
        self._batches: dict[int, dict[int, Run]] = {}  # by batch id: call id → run
        self.services: dict[str, Callable[[Call], Awaitable[Outcome]]] = {}  # what the server does for actions, by path
        self._held: list[tuple[int, int, Sequence[Outcome]]] = []  # (ts, batch id, outcomes) past the head
        self._touched: dict[View, None] = {}
        self._step_due = False  # a step was asked for outside of one
        self._tasks: set[asyncio.Task[None]] = set()

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def attach(self, pool: RunnerPool) -> None:
        """The pool whose listener this is."""
        self._pool = pool
        pool.on_reader_idle = self._ask_for_step

    def opened(self, head: int) -> None:
        """The database is open and stands at `head`."""
        self.log = WriteLog(head)
        self.subscriptions = SubscriptionManager(self.log)

    def reach(self, ts: int, view: View, now_ns: int) -> bool:
        """Bring the head to `ts`, which a client has been shown, and touch `view` then (engine A9).

        False when it lies too far ahead of the clock to wait for.
        """
        if ts > now_ns + REACHABLE:
            return False

        def done(outcome: Outcome) -> None:
            if outcome.failure is not None:
                _log.error("could not advance the head: %s", outcome.failure.text)
            self.touch(view)

        self.submit_mutation(ADVANCE, b'{"to":"%d"}' % ts, None, done, internal=True)
        return True

    async def close(self) -> None:
        """End the actions under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def head(self) -> int:
        """The newest committed timestamp."""
        return self.log.head

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def submit_mutation(
        self,
        path: str,
        args: bytes,
        identity: bytes | None,
        done: Done,
        *,
        internal: bool = False,
        session: str | None = None,
        request: int | None = None,
        job: str | None = None,
    ) -> None:
        """Run a mutation after all that were submitted before. `done` is called once, in the step its batch arrives in.

        `session` and `request` name a socket's request, which then runs at most once. Raises Overloaded.
        """
        self._check_writer_queue()
        if not internal:
            self._check_budget(path, identity)
        self._submit(
            Call(
                self._call_id(), "mutation", path, args, identity, internal, None, session, request, job,
                counted=self._functions.profile.held,
            ),
            done,
        )  # fmt: skip

    def _check_writer_queue(self) -> None:
        if len(self._mutations) >= self.limits.writer_queue:
            raise Overloaded("ExpiredInQueue", "Too many mutations are waiting. Try again later.")
        if not self.pool.writable:
            raise Overloaded("StorageUnavailable", "The data cannot be written just now. Try again later.")

    def _check_budget(self, path: str, identity: bytes | None) -> None:
        wait = self._budget.admit(path, identity, self._clock.monotonic())
        if wait is not None:
            raise Overloaded(
                "TooMuchWriterTime",
                f"{path} has used up its share of the time for mutations, which all others wait for. "
                f"Try again in {math.ceil(wait)} s. {setting('slow_mutation_share')}",
                retry_after=wait,
            )

    def _charge(self, call: Call, outcome: Outcome) -> None:
        code = None if outcome.failure is None else outcome.failure.code
        ended = code in _ENDED
        seconds = outcome.cpu  # which nobody can tell of a call that was ended
        if ended:
            seconds = self.limits.mutation_wall if code == FunctionTimeout.tag else CRASH
        self._budget.charge(call.path, call.identity, seconds, self._clock.monotonic(), ended=ended)

    def _submit(self, call: Call, done: Done) -> None:
        self._mutations[call.id] = (call, done)
        self.pool.submit_mutation(call)

    def submit_action(
        self,
        path: str,
        args: bytes,
        identity: bytes | None,
        done: Done,
        *,
        internal: bool = False,
        job: str | None = None,
    ) -> None:
        """Run an action; `done` is called once when it ends. Ended early by `close`, it is never called.

        One that is refused for overload has a failure that says `retry`.
        """
        self._begin(Call(self._call_id(), "action", path, args, identity, internal, job=job), done)

    def _begin(self, call: Call, done: Done) -> None:
        task = asyncio.get_running_loop().create_task(self._act(call, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def submit_http(self, name: str, identity: bytes | None, exchange: HttpExchange) -> None:
        """Have the project's HTTP routes answer a request; `name` is what logs call it. The exchange is always ended."""
        call = Call(self._call_id(), "action", name, b"{}", identity)
        task = asyncio.get_running_loop().create_task(self._answer(call, exchange))
        exchange.waiting(task.cancel)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def submit_query(
        self, path: str, args: bytes, identity: bytes | None, done: Done, *, internal: bool = False
    ) -> None:
        """Run a query once, or share a result that holds at the head; `done` is called once. Raises Overloaded."""
        self._ask(path, args, identity, lambda observation: done(_outcome(observation)), internal=internal)

    async def query(self, path: str, args: bytes, identity: bytes | None, *, internal: bool = False) -> Outcome:
        """`submit_query`, awaited."""
        return _outcome(await self._observe(path, args, identity, internal=internal))

    async def query_at(
        self, path: str, args: bytes, identity: bytes | None, ts: int, *, internal: bool = False
    ) -> Outcome:
        """What the query came to at `ts`, which is a batch end of the past, or the head.

        It is run at the head; that is proven to be the result at `ts` too when no commit between the two meets what
        was read (engine C3). Raises OutOfRetention when that cannot be said, BadRequest for a `ts` of the future.
        """
        if ts > self.head:
            raise BadRequest("InvalidTimestamp", "The timestamp lies in the future. Take one from /api/query_ts")
        observation = await self._observe(path, args, identity, internal=internal)
        first, last = min(ts, observation.ts), max(ts, observation.ts)
        if self.log.first_met(observation.reads, first, last) is not None:
            raise OutOfRetention("The data has changed since that timestamp. Ask /api/query_ts for a new one")
        return _outcome(observation)

    async def query_all(
        self, calls: Sequence[tuple[str, bytes]], identity: bytes | None, *, internal: bool = False
    ) -> list[Outcome]:
        """Run queries, given as path and arguments, in one snapshot that is not older than the call. Raises Overloaded."""
        self._check_room(len(calls))
        asked = [Asked(identity) for _ in calls]
        for one, (path, args) in zip(asked, calls, strict=True):
            self.watch(QueryKey(path, args, None, internal), one)
        snapshot = OneSnapshot(asked, lambda view, members: self.run_gang(view, identity, members))
        try:
            return [_outcome(observation) for observation in await snapshot.answer]
        finally:
            self.forget(snapshot)
            for one in asked:
                self.unwatch(one)

    async def mutation(
        self, path: str, args: bytes, identity: bytes | None, *, internal: bool = False, job: str | None = None
    ) -> Outcome:
        """`submit_mutation`, awaited. A caller that goes away does not undo it."""
        answer = _Answer()
        self.submit_mutation(path, args, identity, answer.set, internal=internal, job=job)
        return await answer.future

    async def action(
        self, path: str, args: bytes, identity: bytes | None, *, internal: bool = False, job: str | None = None
    ) -> Outcome:
        """`submit_action`, awaited."""
        answer = _Answer()
        self.submit_action(path, args, identity, answer.set, internal=internal, job=job)
        return await answer.future

    # ── live queries ─────────────────────────────────────────────────────────────────────────────────────────────────

    def watch(self, key: QueryKey, subscriber: Subscriber) -> None:
        """Follow a query until `unwatch`."""
        self.subscriptions.subscribe(key, subscriber)
        self._ask_for_step()

    def unwatch(self, subscriber: Subscriber) -> None:
        """Stop following it."""
        self.subscriptions.unsubscribe(subscriber)

    def run_gang(self, view: View, identity: bytes | None, members: Iterable[Subscription]) -> None:
        """Run all of these in one snapshot, as `identity`, then call `view.aligned`."""
        self.subscriptions.queue.add_gang(view, identity, members)
        self._ask_for_step()

    def touch(self, view: View) -> None:
        """Refresh the view at the end of this step."""
        self._touched[view] = None
        if not self._step_due:
            self._ask_for_step()

    def forget(self, view: View) -> None:
        """The view is gone."""
        self._touched.pop(view, None)
        self.subscriptions.queue.discard_gang(view)

    # ── what comes up from the pool ──────────────────────────────────────────────────────────────────────────────────

    def batch_done(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """See PoolListener."""
        self._step_due = True  # below
        try:
            self._batch(batch, outcomes)
        finally:
            self._step()

    def _batch(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        commits = batch.commits
        if batch.ts > self.log.head:
            self.log.append(batch.ts, commits)
        for commit in commits:
            if EVERYTHING_KEY in commit.keys.get(SYSTEM_INDEX, ()):
                self.log.forget_all()
                self.subscriptions.expire_all(batch.ts)
            self.subscriptions.committed(batch.ts, commit.keys)
        self._feed_readers()  # now, so that they work while the answers are written
        for outcome in outcomes:
            waiting = self._mutations.pop(outcome.call, None)
            if waiting is not None:
                call, done = waiting
                self._charge(call, outcome)
                self._functions.write("mutation", call.path, outcome)
                try:
                    done(outcome)
                except Exception:  # noqa: BLE001 this turn is everybody's: who asked may fail, nobody else for that
                    _log.exception("an answer could not be handed out")
        held, self._held = self._held, []
        for ts, number, results in held:
            self._results(number, ts, results)

    def queries_done(
        self,
        batch_id: int,
        ts: int,
        calls: Sequence[Call],  # noqa: ARG002 outcomes name their calls
        outcomes: Sequence[Outcome],
    ) -> None:
        """See PoolListener."""
        self._step_due = True  # below
        try:
            self._results(batch_id, ts, outcomes)
        finally:
            self._step()

    def queries_unrun(self, batch_id: int, calls: Sequence[Call]) -> None:
        """See PoolListener."""
        runs = self._batches[batch_id]
        gangs: dict[View, None] = {}
        for call in calls:
            run = runs.pop(call.id)
            self.subscriptions.returned(run)
            if run.gang is not None:
                gangs[run.gang] = None  # type: ignore[index]  # a gang's owner is the View that asked
        for view in gangs:
            view.scattered()
        if not runs:
            del self._batches[batch_id]
        self._ask_for_step()

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def pool(self) -> RunnerPool:
        """The runners."""
        assert self._pool is not None, "attach() comes first"
        return self._pool

    def _cost(self, outcome: Outcome) -> float:
        """Seconds a query took; a run that had to be killed could not say, and took all it may."""
        killed = outcome.failure is not None and outcome.failure.code in _ENDED
        return self.limits.function_cpu if killed else outcome.cpu

    def _check_room(self, queries: int = 1) -> None:
        if len(self.subscriptions.queue) + queries > self.limits.reader_queue:
            raise Overloaded("TooManyConcurrentRequests", "Too many queries are waiting. Try again later.")

    async def _observe(self, path: str, args: bytes, identity: bytes | None, *, internal: bool) -> Observation:
        """An observation that is true at some time from now on."""
        answer: asyncio.Future[Observation] = asyncio.get_running_loop().create_future()

        def done(observation: Observation) -> None:
            if not answer.done():
                answer.set_result(observation)

        asked = self._ask(path, args, identity, done, internal=internal)
        try:
            return await answer
        finally:
            asked.leave()

    def _ask(
        self,
        path: str,
        args: bytes,
        identity: bytes | None,
        done: Callable[[Observation], None],
        *,
        internal: bool,
    ) -> OneShot:
        self._check_room()
        asked = OneShot(self, identity, self.head, done)
        self.watch(QueryKey(path, args, None, internal), asked)
        asked.updated()
        return asked

    def _call_id(self) -> int:
        number = self._next_call
        self._next_call += 1
        return number

    def _results(self, batch_id: int, ts: int, outcomes: Sequence[Outcome]) -> None:
        if ts > self.log.head:  # the reader saw a batch whose record is still on its way (engine C1)
            self._held.append((ts, batch_id, outcomes))
            return
        runs = self._batches[batch_id]
        gangs: dict[View, dict[Subscription, Observation]] = {}
        arrived, observe, write = self.subscriptions.arrived, self.subscriptions.queue.observe, self._functions.write
        self.runs_made += len(outcomes)
        for outcome in outcomes:
            run = runs.pop(outcome.call)
            subscription = run.subscription
            path = subscription.key.path
            observation = _observation(outcome, ts, subscription.observation)
            observe(path, outcome.cpu if outcome.failure is None else self._cost(outcome))
            write("query", path, outcome)
            if run.gang is not None:
                gangs.setdefault(run.gang, {})[subscription] = observation  # type: ignore[arg-type]
            arrived(run, observation)
            if outcome.failure is not None or subscription.crashes:
                self._look_after(subscription, outcome)
        if not runs:
            del self._batches[batch_id]
        if gangs:
            cache = FrameCache()
            for view, seen in gangs.items():
                try:
                    view.aligned(ts, seen, cache)
                except Exception:  # noqa: BLE001 as above
                    _log.exception("a view could not be refreshed")

    def _look_after(self, subscription: Subscription, outcome: Outcome) -> None:
        """A watched query whose process died is run again after a while: it may not have been its own doing."""
        if outcome.failure is None or outcome.failure.code != FunctionCrashed.tag:
            subscription.crashes = 0
            return
        pause = min(FIRST_RETRY * 2**subscription.crashes, LAST_RETRY)
        subscription.crashes += 1
        asyncio.get_running_loop().call_later(pause, self._try_again, subscription)

    def _try_again(self, subscription: Subscription) -> None:
        self.subscriptions.try_again(subscription)
        self._ask_for_step()

    def _ask_for_step(self) -> None:
        if not self._step_due:
            self._step_due = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        self._step_due = False
        self._feed_readers()
        if self._touched:
            touched, self._touched = self._touched, {}
            cache = FrameCache()
            for view in touched:
                try:
                    view.refresh(cache)
                except Exception:  # noqa: BLE001 as above
                    _log.exception("a view could not be refreshed")

    def _feed_readers(self) -> None:
        queue = self.subscriptions.queue
        while len(queue) and (idle := self.pool.readers_idle):
            runs = queue.take(last_reader=idle == 1 and self.limits.readers > 1)
            if not runs:
                return
            number = self._next_batch
            self._next_batch += 1
            first = self._next_call
            self._next_call += len(runs)
            by_call = dict(enumerate(runs, first))
            self._batches[number] = by_call
            counted = self._functions.profile.held
            calls = [_call(call_id, run, counted=counted) for call_id, run in by_call.items()]
            if not self.pool.submit_queries(number, calls, self.log.head, whole=runs[0].gang is not None):
                self.queries_unrun(number, calls)
                return

    async def _act(self, call: Call, done: Done) -> None:
        began = self._clock.monotonic()
        try:
            outcome = await self.pool.run_action(call, self._nested)
        except Overloaded as overload:
            outcome = _refused(call, overload)
        self._functions.write("action", call.path, outcome, self._clock.monotonic() - began)
        done(outcome)

    async def _answer(self, call: Call, exchange: HttpExchange) -> None:
        outcome = _refused(call, Overloaded("ServerStopping", "The server is stopping"))
        began = self._clock.monotonic()
        try:
            outcome = await self.pool.run_action(call, self._nested, exchange)
            self._functions.write("httpAction", call.path, outcome, self._clock.monotonic() - began)
        except Overloaded as overload:
            outcome = _refused(call, overload)
        finally:
            exchange.ended(outcome)

    async def _nested(self, call: Call) -> Outcome:
        """A call made by an action: its own transaction, as the action's identity; or something the server does."""
        if (service := self.services.get(call.path)) is not None:
            return await service(call)
        if call.kind == "query":
            return await self.query(call.path, call.args, call.identity, internal=True)
        answer = _Answer()
        numbered = msgspec.structs.replace(call, id=self._call_id(), counted=self._functions.profile.held)
        if call.kind == "mutation":
            self._check_writer_queue()
            self._submit(numbered, answer.set)
        else:
            self._begin(numbered, answer.set)
        return await answer.future


class _Answer:
    """What somebody waits for who may go away: `set` it once."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def set(self, outcome: Outcome) -> None:
        if not self.future.done():
            self.future.set_result(outcome)


def _refused(call: Call, overload: Overloaded) -> Outcome:
    return Outcome(call.id, None, Failure(overload.code, overload.message, retry=True))


def _call(call_id: int, run: Run, *, counted: bool) -> Call:
    key = run.subscription.key
    return Call(call_id, "query", key.path, key.args, run.identity, key.internal, key.journal, counted=counted)


def _outcome(observation: Observation) -> Outcome:
    assert isinstance(observation.payload, Outcome)
    return observation.payload


def _observation(outcome: Outcome, ts: int, before: Observation | None) -> Observation:
    """`before` is what the query was last seen to be: a run that died reads, as far as is known, what that one did."""
    value, lines = outcome.value, outcome.log_lines
    reads = UNKNOWN_READS if before is None else before.reads
    return Observation(
        ts,
        ReadSet.from_wire(outcome.reads) if outcome.reads else reads,
        outcome.digest,
        outcome.journal,
        outcome.identity_read,
        outcome,
        outcome.failure is not None,
        (len(value) if value is not None else 0) + (sum(map(len, lines)) if lines else 0),
    )
