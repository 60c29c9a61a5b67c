"""ActionRunner: a process that runs actions and HTTP routes on an asyncio loop: one at a time, or, shared, all that
asked for it.

While an action runs, its calls to queries, mutations and the scheduler go over the pipe to the server, each in a
transaction of its own (engine B2). A process of one action at a time is used again after a clean finish; what the
action left running is ended first. In a shared one nobody knows whose a task is: what is left runs on, and a deadline is
a cancellation, because to kill the process would end the others.
"""

from __future__ import annotations

import asyncio
import itertools
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic  # taken before the guards replace it: the slot wants the real one
from typing import TYPE_CHECKING, Any

from reactor.clock import SystemClock
from reactor.execution import frames
from reactor.execution.caller import FunctionCaller
from reactor.execution.ended_for_time import ended_for_time
from reactor.execution.frames import AnyFrame, Call, Failure, HttpRequest, Outcome, pack
from reactor.execution.pipe import Pipe
from reactor.execution.process import ENGINE_FAILED, OUT_OF_MEMORY
from reactor.execution.slot import Slot
from reactor.limits import Limits

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle

_CHUNK = 1 << 18
_LOOP = 1  # what stands in a shared runner's slot: no call in particular
_BEAT = 0.5  # seconds
_PIECE = 64 << 10  # of a response's body, in one frame
_PATIENCE = 1.0  # seconds a task left behind has to take its cancellation


