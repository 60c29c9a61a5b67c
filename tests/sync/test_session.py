"""Conversations with one session: what each message sets off, in which order, and what is illegal."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reactor.auth.identity import Identity
from reactor.sync.messages import (
    Action,
    Add,
    AuthenticateNone,
    AuthenticateUser,
    AuthError,
    Connect,
    Event,
    FatalError,
    ModifyQuerySet,
    Mutation,
    Remove,
)
from reactor.sync.session import (
    CheckObserved,
    Close,
    Effect,
    ExpiresAt,
    RunAction,
    RunMutation,
    State,
    SyncSession,
    Tell,
    Unwatch,
    Verify,
    Watch,
)
from reactor.sync.version import StateVersion

SESSION = "5b0b2c0e-2f4b-4a1b-9a0e-0c3f6f7a1d11"
ALICE = Identity.from_attributes({"issuer": "https://i", "subject": "alice"})


def connected() -> SyncSession:
    session = SyncSession()
    assert session.receive(Connect(SESSION)) == []
    return session


def add(*numbers: int, base: int = 0) -> ModifyQuerySet:
    return ModifyQuerySet(base, base + 1, tuple(Add(n, "m:q", b"{}") for n in numbers))


def assert_fatal(effects: list[Effect], code: str) -> None:
    told, close = effects
    assert isinstance(told, Tell)
    assert isinstance(told.message, FatalError)
    assert close == Close(code)


def test_a_query_is_watched_and_the_next_transition_acknowledges_the_set() -> None:
    session = connected()
    (effect,) = session.receive(add(4))
    assert isinstance(effect, Watch)
    assert effect.query.query_id == 4
    assert session.owes
    start, removed = session.advance(session.end_version(100))
    assert (start, removed) == (StateVersion.START, [])
    assert session.sent == StateVersion(1, 0, 100)
    assert not session.owes


def test_transitions_chain() -> None:
    session = connected()
    session.receive(add(1))
    session.advance(session.end_version(100))
    session.receive(add(2, base=1))
    start, _ = session.advance(session.end_version(200))
    assert start == StateVersion(1, 0, 100)


def test_a_removal_is_told_once() -> None:
    session = connected()
    session.receive(add(1))
    session.advance(session.end_version(1))
    (effect,) = session.receive(ModifyQuerySet(1, 2, (Remove(1),)))
    assert isinstance(effect, Unwatch)
    assert session.advance(session.end_version(2))[1] == [1]
    session.receive(ModifyQuerySet(2, 3, ()))
    assert session.advance(session.end_version(2))[1] == []


def test_remove_and_add_again_in_one_message() -> None:
    session = connected()
    session.receive(add(1))
    effects = session.receive(ModifyQuerySet(1, 2, (Remove(1), Add(1, "m:other", b"{}"))))
    assert [type(effect) for effect in effects] == [Unwatch, Watch]
    assert session.queries[1].path == "m:other"


def test_the_opening_burst_waits_for_the_credential() -> None:
    """Pitfall 8: nothing of what follows Authenticate is looked at as the old identity."""
    session = connected()
    (verify,) = session.receive(AuthenticateUser(0, "token"))
    assert isinstance(verify, Verify)
    assert session.receive(add(1)) == []
    assert session.receive(Mutation(0, "m:f", b"{}")) == []
    assert not session.ready
    effects = session.identified(ALICE)
    assert [type(effect) for effect in effects] == [Watch, RunMutation]
    assert isinstance(effects[1], RunMutation)
    assert effects[1].identity == ALICE


def test_a_second_credential_behind_the_first_keeps_the_rest_waiting() -> None:
    session = connected()
    session.receive(AuthenticateUser(0, "one"))
    session.receive(AuthenticateUser(1, "two"))
    session.receive(add(1))
    (again,) = session.identified(ALICE)
    assert isinstance(again, Verify)
    assert [type(effect) for effect in session.identified(ALICE)] == [Watch]


def test_an_authenticated_session_without_queries_still_owes_a_transition() -> None:
    """Reference §1.12: it is what confirms the token to the client."""
    session = connected()
    session.receive(AuthenticateUser(0, "token"))
    session.identified(ALICE)
    assert session.owes
    start, _ = session.advance(session.end_version(5))
    assert session.sent.identity == start.identity + 1


def test_every_query_runs_again_as_somebody_else() -> None:
    session = connected()
    session.receive(add(1, 2))
    effects = session.receive(AuthenticateNone(0))
    assert [type(effect) for effect in effects] == [Unwatch, Watch, Unwatch, Watch]


def test_a_refused_credential_is_told_with_the_version_last_sent_and_closes() -> None:
    session = connected()
    session.receive(AuthenticateUser(0, "bad"))
    told, close = session.refused("no")
    assert told == Tell(AuthError("no", 0, update_attempted=True))
    assert close == Close("AuthError")
    assert session.receive(add(1)) == []


def test_an_identity_has_an_end_which_the_worker_is_told() -> None:
    session = connected()
    session.receive(AuthenticateUser(0, "t"))
    assert session.identified(ALICE, expires=50.0) == [ExpiresAt(50.0)]
    assert session.expires == 50.0
    session.receive(AuthenticateUser(1, "u"))
    assert session.identified(ALICE, expires=90.0) == [ExpiresAt(90.0)]
    assert session.receive(AuthenticateNone(2)) == [ExpiresAt(None)]


def test_an_expired_identity_is_told_and_closes_without_an_update_attempted() -> None:
    """Reference §1.12: clients waiting for another token to be confirmed ignore it by that flag."""
    session = connected()
    session.receive(AuthenticateUser(0, "t"))
    session.identified(ALICE, expires=50.0)
    session.advance(session.end_version(100))
    told, close = session.expired()
    assert told == Tell(AuthError("Convex token identity expired", 1, update_attempted=False))
    assert close == Close("TokenExpired")
    assert session.expired() == []


def test_nothing_expires_while_the_next_credential_is_being_decided() -> None:
    session = connected()
    session.receive(AuthenticateUser(0, "t"))
    session.identified(ALICE, expires=50.0)
    session.receive(AuthenticateUser(1, "u"))
    assert session.expired() == []
    assert session.identified(ALICE, expires=90.0) == [ExpiresAt(90.0)]


def test_responses_hold_the_next_transition_to_their_timestamp() -> None:
    session = connected()
    session.responded(50)
    session.responded(40)
    assert session.owes
    assert session.floor == 50


def test_mutations_carry_the_identity_they_were_sent_under() -> None:
    session = connected()
    session.receive(AuthenticateUser(0, "token"))
    session.identified(ALICE)
    (first,) = session.receive(Mutation(0, "m:f", b"{}"))
    session.receive(AuthenticateNone(1))
    (second,) = session.receive(Mutation(1, "m:f", b"{}"))
    assert isinstance(first, RunMutation)
    assert isinstance(second, RunMutation)
    assert (first.identity, second.identity) == (ALICE, None)


def test_actions_run_and_events_mean_nothing() -> None:
    session = connected()
    (effect,) = session.receive(Action(3, "m:a", b"{}"))
    assert isinstance(effect, RunAction)
    assert session.receive(Event()) == []


def test_what_the_client_has_seen_is_checked_first() -> None:
    assert SyncSession().receive(Connect(SESSION, 2, None, 77)) == [CheckObserved(77)]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Connect(SESSION), "UnexpectedMessage"),
        (add(1, base=5), "BaseVersionMismatch"),
        (ModifyQuerySet(0, 1, (Remove(9),)), "InvalidQuerySet"),
        (ModifyQuerySet(0, 1, (Add(1, "m:q", b"{}"), Add(1, "m:q", b"{}"))), "InvalidQuerySet"),
        (AuthenticateUser(3, "t"), "BaseVersionMismatch"),
        (Mutation(0, "m:f", b"{}", component="c"), "Unauthorized"),
    ],
)
def test_an_illegal_message_closes_and_changes_nothing_else(message: object, code: str) -> None:
    session = connected()
    assert_fatal(session.receive(message), code)  # type: ignore[arg-type]
    assert session.state is State.CLOSED
    assert (session.query_set, session.identity_version, session.queries) == (0, 0, {})


def test_nothing_counts_before_connect() -> None:
    assert_fatal(SyncSession().receive(add(1)), "UnexpectedMessage")


class Conversation(RuleBasedStateMachine):
    """A well-behaved client in every order of its messages: the invariants hold, nothing owed is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.session = connected()
        self.said_query_set = 0
        self.said_identity = 0
        self.held: set[int] = set()
        self.deciding = 0
        self.ts = 0

    @rule(number=st.integers(0, 5))
    def toggle(self, number: int) -> None:
        item = Remove(number) if number in self.held else Add(number, "m:q", b"{}")
        self.held ^= {number}
        self.session.receive(ModifyQuerySet(self.said_query_set, self.said_query_set + 1, (item,)))
        self.said_query_set += 1

    @rule(user=st.booleans())
    def authenticate(self, user: bool) -> None:
        version = self.said_identity
        self.session.receive(AuthenticateUser(version, "t") if user else AuthenticateNone(version))
        self.said_identity += 1

    @precondition(lambda self: self.session.state is State.VERIFYING)
    @rule()
    def decide(self) -> None:
        self.session.identified(ALICE)

    @precondition(lambda self: self.session.ready)
    @rule(step=st.integers(0, 5))
    def tell(self, step: int) -> None:
        self.ts = max(self.ts + step, self.session.floor)
        before = self.session.sent
        start, _ = self.session.advance(self.session.end_version(self.ts))
        assert start == before

    @precondition(lambda self: self.session.ready)
    @rule(step=st.integers(0, 5))
    def respond(self, step: int) -> None:
        self.session.responded(self.ts + step)

    @invariant()
    def holds(self) -> None:
        self.session.check()
        if self.session.ready:
            assert set(self.session.queries) == self.held
            assert self.session.query_set == self.said_query_set


Conversation.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestConversation = Conversation.TestCase


def test_a_client_may_watch_so_many_queries_and_one_more_ends_it() -> None:
    """Reliability row 36: the count is of what is watched at once, whatever came and went on the way."""
    session = SyncSession(most_queries=3)
    session.receive(Connect(SESSION))
    assert len(session.receive(add(1, 2, 3))) == 3
    swapped = ModifyQuerySet(1, 2, (Remove(1), Add(4, "m:q", b"{}"), Remove(4), Add(1, "m:q", b"{}")))
    assert len(session.receive(swapped)) == 4
    session.check()
    effects = session.receive(add(5, base=2))
    assert_fatal(effects, "InvalidQuerySet")
    assert isinstance(effects[0], Tell)
    assert "socket_queries" in str(effects[0].message)
    assert sorted(session.queries) == [1, 2, 3]
