from reactor import Index, Table


class Message(Table, name="messages"):
    channel: str
    author: str
    text: str
    by_channel = Index("channel")


class Counter(Table, name="counters"):
    name: str
    value: int
    by_name = Index("name")


class Row(Table, name="rows"):
    group: int
    at: float
    title: str
    score: float
    by_group_at = Index("group", "at")
