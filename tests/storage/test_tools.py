"""The file is open to other tools: Datasette and sqlite-utils show tables under the user's names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.database.structure import TableStructure

MESSAGES = TableStructure("messages", {"by_channel": ("channel",)}, ("channel", "text", "likes", "tags"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database some messages were written to; its server has stopped."""
    path = tmp_path / "data.sqlite"
    db = Database.open_writer(path, clock=SystemClock(), boot="boot")
    batch = db.begin()
    batch.apply_schema([MESSAGES, TableStructure("Users", {}, ("name",)), TableStructure("users", {}, ("name",))])
    t = batch.transaction("test")
    t.insert("messages", {"channel": "general", "text": "hällo", "likes": 3, "tags": ["a", "b"]})
    t.insert("messages", {"channel": "general", "text": "no likes"})
    t.insert("Users", {"name": "first"})
    t.insert("users", {"name": "second"})
    t.insert("undeclared", {"anything": 1})
    t.release()
    batch.commit()
    db.close()
    return path


def test_sqlite_utils_reads_a_table_by_the_users_name_and_fields(path: Path) -> None:
    db = sqlite_utils.Database(path)
    rows = list(db["messages"].rows)
    assert [(row["channel"], row["text"], row["likes"]) for row in rows] == [
        ("general", "hällo", 3),
        ("general", "no likes", None),
    ]
    assert json.loads(rows[0]["tags"]) == ["a", "b"]
    assert json.loads(rows[0]["document"])["_id"] == rows[0]["_id"]
    assert rows[0]["_creationTime"] < rows[1]["_creationTime"]
    db.close()


def test_a_table_without_a_schema_shows_its_documents(path: Path) -> None:
    db = sqlite_utils.Database(path)
    (row,) = db["undeclared"].rows
    assert json.loads(row["document"])["anything"] == 1
    db.close()


def test_names_that_differ_in_case_only_do_not_hide_data(path: Path) -> None:
    db = sqlite_utils.Database(path)
    assert [row["name"] for row in db["Users"].rows] == ["first"]
    (row,) = db["t_10003_users"].rows
    assert json.loads(row["doc"])["name"] == "second"
    db.close()


def test_sqlite_utils_on_the_command_line_can_count(path: Path) -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "sqlite_utils",
            "query",
            str(path),
            "select channel, count(*) n from messages group by 1",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(said.stdout) == [{"channel": "general", "n": 2}]


def datasette(path: Path, url: str) -> Any:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "datasette", str(path), "--get", url],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_datasette_serves_the_view(path: Path) -> None:
    rows = datasette(path, "/data/messages.json?_shape=array&channel=general")
    assert [row["text"] for row in rows] == ["hällo", "no likes"]


def test_datasette_lists_every_table(path: Path) -> None:
    names = {view["name"] for view in datasette(path, "/data.json")["views"]}
    assert {"messages", "Users", "undeclared"} <= names


def test_datasette_reads_the_live_file(tmp_path: Path) -> None:
    path = tmp_path / "data.sqlite"
    db = Database.open_writer(path, clock=SystemClock(), boot="boot")
    for n in range(2):
        batch = db.begin()
        t = batch.transaction("test")
        t.insert("notes", {"n": n})
        t.release()
        batch.commit()
        assert len(datasette(path, "/data/notes.json?_shape=array")) == n + 1
    db.close()


def test_a_view_follows_the_schema(path: Path) -> None:
    db = Database.open_writer(path, clock=SystemClock(), boot="boot")
    batch = db.begin()
    batch.apply_schema([TableStructure("messages", {}, ("text", "document", "Text"))])
    batch.commit()
    db.close()
    tool = sqlite_utils.Database(path)
    assert [column.name for column in tool["messages"].columns] == [
        "_id",
        "_creationTime",
        "text",
        "document",
        "_document",
    ]
    tool.close()
