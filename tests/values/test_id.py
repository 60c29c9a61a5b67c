"""Ids as reference §3.5 writes them; the decoder takes nothing else."""

import pytest

from reactor.errors import InvalidId
from reactor.values.id import ALPHABET, DocumentId, decode_id, encode_id, internal_id

INTERNAL = bytes(range(16))
VECTORS = [  # reference §3.5
    (1, "040020g30g2gc1r81450p30d1r7qke8"),
    (127, "fw0020g30g2gc1r81450p30d1r7ze5r"),
    (128, "g00g00820c20a1g7104gm2rc1m70zyds"),
    (10001, "j57000820c20a1g7104gm2rc1m70ynr8"),
    (16384, "g2002001081g81860w40j2gb1g6gw3vs74"),
    (4294967295, "zzzzzzrf000g40r40m30e209185gr38e1y1nj"),
]
ID = VECTORS[3][1]


@pytest.mark.parametrize(("table_number", "text"), VECTORS)
def test_vectors_of_the_reference(table_number: int, text: str) -> None:
    assert encode_id(table_number, INTERNAL) == text
    assert decode_id(text) == DocumentId(table_number, INTERNAL)


@pytest.mark.parametrize("table_number", [1, 127, 128, 16383, 16384, 2097151, 2097152, 268435455, 268435456, 2**32 - 1])
@pytest.mark.parametrize("internal", [bytes(16), b"\xff" * 16])
def test_every_length_of_id_comes_back(table_number: int, internal: bytes) -> None:
    text = encode_id(table_number, internal)
    assert 31 <= len(text) <= 37
    assert decode_id(text) == (table_number, internal)


@pytest.mark.parametrize(("text"), [text for _, text in VECTORS])
def test_no_symbol_can_be_changed_unnoticed(text: str) -> None:
    for place in range(len(text)):
        for symbol in ALPHABET.replace(text[place], ""):
            with pytest.raises(InvalidId):
                decode_id(text[:place] + symbol + text[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "users",
        ID.upper(),
        ID[:-1],
        ID + "0",
        ID + "\n",
        " " + ID[1:],
        "+" + ID[1:],
        ID[:1] + "_" + ID[2:],
        "é" + ID[1:],
        "0" * 32,
        ID * 1000,
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    with pytest.raises(InvalidId, match=r"is not a document id\. Pass the `_id`"):
        decode_id(text)


@pytest.mark.parametrize("letter", "ilouILOU!")
def test_letters_outside_the_alphabet_are_refused(letter: str) -> None:
    with pytest.raises(InvalidId):
        decode_id(ID[:5] + letter + ID[6:])


def forged(varint: bytes) -> str:
    """An id with a correct footer around any bytes in the table number's place."""
    body = varint + INTERNAL
    c0 = c1 = 0
    for byte in body:
        c0 = (c0 + byte) % 256
        c1 = (c1 + c0) % 256
    bits = "".join(f"{byte:08b}" for byte in body + bytes((c0, c1)))
    bits += "0" * (-len(bits) % 5)
    return "".join(ALPHABET[int(bits[i : i + 5], 2)] for i in range(0, len(bits), 5))


def test_forging_is_done_right() -> None:
    assert forged(bytes((0x91, 0x4E))) == ID


@pytest.mark.parametrize(
    "varint",
    [
        b"\x00",  # table 0
        b"\x81\x00",  # 1, not minimal
        b"\x91\xce\x00",  # 10001, not minimal
        b"\x01\x01",  # ends before it ends
        b"\x81",  # does not end
        b"\x80\x80\x80\x80\x10",  # 2^32
        b"\xff\xff\xff\xff\x7f",
    ],
)
def test_a_table_number_has_one_spelling(varint: bytes) -> None:
    with pytest.raises(InvalidId):
        decode_id(forged(varint))


def test_padding_bits_are_zero() -> None:
    text = VECTORS[0][1]  # 152 bits in 155
    changed = text[:-1] + ALPHABET[ALPHABET.index(text[-1]) | 1]
    assert changed != text
    with pytest.raises(InvalidId):
        decode_id(changed)


def test_only_tables_and_sixteen_bytes_make_an_id() -> None:
    for table_number, internal in ((0, INTERNAL), (2**32, INTERNAL), (1, INTERNAL[1:]), (1, INTERNAL + b"x")):
        with pytest.raises(ValueError, match="no id for table number"):
            encode_id(table_number, internal)


def test_ids_of_a_table_sort_by_creation_whatever_the_entropy() -> None:
    stamps = [0, 1, 255, 256, 1_790_000_000_000 << 10, (1_790_000_000_000 << 10) + 1, 2**64 - 1]
    for table_number in (1, 10001, 16384):
        ids = [
            encode_id(table_number, internal_id(stamp, (b"\xff" if i % 2 == 0 else b"\x00") * 8))
            for i, stamp in enumerate(stamps)
        ]
        assert ids == sorted(ids)


def test_the_entropy_is_eight_bytes() -> None:
    assert internal_id(1, b"abcdefgh") == bytes(7) + b"\x01abcdefgh"
    with pytest.raises(ValueError, match="8 bytes"):
        internal_id(1, b"short")
