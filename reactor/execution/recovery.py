"""What becomes of the calls a dead writer left behind. Pure: lists in, lists out.

Theory of operation (engine A3, A4). A writer dies with some calls outstanding: sent and not answered. Each is one of

    committed   its outcome was stored in the same commit as its effects; the next writer found it   → answered with it
    guilty      the slot named it when the process died: it was running, so nothing of it was stored → answered, failed
    innocent    neither                                                                              → sent again, in order

and what the next writer read decides over what the slot says: *unknown outcomes are settled by reading*. Batches the
server never heard of go to its log in commit order, each together with the answers it made durable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reactor.execution.frames import Batch, Call, Failure, Outcome, WriterHello


@dataclass(frozen=True, slots=True)
class Answered:
    """A batch and the outcomes to hand out with it."""

    batch: Batch
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to tell the server's log and the callers, then what to send to the new writer. Both in order."""

    answers: tuple[Answered, ...]
    resubmit: tuple[Call, ...]


def settle(outstanding: Sequence[Call], hello: WriterHello, guilty: Mapping[int, Failure]) -> Settlement:
    """Divide the outstanding calls by what the new writer says.

    `outstanding` is in the order the calls were submitted; `guilty` is call id → why it failed. Outcomes of calls that
    are not outstanding (answered before) are dropped: no call is answered twice.
    """
    stored = {outcome.call: outcome for outcome in hello.outcomes}
    found = {call.id: stored[call.id] for call in outstanding if call.id in stored}
    answers = [Answered(batch, outcomes) for batch, outcomes in _by_batch(hello, list(found.values()))]
    failed = tuple(
        Outcome(call=call.id, value=None, failure=guilty[call.id], ts=hello.head)
        for call in outstanding
        if call.id in guilty and call.id not in found
    )
    if failed:
        answers.append(Answered(Batch(ts=hello.head, prev_ts=hello.head, commits=[]), failed))
    return Settlement(
        answers=tuple(answers),
        resubmit=tuple(call for call in outstanding if call.id not in found and call.id not in guilty),
    )


def _by_batch(hello: WriterHello, found: list[Outcome]) -> list[tuple[Batch, tuple[Outcome, ...]]]:
    """Each batch with the outcomes it committed: those with its timestamps, in the order the calls were submitted."""
    pairs = []
    for batch in hello.batches:
        mine = tuple(outcome for outcome in found if batch.prev_ts < outcome.ts <= batch.ts)
        found = [outcome for outcome in found if not batch.prev_ts < outcome.ts <= batch.ts]
        pairs.append((batch, mine))
    if found:  # a batch in which no call wrote left no record but its stored answers
        pairs.append((Batch(ts=hello.head, prev_ts=hello.head, commits=[]), tuple(found)))
    return pairs
