"""Every death at every step: a pretend writer and its database, killed after each step it can take."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from reactor.execution.frames import Batch, Call, Failure, Outcome, WriterHello
from reactor.execution.recovery import Settlement, settle
from reactor.footprint.commit import Commit

CRASHED = Failure("FunctionCrashed", "died")


def call(number: int) -> Call:
    return Call(id=number, kind="mutation", path="m:f", args=b"{}")


def hello(head: int, batches: list[Batch] | None = None, outcomes: list[Outcome] | None = None) -> WriterHello:
    return WriterHello(head=head, epoch=1, bundle="b", batches=batches or [], outcomes=outcomes or [])


def batch(ts: int, prev_ts: int, *stamps: int) -> Batch:
    return Batch(ts, prev_ts, [Commit(stamp, prev_ts, {1: [b"k"]}, "m:f") for stamp in stamps])


def answered(settlement: Settlement) -> list[int]:
    return [outcome.call for answer in settlement.answers for outcome in answer.outcomes]


def test_a_call_whose_outcome_was_stored_is_answered_with_it_and_not_sent_again() -> None:
    found = Outcome(1, b"null", ts=11)
    settlement = settle([call(1), call(2)], hello(12, [batch(12, 10, 11)], [found]), {})
    assert settlement.answers[0].batch.ts == 12
    assert settlement.answers[0].outcomes == (found,)
    assert settlement.resubmit == (call(2),)


def test_the_guilty_call_is_answered_with_its_failure_and_not_sent_again() -> None:
    settlement = settle([call(1), call(2), call(3)], hello(10), {2: CRASHED})
    (answer,) = settlement.answers
    assert answer.batch == Batch(10, 10, [])
    assert answer.outcomes == (Outcome(2, None, CRASHED, ts=10),)
    assert settlement.resubmit == (call(1), call(3))


def test_what_was_read_decides_over_what_the_slot_said() -> None:
    found = Outcome(1, b"null", ts=11)
    settlement = settle([call(1)], hello(11, [batch(11, 10, 11)], [found]), {1: CRASHED})
    assert [answer.outcomes for answer in settlement.answers] == [(found,)]


def test_innocent_calls_keep_their_order() -> None:
    calls = [call(number) for number in (5, 3, 9, 1)]
    assert settle(calls, hello(10), {3: CRASHED}).resubmit == (calls[0], calls[2], calls[3])


def test_batches_the_server_missed_are_handed_out_in_commit_order_each_with_its_answers() -> None:
    batches = [batch(12, 10, 11), batch(15, 12, 14)]
    outcomes = [Outcome(1, b"1", ts=11), Outcome(2, b"2", ts=12), Outcome(3, b"3", ts=14)]
    settlement = settle([call(1), call(2), call(3)], hello(15, batches, outcomes), {})
    assert [answer.batch.ts for answer in settlement.answers] == [12, 15]
    assert [[outcome.call for outcome in answer.outcomes] for answer in settlement.answers] == [[1, 2], [3]]


def test_a_stored_answer_without_a_batch_is_still_given() -> None:
    """A batch in which nothing was written leaves no record, only its answers."""
    settlement = settle([call(1)], hello(10, [], [Outcome(1, b"null", ts=10)]), {})
    assert answered(settlement) == [1]


def test_outcomes_of_calls_answered_before_are_dropped() -> None:
    assert answered(settle([], hello(11, [batch(11, 10, 11)], [Outcome(1, b"null", ts=11)]), {})) == []


# ── the pretend writer ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Disk:
    """What survives a death."""

    head: int = 10
    batches: list[Batch] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    effects: list[int] = field(default_factory=list)  # a call's id, each time its effect was committed


@dataclass
class Server:
    """The lane's part, without processes."""

    outstanding: dict[int, Call]
    head: int = 10
    answers: list[Outcome] = field(default_factory=list)

    def take(self, done: Batch, outcomes: tuple[Outcome, ...] | list[Outcome]) -> None:
        assert done.prev_ts == self.head or not done.commits, "a batch was missed or told twice"
        self.head = done.ts
        for outcome in outcomes:
            del self.outstanding[outcome.call]  # KeyError: answered twice
            self.answers.append(outcome)


def run_writer(disk: Disk, server: Server, poison: set[int], size: int, steps: int) -> int | None:
    """Work through the outstanding calls; die after `steps` steps. Returns what the slot says at the death, or None."""
    queue = list(server.outstanding.values())
    while queue:
        calls, queue = queue[:size], queue[size:]
        done: list[Outcome] = []
        for one in calls:
            if one.id in poison:
                return one.id  # dies in it, always
            if (steps := steps - 1) < 0:
                return one.id
            done.append(Outcome(one.id, b"null", ts=disk.head + 1 + len(done)))
        if (steps := steps - 1) < 0:  # before COMMIT
            return None
        end = disk.head + len(done)
        committed = batch(end, disk.head, *[outcome.ts for outcome in done])
        disk.head = end
        disk.batches.append(committed)
        disk.outcomes.update((outcome.call, outcome) for outcome in done)
        disk.effects.extend(outcome.call for outcome in done)
        if (steps := steps - 1) < 0:  # committed, and nobody was told
            return None
        server.take(committed, done)
    return None


@given(
    count=st.integers(1, 12),
    size=st.integers(1, 5),
    poison=st.sets(st.integers(1, 12), max_size=3),
    deaths=st.lists(st.integers(0, 12), max_size=6),
)
def test_whatever_dies_when_every_call_is_answered_once_and_takes_effect_at_most_once(
    count: int, size: int, poison: set[int], deaths: list[int]
) -> None:
    calls = [call(number) for number in range(1, count + 1)]
    disk, server = Disk(), Server({one.id: one for one in calls})
    pending = list(deaths)
    while server.outstanding:
        slot = run_writer(disk, server, poison, size, pending.pop(0) if pending else 10**9)
        guilty = {slot: CRASHED} if slot is not None else {}
        stored = [disk.outcomes[number] for number in server.outstanding if number in disk.outcomes]
        new = [one for one in disk.batches if one.ts > server.head]
        for answer in settle(list(server.outstanding.values()), hello(disk.head, new, stored), guilty).answers:
            server.take(answer.batch, answer.outcomes)

    assert sorted(outcome.call for outcome in server.answers) == [one.id for one in calls]
    assert len(disk.effects) == len(set(disk.effects))
    assert set(disk.effects) == {outcome.call for outcome in server.answers if outcome.failure is None}
    assert disk.effects == sorted(disk.effects), "innocent calls lost their order"
    assert server.head == disk.head
