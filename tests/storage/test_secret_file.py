"""Secrets of a data folder: made once, whole, and for their owner alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from reactor.storage.admin_key import AdminKey
from reactor.storage.cursor_key import cursor_key_at
from reactor.storage.secret_file import secret_at


def test_a_secret_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    numbers = itertools.count(1)
    texts = [secret_at(tmp_path / "key", lambda: f"key {next(numbers)}") for _ in range(3)]
    assert texts == ["key 1"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_of_two_who_make_it_at_once_both_get_the_first_ones(tmp_path: Path) -> None:
    path = tmp_path / "key"

    def make() -> str:
        path.write_text("another's\n")  # the other was quicker
        return "mine"

    assert secret_at(path, make) == "another's"


def test_a_secret_that_could_not_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        secret_at(tmp_path / "key", lambda: str(1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_a_deployments_keys_are_its_own(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    assert cursor_key_at(here) == cursor_key_at(here) != cursor_key_at(there)
    assert AdminKey.at(here).text == AdminKey.at(here).text != AdminKey.at(there).text
    assert AdminKey.at(here).matches((here / "admin_key").read_text().strip())
