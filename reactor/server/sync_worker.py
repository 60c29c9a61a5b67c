"""Drives one SyncSession over one socket: carries out its effects and decides when a Transition can be made.

A Transition needs one timestamp at which every query of the client is known (engine C3). When all are fresh that is
the log's head. Else it is looked for forward (the newest run, if nothing met the others before it) and backward (just
before the first result that ended, if the newer ones already held then). If neither is found at a few heads in a row,
because commits keep coming, the whole set is run as a *gang* in one snapshot, which has one by construction.

Everything here is synchronous, on the event loop; who the client is, and for how long, is `SignIn`'s.
"""

from __future__ import annotations

import asyncio
import logging
from typing import assert_never

from reactor.application import Application
from reactor.auth.identity import Identity
from reactor.errors import BadRequest, Overloaded
from reactor.execution.frames import Outcome
from reactor.server.chunks import Chunks
from reactor.server.errors import close_code
from reactor.server.heartbeat import Heartbeat
from reactor.server.sign_in import SignIn
from reactor.server.socket import Socket
from reactor.subscriptions.subscription import Observation, QueryKey, Subscription
from reactor.sync.client_info import ClientInfo
from reactor.sync.codec import (
    CHUNK,
    PING,
    encode,
    encode_modification,
    encode_transition,
    failed_body,
    frame_payload,
    parse,
    place,
    updated_body,
    ws_frame,
)
from reactor.sync.error_text import error_message, shown_log_lines
from reactor.sync.frame_cache import FrameCache
from reactor.sync.messages import (
    ActionFailed,
    ActionSucceeded,
    MutationFailed,
    MutationSucceeded,
    QueryRemoved,
    ServerMessage,
)
from reactor.sync.session import (
    CheckObserved,
    Close,
    Effect,
    ExpiresAt,
    RunAction,
    RunMutation,
    State,
    SyncedQuery,
    SyncSession,
    Tell,
    Unwatch,
    Verify,
    Watch,
)
from reactor.sync.version import StateVersion

PING_FRAME = ws_frame(PING)
PATIENCE = 3  # heads at which none was found before the whole set is run in one snapshot

_log = logging.getLogger("reactor.sync")


class Watched:
    """One query of one socket: the session's record of it, and the subscription that serves it."""

    __slots__ = ("identity", "query", "subscription", "worker")

    subscription: Subscription  # set by the manager

    def __init__(self, worker: SyncWorker, query: SyncedQuery, identity: bytes | None) -> None:
        self.worker = worker
        self.query = query
        self.identity = identity

    def updated(self) -> None:
        """See Subscriber."""
        worker = self.worker
        worker.application.touch(worker)


