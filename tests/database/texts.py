"""What a text index must hold, whatever happened: exactly the words of the documents that are there."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from reactor.values.words import words_of


def assert_text_indexes_are_whole(path: Path) -> int:
    """Every ready text index of the file against its table, and FTS5's lists against what it was given; how many."""
    checked = 0
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
        copy = sqlite3.connect(":memory:")
        source.backup(copy)
    with closing(copy):
        tables = dict(copy.execute("SELECT number, place FROM _tables"))
        for table, description, place in copy.execute(
            "SELECT table_number, fields, place FROM _indexes WHERE state = 'ready' AND fields LIKE '%\"search\"%'"
        ).fetchall():
            (field,) = json.loads(description)["fields"]
            expected = {}
            for stored, text in copy.execute(f'SELECT _id, doc FROM "{tables[table]}"'):
                value = json.loads(text).get(field)
                if isinstance(value, str) and words_of(value):
                    expected[stored] = words_of(value).decode()
            assert dict(copy.execute(f'SELECT id, words FROM "{place}"')) == expected
            copy.execute(f'INSERT INTO "{place}_fts" ("{place}_fts", rank) VALUES (\'integrity-check\', 1)')
            checked += 1
    return checked
