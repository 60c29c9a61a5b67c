"""Upload tokens cannot be made, changed or kept (reference §2.6, reliability row 97)."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from reactor.errors import Unauthenticated
from reactor.files.upload_token import UploadKey
from reactor.storage.upload_key import upload_key_at

KEY = UploadKey(b"k" * 32)
TOKEN = KEY.token(2_000, b"e" * 16)


def code_of(token: str, now_ms: float, key: UploadKey = KEY) -> str:
    with pytest.raises(Unauthenticated) as refused:
        key.check(token, now_ms)
    return refused.value.code


def test_a_token_holds_until_its_time_is_over_however_often_it_is_used() -> None:
    for _ in range(3):
        KEY.check(TOKEN, 1_999)
    assert code_of(TOKEN, 2_000) == "StorageTokenExpired"


@pytest.mark.parametrize(
    "token", ["", "a", "=", "AAAA", TOKEN[:-1], TOKEN + "A", TOKEN + "=", TOKEN * 9, "ü" * 59, "\0" * 59]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert code_of(token, 0) == "StorageTokenInvalid"


def test_no_letter_of_a_token_can_be_changed() -> None:
    for at in range(len(TOKEN)):
        for other in {"A", "B", "p", "q", "r"} - {TOKEN[at]}:
            assert code_of(TOKEN[:at] + other + TOKEN[at + 1 :], 0) == "StorageTokenInvalid"


def test_another_deployments_token_is_refused_also_when_it_is_old() -> None:
    assert code_of(TOKEN, 9_999, UploadKey(b"x" * 32)) == "StorageTokenInvalid"


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    key = UploadKey(upload_key_at(tmp_path))
    assert UploadKey(upload_key_at(tmp_path)) == key
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.secret.hex() not in repr(key)


@pytest.mark.parametrize("text", ["", "abc", "\0" * 64])
def test_a_key_file_that_a_power_cut_left_broken_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "upload_key").write_text(text)
    key = UploadKey(upload_key_at(tmp_path))
    assert len(key.secret) == 32
    assert UploadKey(upload_key_at(tmp_path)) == key
