import mmap
import os
from pathlib import Path

from reactor import Id, MutationCtx, QueryCtx, mutation, query
from schema import Counter, Message, Row

CHANNELS = 1000


def shared_counts() -> memoryview:
    """One number for each channel, beside the project, the same for all processes."""
    file = os.open(Path(__file__).parents[2] / "runs", os.O_RDWR | os.O_CREAT)
    os.ftruncate(file, CHANNELS * 4)
    return memoryview(mmap.mmap(file, CHANNELS * 4)).cast("I")


runs = shared_counts()


@query
def latest(ctx: QueryCtx, channel: str) -> list[Message]:
    """The newest messages of a channel."""
    if channel[0] == "c":
        runs[int(channel[1:])] += 1  # so that the benchmark knows what ran
    return ctx.db.query(Message.by_channel.eq(channel)).order("desc").take(20)


@mutation
def write(ctx: MutationCtx, channel: str, author: str, text: str) -> None:
    """Add a message."""
    ctx.db.insert(Message(channel=channel, author=author, text=text))


@mutation
def increment(ctx: MutationCtx) -> None:
    """Read the counter and write it one higher."""
    counter = ctx.db.query(Counter.by_name.eq("c")).unique()
    if counter is None:
        ctx.db.insert(Counter(name="c", value=1))
    else:
        ctx.db.patch(counter.id, value=counter.value + 1)


@query
def counter(ctx: QueryCtx) -> int:
    """What the counter stands at."""
    found = ctx.db.query(Counter.by_name.eq("c")).unique()
    return 0 if found is None else found.value


@query
def rows(ctx: QueryCtx, group: int, nonce: int) -> list[Row]:
    """The newest rows of a group. `nonce` makes every call another one, so that none is answered from the cache."""
    del nonce
    return ctx.db.query(Row.by_group_at.eq(group)).order("desc").take(20)


@query
def newest(ctx: QueryCtx, group: int) -> list[Row]:
    """The newest rows of a group, to be watched."""
    return ctx.db.query(Row.by_group_at.eq(group)).order("desc").take(20)


@query
def one(ctx: QueryCtx, id: Id[Row], nonce: int) -> Row | None:
    """A row by its id; `nonce` as above."""
    del nonce
    return ctx.db.get(id)


@query
def ids(ctx: QueryCtx, groups: list[int]) -> list[Id[Row]]:
    """The id of a row of each group that has one."""
    found = [ctx.db.query(Row.by_group_at.eq(group)).first() for group in groups]
    return [row.id for row in found if row is not None]


@mutation
def fill(ctx: MutationCtx, start: int, count: int) -> None:
    """Add rows, 100 to a group."""
    for number in range(start, start + count):
        ctx.db.insert(Row(group=number // 100, at=float(number % 100), title=f"row {number}", score=number * 0.5))
