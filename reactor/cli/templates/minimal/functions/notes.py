"""What clients call: `notes:latest`, `notes:add`, `notes:toggle`, `notes:remove`."""

from reactor import AppError, Id, MutationCtx, QueryCtx, mutation, query
from schema import Note


@query
def latest(ctx: QueryCtx, limit: int = 50) -> list[Note]:
    """The newest notes. Every client that asked is told when they change."""
    return ctx.db.query(Note).order("desc").take(limit)


@mutation
def add(ctx: MutationCtx, text: str) -> Id[Note]:
    """Write a note down."""
    if not text.strip():
        raise AppError({"code": "empty"})
    return ctx.db.insert(Note(text=text.strip()))


@mutation
def toggle(ctx: MutationCtx, note_id: Id[Note]) -> None:
    """Done, or not done after all."""
    note = ctx.db.get(note_id)
    if note is not None:
        ctx.db.patch(note_id, done=not note.done)


@mutation
def remove(ctx: MutationCtx, note_id: Id[Note]) -> None:
    """Forget it."""
    if ctx.db.get(note_id) is not None:
        ctx.db.delete(note_id)