class ActionRunner:
    """One action process."""

    def __init__(self, pipe: Pipe, slot: Slot, bundle: Bundle, limits: Limits, *, shared: bool = False) -> None:
        self._socket, self._unpacker, self._early = pipe.hand_over()
        self._socket.setblocking(False)
        self._slot = slot
        self._shared = shared
        self._wall = limits.action_wall
        self._window = limits.http_window
        self._caller = FunctionCaller(bundle, limits, SystemClock())
        self._client: _Client | None = None  # of the HTTP request that runs, until it is done
        self._nested: dict[int, asyncio.Future[Outcome]] = {}  # number → its waiter; until NestedDone
        self._numbers = itertools.count(1)
        self._sending: asyncio.Lock  # frames leave whole; made on the loop
        self._own: set[asyncio.Task[Any] | None] = set()  # tasks that are not the action's
        self._running: set[asyncio.Task[bool]] = set()  # the actions, until they are done and answered

    def run(self) -> int:
        """Serve until Drain or the server's end. Returns the exit status."""
        try:
            # Not asyncio.run: it waits for whatever an action left running, and this process is about to end.
            asyncio.new_event_loop().run_until_complete(self._serve())
        except (BrokenPipeError, ConnectionResetError):
            pass
        except MemoryError:
            traceback.print_exc()
            return OUT_OF_MEMORY
        except BaseException:  # noqa: BLE001  # an error of ours: the server starts another runner
            traceback.print_exc()
            return ENGINE_FAILED
        return 0

    async def _serve(self) -> None:
        self._sending = asyncio.Lock()
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        arrived = iter(self._early)
        beat = loop.create_task(self._beat()) if self._shared else None
        while True:
            for frame in arrived:
                match frame:
                    case frames.RunAction(call=call):
                        self._running.add(loop.create_task(self._run(call)))
                    case frames.RunHttp(call=call, request=request):
                        self._client = client = _Client(self._send, self._window)
                        self._running.add(loop.create_task(self._run_http(call, request, client)))
                    case frames.ChunksTaken(size=size):
                        if self._client is not None:
                            self._client.taken(size)
                    case frames.ClientGone():
                        if self._client is not None:
                            self._client.leave()
                    case frames.NestedDone(number=number, outcome=outcome):
                        waiter = self._nested.pop(number, None)
                        if waiter is not None and not waiter.done():
                            waiter.set_result(outcome)
                    case frames.Drain():
                        await asyncio.gather(*self._running)
                        return
                    case _:
                        raise AssertionError(frame)
            reading = loop.create_task(loop.sock_recv(self._socket, _CHUNK))
            self._own = {me, reading, beat}
            while not reading.done():
                done, _ = await asyncio.wait({reading, *self._running}, return_when=asyncio.FIRST_COMPLETED)
                ended = self._running & done
                self._running -= ended
                if False in [task.result() for task in ended]:
                    return
            if not (data := reading.result()):
                return
            arrived = self._unpacker.feed(data)

    async def _run(self, call: Call) -> bool:
        """Run one action and answer it. False when the process must not be used again."""
        if self._shared:
            await self._send(frames.ActionDone(await self._run_shared(call)))
            return True
        self._slot.begin(call.id, monotonic())
        return await self._finish(await self._caller.run_action(call, partial(self._call, call.id)))

    async def _run_http(self, call: Call, request: HttpRequest, client: _Client) -> bool:
        """The same for an HTTP request."""
        self._slot.begin(call.id, monotonic())
        return await self._finish(await self._caller.run_http(call, request, partial(self._call, call.id), client))

    async def _finish(self, outcome: Outcome) -> bool:
        clean = await self._end_leftovers()
        self._nested.clear()
        self._client = None
        self._slot.end()
        await self._send(frames.ActionDone(outcome, reusable=clean))
        return clean

    async def _run_shared(self, call: Call) -> Outcome:
        action = asyncio.get_running_loop().create_task(self._caller.run_action(call, partial(self._call, call.id)))
        await asyncio.wait({action}, timeout=self._wall)
        if not action.done():
            action.cancel()
            return Outcome(call.id, None, ended_for_time(self._wall, "action_wall"))
        if action.cancelled():  # by itself
            return Outcome(call.id, None, Failure("CancelledError", "Uncaught CancelledError\n"))
        return action.result()

    async def _beat(self) -> None:
        """Say that the shared loop turns: the server ends a process in which one action holds up the others."""
        while True:
            self._slot.begin(_LOOP, monotonic())
            await asyncio.sleep(_BEAT)

    async def _call(self, action: int, call: Call) -> Outcome:
        """What ctx.run_query and its siblings wait for."""
        number = next(self._numbers)
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._nested[number] = waiter
        await self._send(frames.Nested(action, number, call))
        try:
            return await waiter
        finally:
            self._nested.pop(number, None)

    async def _send(self, frame: AnyFrame) -> None:
        async with self._sending:
            await asyncio.get_running_loop().sock_sendall(self._socket, pack(frame))

    async def _end_leftovers(self) -> bool:
        """Cancel the tasks an action left: the next action must not live with them. False when one does not end."""
        leftovers = asyncio.all_tasks() - self._own - {asyncio.current_task()}
        for task in leftovers:
            task.cancel()
        if leftovers:
            _done, leftovers = await asyncio.wait(leftovers, timeout=_PATIENCE)
        return not leftovers


class _Client:
    """The client of an HTTP request, at the other end of the server: see http_action.Client."""

    def __init__(self, send: Callable[[AnyFrame], Awaitable[None]], window: int) -> None:
        self.gone = asyncio.Event()  # set by leave
        self._send = send
        self._room = window  # bytes that may be sent; shrinks in chunk, grows in taken
        self._moved = asyncio.Event()  # there may be room again

    async def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send(frames.ResponseHead(status, headers))

    async def chunk(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            while self._room <= 0 and not self.gone.is_set():
                self._moved.clear()
                await self._moved.wait()
            if self.gone.is_set():
                return
            piece = data[start : start + _PIECE]
            self._room -= len(piece)
            await self._send(frames.ResponseChunk(piece))

    async def end(self) -> None:
        await self._send(frames.ResponseEnd())

    def taken(self, size: int) -> None:
        """The client has taken so much."""
        self._room += size
        self._moved.set()

    def leave(self) -> None:
        """The client is gone."""
        self.gone.set()
        self._moved.set()
