"""The tables. Documents that do not fit are refused, also when you change this file."""

from reactor import Index, Table


class Message(Table, name="messages"):
    room: str
    author: str
    text: str
    likes: int = 0

    by_room = Index("room")
