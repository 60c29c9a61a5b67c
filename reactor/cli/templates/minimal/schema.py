"""The tables. Documents that do not fit are refused, also when you change this file."""

from reactor import Table


class Note(Table, name="notes"):
    text: str
    done: bool = False