class SyncWorker:
    """See the module's docstring. `connected`, `receive`, `cleared` and `closed` are called by the endpoint."""

    __slots__ = (
        "_actions",
        "_blocked",
        "_chunks",
        "_client",
        "_gang",
        "_heartbeat",
        "_loop",
        "_missed_at",
        "_misses",
        "_mutations",
        "_only",
        "_session",
        "_sign_in",
        "_socket",
        "_watched",
        "application",
        "closing",
        "said_at",
    )

    def __init__(self, socket: Socket, application: Application, client: ClientInfo, heartbeat: Heartbeat) -> None:
        self._socket = socket
        self._heartbeat = heartbeat
        self._loop = asyncio.get_running_loop()
        self.said_at = self._loop.time()  # set by _send
        self.application = application
        self._client = client
        self._session = SyncSession(application.limits.socket_queries)
        self._watched: dict[int, Watched] = {}  # follows Watch and Unwatch
        self._only: Watched | None = None  # of those, when it is the only one: what most sockets are
        self._mutations = 0  # sent to the writer and not answered
        self._actions = 0  # running
        self._misses = 0  # heads in a row at which no common timestamp was found; 0 after each Transition
        self._missed_at = 0  # the last of them
        self._gang = False  # a gang of ours is queued or running
        self._blocked = False  # a refresh is due once the socket is clear
        self._chunks: Chunks | None = None  # a Transition that is only partly sent
        self._sign_in = SignIn(self._session, application, self, client.address)
        self.closing = False  # close was asked for; nothing is written any more
        heartbeat.add(self)

    # ── the endpoint calls ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def greeted(self) -> bool:
        """Whether Connect has come."""
        return bool(self._session.name)

    def receive(self, text: str | bytes) -> None:
        """One text frame."""
        try:
            message = parse(text)
            session = self._session
            if session.expires is not None and self._sign_in.is_over_for(message):
                effects = session.expired()
            else:
                effects = session.receive(message)
        except BadRequest as error:
            effects = self._session.bad_message(error.code, error.message)
        self.carry_out(effects)
        if self._session.owes:
            self.touch()

    def cleared(self) -> None:
        """The socket took everything: whatever was held back may go."""
        if self._chunks is not None:
            self._send_chunks()
            return
        if self._blocked:
            self._blocked = False
            self.touch()

    def ping(self) -> None:
        """Nothing was said for a while."""
        if not self.closing and self._socket.clear:
            self._send(PING_FRAME)

    def closed(self) -> None:
        """The socket is gone. Mutations under way still run; nobody is told."""
        self.closing = True
        self._heartbeat.remove(self)
        self._sign_in.stop()
        self._session.closed()
        for watched in self._watched.values():
            self.application.unwatch(watched)
        self._watched.clear()
        self._only = None
        self.application.forget(self)

    # ── effects ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def carry_out(self, effects: list[Effect]) -> None:
        """Do what the session asks for."""
        for effect in effects:
            match effect:
                case Watch(query):
                    watched = self._watched[query.query_id] = Watched(self, query, _key(self._session.identity))
                    self._only = watched if len(self._watched) == 1 else None
                    self.application.watch(
                        QueryKey(query.path, query.args, query.journal, self._session.admin), watched
                    )
                    self.touch()
                case Unwatch(query):
                    self.application.unwatch(self._watched.pop(query.query_id))
                    self._only = next(iter(self._watched.values())) if len(self._watched) == 1 else None
                case RunMutation():
                    self._run_mutation(effect)
                case RunAction():
                    self._run_action(effect)
                case Verify(credential):
                    self._sign_in.verify(credential)
                case ExpiresAt(at):
                    self._sign_in.await_end(at)
                case CheckObserved(ts):
                    self._check_observed(ts)
                case Tell(message):
                    self._end_chunks()  # it is the last they hear
                    self._say(message)
                case Close(code):
                    self.close(code)
                case never:
                    assert_never(never)

    def _run_mutation(self, effect: RunMutation) -> None:
        mutation = effect.mutation
        if self._mutations >= self.application.limits.socket_mutations:
            self.close("TooManyConcurrentMutations")
            return
        self._mutations += 1

        def done(outcome: Outcome) -> None:
            self._mutations -= 1
            self._mutation_done(mutation.request_id, outcome)

        try:
            self.application.submit_mutation(
                mutation.path,
                mutation.args,
                effect.identity,
                done,
                internal=effect.admin,
                session=self._session.name,
                request=mutation.request_id,
            )
        except Overloaded as error:
            self._mutations -= 1
            self.close(error.code)

    def _mutation_done(self, request: int, outcome: Outcome) -> None:
        if self.closing:
            return
        failure = outcome.failure
        redact = self.application.redact
        lines = shown_log_lines(outcome.log_lines, redact)
        if failure is None:
            assert outcome.value is not None
            self._say(MutationSucceeded(request, outcome.value, outcome.ts, lines))
        elif failure.retry:
            self.close(failure.code)
            return
        else:
            text = error_message(self.application.request_name(outcome.call), failure, redact)
            self._say(MutationFailed(request, text, failure.data, lines))
        self._session.responded(max(outcome.ts, self.application.head) if failure else outcome.ts)
        self.touch()

    def _run_action(self, effect: RunAction) -> None:
        action = effect.action
        if self._actions >= self.application.limits.socket_actions:
            self.close("TooManyInflightActionsForSingleClient")
            return
        self._actions += 1

        def done(outcome: Outcome) -> None:
            self._actions -= 1
            self._action_done(action.request_id, outcome)

        self.application.submit_action(action.path, action.args, effect.identity, done, internal=effect.admin)

    def _action_done(self, request: int, outcome: Outcome) -> None:
        if self.closing:
            return
        failure = outcome.failure
        redact = self.application.redact
        lines = shown_log_lines(outcome.log_lines, redact)
        if failure is None:
            assert outcome.value is not None
            self._say(ActionSucceeded(request, outcome.value, lines))
        elif failure.retry:
            self.close(failure.code)
            return
        else:
            text = error_message(self.application.request_name(outcome.call), failure, redact)
            self._say(ActionFailed(request, text, failure.data, lines))
        self._session.responded(self.application.head)
        self.touch()

    def _check_observed(self, ts: int) -> None:
        self._session.observed(ts)
        if ts > self.application.head and not self.application.reach(ts, self):
            _log.warning("a client has seen a state %d ns ahead of the log: its socket is closed", ts)
            self.close("InternalServerError")

    # ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────────

    def touch(self) -> None:
        """Look at this session at the end of the present step."""
        self.application.touch(self)

    def refresh(self, cache: FrameCache) -> None:
        """Make a Transition, if there is something to tell and a timestamp at which all of it is true."""
        # The way of every push to every client: it calls little and touches few objects, for they are in no cache when
        # there are many.
        session = self._session
        if not self._may_tell():
            return
        only = self._only
        if only is not None:
            observation = only.subscription.observation
            if observation is None:
                return
            query = only.query
            if observation.digest == query.sent:
                if not session.owes:
                    return
            elif only.subscription.valid_until is None and not session.removed:
                head = cache.head
                if head < 0:
                    head = cache.head = self.application.head
                if head >= session.floor and head >= session.sent.ts:
                    self._tell_one(head, query, observation, cache)
                    return
        settled = True
        changed: list[tuple[SyncedQuery, Observation]] = []
        for watched in self._watched.values():
            subscription = watched.subscription
            observation = subscription.observation
            if observation is None:
                return
            if subscription.valid_until is not None:
                settled = False
            if observation.digest != watched.query.sent:
                changed.append((watched.query, observation))
        if not changed and not session.owes:
            return
        ts = self.application.head if settled else self._common_timestamp()
        if ts is None or ts < max(session.floor, session.sent.ts):
            self._missed()
            return
        self._transition(ts, changed, cache)

    def _may_tell(self) -> bool:
        """Whether a Transition may go out now; if only the socket is in the way, it is due once that is clear."""
        session = self._session
        if self.closing or session.state is not State.CONNECTED:
            return False
        if session.expires is not None and self._sign_in.is_over:
            self.carry_out(session.expired())
            return False
        if self._chunks is None and self._socket.clear:
            return True
        self._blocked = True
        return False

    def aligned(self, ts: int, seen: dict[Subscription, Observation], cache: FrameCache) -> None:
        """The gang asked for was run: all of `seen` is true at `ts`."""
        self._gang = False
        session = self._session
        if not self._may_tell():
            return
        pairs = [(watched.query, seen.get(watched.subscription)) for watched in self._watched.values()]
        if ts < max(session.floor, session.sent.ts) or any(observation is None for _, observation in pairs):
            self.touch()
            return
        changed = [(query, o) for query, o in pairs if o is not None and o.digest != query.sent]
        if changed or session.owes:
            self._transition(ts, changed, cache)

    def scattered(self) -> None:
        """A reader died in the gang, or had no time for all of it: the next refresh may ask for another."""
        self._gang = False
        self.touch()

    def _common_timestamp(self) -> int | None:
        """A batch end inside the interval of every query, not below what the client was shown; None if none is found.

        The session's floor may lie inside a batch, where no readable state is (engine A8): it is only compared.
        """
        session = self._session
        log = self.application.log
        newest = session.sent.ts
        first_end = None
        for watched in self._watched.values():
            subscription = watched.subscription
            assert subscription.observation is not None
            newest = max(newest, subscription.observation.ts)
            if subscription.valid_until is not None and (first_end is None or subscription.valid_until < first_end):
                first_end = subscription.valid_until
        if first_end is None:
            return self.application.head
        if session.floor <= newest < first_end:
            return newest
        before = log.previous(first_end)
        for watched in self._watched.values():
            observation = watched.subscription.observation
            assert observation is not None
            if observation.ts > before and log.first_met(observation.reads, before, observation.ts) is not None:
                return None
        return before

    def _missed(self) -> None:
        head = self.application.head
        if head == self._missed_at:  # no commit since: what is stale is on its way
            return
        self._missed_at = head
        self._misses += 1
        if self._misses > PATIENCE and not self._gang:
            self._gang = True
            members = dict.fromkeys(watched.subscription for watched in self._watched.values())
            self.application.run_gang(self, _key(self._session.identity), members)

    def _transition(self, ts: int, changed: list[tuple[SyncedQuery, Observation]], cache: FrameCache) -> None:
        session = self._session
        if len(changed) == 1 and not session.removed:
            self._tell_one(ts, *changed[0], cache)
            return
        self._misses = 0
        start, removed = session.advance(cache.version(session.query_set, session.identity_version, ts))
        end = session.sent
        modifications = [encode_modification(QueryRemoved(query_id)) for query_id in removed]
        for query, observation in changed:
            modifications.append(place(query.query_id, observation.told or self._tell(observation)))
            query.sent = observation.digest
            query.journal = observation.journal
        self._send_transition(ws_frame(encode_transition(start, end, modifications)))

    def _tell_one(self, ts: int, query: SyncedQuery, observation: Observation, cache: FrameCache) -> None:
        """A Transition that says one thing: the same for all who watch the query and have stood where this one does."""
        session = self._session
        self._misses = 0
        end = cache.version(session.query_set, session.identity_version, ts)
        start, _ = session.advance(end)
        frame = cache.last(start, end, query.query_id, observation)
        if frame is None:
            frame = self._one_change(start, end, query.query_id, observation, cache)
        query.sent = observation.digest
        query.journal = observation.journal
        if len(frame) > CHUNK:
            self._send_transition(frame)
        else:
            self.said_at = self._loop.time()
            self._socket.send_frame(frame)

    def _one_change(
        self, start: StateVersion, end: StateVersion, query_id: int, observation: Observation, cache: FrameCache
    ) -> bytes:
        key = (*start.key, *end.key, query_id, observation.digest, observation.journal)
        frame = cache.frames.get(key)
        if frame is None:
            body = observation.told or self._tell(observation)
            frame = cache.frames[key] = ws_frame(encode_transition(start, end, (place(query_id, body),)))
        cache.remember(frame, start, end, query_id, observation)
        return frame

    def _tell(self, observation: Observation) -> bytes:
        """Spell what a run came to, once for all who watch it."""
        outcome = observation.payload
        assert isinstance(outcome, Outcome)
        redact = self.application.redact
        lines = shown_log_lines(outcome.log_lines, redact)
        if outcome.failure is None:
            assert outcome.value is not None
            body = updated_body(outcome.value, lines, outcome.journal)
        else:
            text = error_message(self.application.request_name(outcome.call), outcome.failure, redact)
            body = failed_body(text, outcome.failure.data, lines, outcome.journal)
        observation.told = body
        return body

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _send(self, frame: bytes) -> None:
        self.said_at = self._loop.time()
        self._socket.send_frame(frame)

    def _send_transition(self, frame: bytes) -> None:
        if len(frame) > CHUNK and self._client.reads_chunks:
            self._chunks = Chunks(frame_payload(frame), self.application.limits.socket_backlog)
            self._send_chunks()
        else:
            self._send(frame)

    def _send_chunks(self) -> None:
        """Send what the socket takes of the Transition under way."""
        chunks = self._chunks
        assert chunks is not None
        while not chunks.done and self._socket.clear:
            self._send(chunks.next())
        if chunks.done:
            self._end_chunks()
            if self._blocked and self._socket.clear:
                self._blocked = False
                self.touch()

    def _end_chunks(self) -> None:
        """No part is sent any more: responses that waited go now."""
        if self._chunks is not None:
            chunks, self._chunks = self._chunks, None
            for frame in chunks.waiting:
                self._send(frame)

    def _say(self, message: ServerMessage) -> None:
        if self.closing:
            return
        frame = ws_frame(encode(message))
        if self._chunks is None:
            self._send(frame)
        elif not self._chunks.hold(frame):
            self.close("SlowReader")

    def close(self, code: str) -> None:
        """End the socket, once; `code` names the reason to the client."""
        if not self.closing:
            self.closing = True
            self._session.closed()
            self._socket.close(close_code(code), code)


def _key(identity: Identity | None) -> bytes | None:
    return None if identity is None else identity.key
