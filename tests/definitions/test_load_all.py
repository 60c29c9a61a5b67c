"""Documents made of a key and data: as those of `load`, and neither id nor time costs decoding."""

from __future__ import annotations

import copy
import pickle

import pytest

from reactor.definitions.shape import Shape
from reactor.values.order import index_key
from reactor.values.value import encode
from tests.definitions.example import ID, User, read, user

KEY = index_key(["x", 99.25, ID])


def test_id_and_time_are_told_by_the_key() -> None:
    broken, other = User.__definition__.load_all([(KEY, b"this is no JSON"), (KEY, b"nor this")])
    assert (broken.id, broken.creation_time) == (ID, 99.25)
    assert (other.creation_time, other.id) == (99.25, ID)
    with pytest.raises(ValueError, match=r"(?i)json|unexpected|invalid"):
        broken.email  # noqa: B018


@pytest.mark.parametrize("key", [KEY, ID.encode()])
def test_they_are_equal_to_documents_loaded_one_by_one(key: bytes) -> None:
    fields = User.__definition__.to_value(user())
    data = encode({**fields, "_id": ID, "_creationTime": 99.25})

    def fresh() -> User:
        (found,) = User.__definition__.load_all([(key, data)])
        return found  # type: ignore[no-any-return]

    known = read(user(), creation_time=99.25)
    assert fresh().creation_time == 99.25
    assert fresh().id == ID
    assert fresh() == known
    assert known == fresh()
    assert hash(fresh()) == hash(known)
    assert repr(fresh()) == repr(known)
    assert pickle.loads(pickle.dumps(fresh())) == known
    assert copy.deepcopy(fresh()).email == known.email
    assert Shape.of(list[User]).encode([fresh()]) == b"[" + data + b"]"


def test_none_are_none() -> None:
    assert User.__definition__.load_all([]) == []
