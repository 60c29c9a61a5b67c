"""What calls are called with: as `reactor run` reads it, or the lines of a file in turn."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer import BadParameter

from reactor.cli.bench.arguments import Arguments


def test_words_and_one_text_say_the_same() -> None:
    for arguments in (
        Arguments.of(["room=lobby", "limit=5"], None, "--args"),
        Arguments.of([], '{"room": "lobby", "limit": 5}', "--args"),
    ):
        assert [json.loads(arguments[number]) for number in (0, 7)] == [{"room": "lobby", "limit": 5}] * 2
    assert json.loads(Arguments.of([], None, "--args")[3]) == {}


def test_the_lines_of_a_file_are_used_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "args.jsonl"
    file.write_text('{"n": 1}\n\n{"n": 2}\n{"n": 3}')
    arguments = Arguments.of([f"@{file}"], None, "--args")
    assert len(arguments) == 3
    assert [json.loads(arguments[number])["n"] for number in range(7)] == [1, 2, 3, 1, 2, 3, 1]
    monkeypatch.setattr("sys.stdin", io.StringIO('{"n": 9}\n'))
    assert json.loads(Arguments.of([], "@-", "--args")[0]) == {"n": 9}


def test_fresh_ones_mean_the_same_and_are_never_spelt_alike() -> None:
    arguments = Arguments.of(['{"room": "a b"}'], None, "--args", fresh=True)
    spelt = {arguments[number] for number in range(2000)}
    assert len(spelt) == 2000
    assert all(json.loads(each) == {"room": "a b"} for each in spelt)
    assert not spelt & {Arguments.of(["room=a b"], None, "--args", fresh=True)[n] for n in range(2000)}
    assert json.loads(Arguments.of([], None, "--args", fresh=True)[1]) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no arguments in it"),
        ('{"n": 1}\nnonsense', "line 2 of"),
        ("[1]", "must be a JSON object"),
        (None, "cannot read the arguments"),
    ],
)
def test_a_file_that_will_not_do_is_named_with_its_line(tmp_path: Path, text: str | None, says: str) -> None:
    file = tmp_path / "args.jsonl"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadParameter, match=says):
        Arguments.of([f"@{file}"], None, "--args")


def test_arguments_given_twice_are_a_mistake() -> None:
    with pytest.raises(BadParameter, match="given twice"):
        Arguments.of(["room=lobby"], "{}", "--args")
