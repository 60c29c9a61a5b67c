"""What clients call: `chat:latest`, `chat:send`, `chat:like`."""

from reactor import AppError, Id, MutationCtx, QueryCtx, mutation, query
from schema import Message

LONGEST = 2000  # characters


@query
def latest(ctx: QueryCtx, room: str, limit: int = 50) -> list[Message]:
    """The newest messages of a room. Only a change in this room runs it again."""
    return ctx.db.query(Message.by_room.eq(room)).order("desc").take(limit)


@mutation
def send(ctx: MutationCtx, room: str, author: str, text: str) -> Id[Message]:
    """Say something."""
    if not text.strip() or len(text) > LONGEST:
        raise AppError({"code": "badText"})
    return ctx.db.insert(Message(room=room, author=author, text=text.strip()))


@mutation
def like(ctx: MutationCtx, message_id: Id[Message]) -> None:
    """One more heart: two at once are two."""
    message = ctx.db.get(message_id)
    if message is not None:
        ctx.db.patch(message_id, likes=message.likes + 1)
