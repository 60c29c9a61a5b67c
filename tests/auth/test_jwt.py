"""Tokens that hold, and every forged, odd or stale one that must not (reliability rows 77 to 86; reference §4.10)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from reactor.auth.jwt import Token, Verified, provider_for, verify
from reactor.auth.key_set import KeySet
from reactor.auth.provider import CustomJwt, Oidc, Provider
from reactor.errors import InvalidValue, Unauthenticated
from tests.fake_issuer import SigningKey, base64url, ec_key, ed_key, json_part, rsa_key

NOW = 1_800_000_000.0
ISSUER = "https://login.example"
OIDC = Oidc(domain=ISSUER, application_id="app")
RSA = CustomJwt(issuer=ISSUER, jwks=f"{ISSUER}/keys", algorithm="RS256", application_id="app")
EC = CustomJwt(issuer=ISSUER, jwks=f"{ISSUER}/keys", algorithm="ES256")
ED = CustomJwt(issuer=ISSUER, jwks=f"{ISSUER}/keys", algorithm="EdDSA")
CLAIMS: dict[str, Any] = {"iss": ISSUER, "sub": "ann", "aud": "app", "iat": int(NOW) - 10, "exp": int(NOW) + 50}


def keys(*published: SigningKey | dict[str, Any]) -> KeySet:
    trees = [each.jwk() if isinstance(each, SigningKey) else each for each in published]
    return KeySet.from_json(json.dumps({"keys": trees}).encode())


ALL_KEYS = keys(rsa_key(), ec_key(), ed_key())


def check(token: str, provider: Provider = OIDC, key_set: KeySet = ALL_KEYS, now: float = NOW) -> Verified:
    parsed = Token.parse(token)
    return verify(parsed, key_set, now, provider_for(parsed, [provider]))


def claims(**changes: Any) -> dict[str, Any]:
    """CLAIMS with changes; a change to None leaves the claim out."""
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}


def assert_refused(token: str, *, code: str = "InvalidAuthHeader", said: str = "", **how: Any) -> None:
    with pytest.raises(Unauthenticated) as refused:
        check(token, **how)
    assert refused.value.code == code, refused.value
    assert said in refused.value.message


# ── tokens that hold ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "provider"), [(rsa_key(), OIDC), (ed_key(), OIDC), (rsa_key(), RSA), (ec_key(), EC), (ed_key(), ED)]
)
def test_a_token_signed_in_the_providers_way_holds(key: SigningKey, provider: Provider) -> None:
    verified = check(key.token(CLAIMS), provider)
    assert verified.identity.attributes == {"issuer": ISSUER, "subject": "ann", "tokenIdentifier": f"{ISSUER}|ann"}
    assert verified.expires == NOW + 55


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/", "login.example"])
@pytest.mark.parametrize("domain", [ISSUER, f"{ISSUER}/", "login.example"])
def test_https_and_one_slash_may_be_missing_on_either_side(issuer: str, domain: str) -> None:
    """Reference §4.10: `https://` added, trailing slash ignored; the identity keeps the token's own spelling."""
    verified = check(rsa_key().token(claims(iss=issuer)), Oidc(domain=domain, application_id="app"))
    assert verified.identity.token_identifier == f"{issuer}|ann"


@pytest.mark.parametrize("audience", ["app", ["app"], ["other", "app"]])
def test_our_application_may_be_one_of_several(audience: Any) -> None:
    assert check(rsa_key().token(claims(aud=audience)))


@pytest.mark.parametrize("audience", [None, "whoever", []])
def test_a_custom_issuer_without_application_id_takes_any_audience(audience: Any) -> None:
    assert check(ec_key().token(claims(aud=audience)), EC)


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/jwt", None])
def test_the_usual_types_are_accepted(kind: str | None) -> None:
    assert check(rsa_key().token(CLAIMS, typ=kind))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 4.9},
        {"iat": NOW + 5, "exp": NOW + 60},
        {"nbf": NOW + 5},
        {"exp": NOW + 10.5},
        {"iat": 0, "exp": NOW + 1},
    ],
)
def test_clocks_may_differ_by_five_seconds(changes: dict[str, Any]) -> None:
    if changes.get("iat") == 0:
        assert_refused(rsa_key().token(claims(**changes)), said="lives too long")
    else:
        assert check(rsa_key().token(claims(**changes)))


def test_a_custom_token_need_not_say_when_it_was_made() -> None:
    assert check(ec_key().token(claims(iat=None)), EC)
    assert_refused(rsa_key().token(claims(iat=None)), said="`iat` is missing")


def test_a_token_that_names_no_key_holds_if_only_one_fits() -> None:
    assert check(rsa_key().token(CLAIMS, kid=None))
    assert_refused(rsa_key().token(CLAIMS, kid=None), key_set=keys(rsa_key(), rsa_key("other")), said="2 that fit")
    assert_refused(ec_key().token(CLAIMS, kid=None), provider=EC, said="missing a 'kid'")


def test_keys_of_one_name_are_all_tried() -> None:
    twins = keys(rsa_key("other").jwk(kid="rsa"), rsa_key())
    assert check(rsa_key().token(CLAIMS), key_set=twins)


# ── row 77: no signature ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", "", None, 0, True, ["RS256"], {"RS256": 1}])
@pytest.mark.parametrize("signature", ["", "AA", "true"])
def test_an_unsigned_token_is_refused(algorithm: Any, signature: str) -> None:
    header = {"typ": "JWT", "kid": "rsa"} | ({} if algorithm is None else {"alg": algorithm})
    assert_refused(f"{json_part(header)}.{json_part(CLAIMS)}.{signature}")


def test_a_signature_that_was_cut_off_or_changed_is_refused() -> None:
    whole = rsa_key().token(CLAIMS)
    head, body, signature = whole.split(".")
    for other in ("", signature[:-4], base64url(bytes(256)), signature[::-1], base64url(b"\0")):
        assert_refused(f"{head}.{body}.{other}")
    changed = json_part(claims(sub="admin"))
    assert_refused(f"{head}.{changed}.{signature}", said="signature")


def test_a_signature_of_nothing_but_zeros_is_refused() -> None:
    head, body, _ = ec_key().token(CLAIMS).split(".")
    for size in (0, 1, 63, 64, 65, 70):
        assert_refused(f"{head}.{body}.{base64url(bytes(size))}", provider=EC)


# ── row 78, 79: another algorithm than the provider's ─────────────────────────────────────────────────────────────────


def hmac_token(secret: bytes, algorithm: str = "HS256") -> str:
    message = f"{json_part({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa'})}.{json_part(CLAIMS)}"
    return f"{message}.{base64url(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"


def public_forms() -> list[bytes]:
    public = rsa_key().private.public_key()
    forms = [
        public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo) for encoding in (Encoding.PEM, Encoding.DER)
    ]
    forms.append(public.public_bytes(Encoding.PEM, PublicFormat.PKCS1))
    jwk = rsa_key().jwk()
    return [*forms, forms[0].strip(), json.dumps(jwk).encode(), jwk["n"].encode(), b"", b"\0"]


@pytest.mark.parametrize("secret", public_forms(), ids=range(len(public_forms())))
def test_a_public_key_is_no_shared_secret(secret: bytes) -> None:
    for algorithm in ("HS256", "RS256"):
        assert_refused(hmac_token(secret, algorithm))


def test_symmetric_keys_in_a_key_set_are_not_keys() -> None:
    oct_key = {"kty": "oct", "k": base64url(b"secret"), "kid": "rsa", "alg": "HS256"}
    assert_refused(hmac_token(b"secret"), key_set=keys(oct_key))
    assert keys(oct_key, oct_key | {"alg": "RS256"}).keys == ()


@pytest.mark.parametrize(
    "algorithm", ["RS384", "RS512", "PS256", "ES256", "ES256K", "ES384", "HS256", "rs256", "RS256 "]
)
def test_an_algorithm_outside_the_providers_list_is_refused(algorithm: str) -> None:
    assert_refused(rsa_key().token(CLAIMS, alg=algorithm), said="`alg` must be EdDSA or RS256")


def test_the_library_is_not_asked_which_algorithms_it_knows() -> None:
    """CVE-2026-48523: a key of the set that fits the token's algorithm does not make the algorithm allowed."""
    assert_refused(ec_key().token(CLAIMS), provider=OIDC)
    assert_refused(rsa_key().token(CLAIMS), provider=EC)
    assert_refused(ed_key().token(CLAIMS), provider=RSA)


def test_a_key_verifies_only_what_it_was_published_for() -> None:
    for odd in ({"alg": "RS512"}, {"alg": "PS256"}, {"alg": 5}, {"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": 1}):
        assert_refused(rsa_key().token(CLAIMS), key_set=keys(rsa_key().jwk(**odd)))
    assert check(rsa_key().token(CLAIMS), key_set=keys(rsa_key().jwk(alg=None, use=None, key_ops=["verify"])))


def test_a_name_of_one_kind_of_key_does_not_lend_it_to_another() -> None:
    assert_refused(rsa_key().token(CLAIMS, kid="ed"))
    assert_refused(ed_key().token(CLAIMS, kid="rsa"))


@pytest.mark.parametrize("bits", [1024])
def test_short_keys_are_no_keys(bits: int) -> None:
    assert_refused(rsa_key("short", bits).token(CLAIMS), key_set=keys(rsa_key("short", bits)))


# ── row 80: header fields that lead elsewhere ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "kid", ["../../dev/null", "/dev/null", "' OR 1=1 --", "x\0y", "☃", ["rsa"], {"rsa": 1}, 5, True, "", "k" * 10_000]
)
def test_an_odd_key_name_names_nothing(kid: Any) -> None:
    assert_refused(rsa_key().token(CLAIMS, kid=kid))


def test_keys_and_addresses_in_the_header_are_not_read() -> None:
    mallory = SigningKey("rsa", "RS256", rsa_key("mallory").private)
    elsewhere = {"jku": "https://evil.example/keys", "x5u": "https://evil.example/cert", "jwk": mallory.jwk()}
    assert_refused(mallory.token(CLAIMS, **elsewhere, x5c=["MIIB"]), said="signature")
    assert check(rsa_key().token(CLAIMS, **elsewhere)), "ignored, so they do no harm in a good token either"


# ── row 83: issuer and audience ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example.evil.example",
        "https://login.exampl",
        "https://login.example/tenant",
        "https://login.example//",
        "https://LOGIN.example",
        "HTTPS://login.example",
        "http://login.example",
        " https://login.example",
        "https://login.example ",
        "https://login.example?x",
        "https://login.example#",
        "https://https://login.example",
        "https://login.example\0",
    ],
)
@pytest.mark.parametrize(("key", "provider"), [(rsa_key(), OIDC), (ec_key(), EC)], ids=["oidc", "custom"])
def test_an_issuer_like_ours_is_not_ours(issuer: str, key: SigningKey, provider: Provider) -> None:
    assert_refused(key.token(claims(iss=issuer)), provider=provider, code="NoAuthProvider")


@pytest.mark.parametrize("issuer", [None, "", 5, True, [ISSUER], {"url": ISSUER}])
def test_an_issuer_must_be_a_text(issuer: Any) -> None:
    token = rsa_key().token({name: value for name, value in {**CLAIMS, "iss": issuer}.items() if value is not None})
    assert_refused(token, said="issuer")


@pytest.mark.parametrize("audience", [None, "", "App", "app ", "application", ["other"], [], ["ap", "p"]])
def test_a_token_for_another_application_finds_no_provider(audience: Any) -> None:
    """Rows 83 and 86; reference §4.10: NoAuthProvider lists the configured domains."""
    assert_refused(
        rsa_key().token(claims(aud=audience)),
        code="NoAuthProvider",
        said="[OIDC(domain=https://login.example, app_id=app)]",
    )


@pytest.mark.parametrize("audience", [5, True, {"app": 1}, [["app"]], ["app", 5], ["app", None]])
def test_an_audience_of_another_form_is_refused(audience: Any) -> None:
    assert_refused(rsa_key().token(claims(aud=audience)), said="`aud`")


def test_without_providers_the_refusal_says_where_they_belong() -> None:
    with pytest.raises(
        Unauthenticated, match=r"no providers configured\)\. Check functions/auth_config\.py"
    ) as refused:
        provider_for(Token.parse(rsa_key().token(CLAIMS)), [])
    assert refused.value.code == "NoAuthProvider"


def test_the_first_provider_that_takes_a_token_decides() -> None:
    mobile = Oidc(domain=ISSUER, application_id="mobile")
    token = Token.parse(rsa_key().token(claims(aud="mobile")))
    assert provider_for(token, [OIDC, mobile, mobile]) is mobile


def test_verify_does_not_take_anybodys_word_for_the_provider() -> None:
    token = Token.parse(rsa_key().token(claims(aud="mobile")))
    with pytest.raises(Unauthenticated, match="not the provider's"):
        verify(token, ALL_KEYS, NOW, OIDC)


# ── row 84: times ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("past", [5, 5.5, 6, 3600, NOW])
def test_an_expired_token_is_told_so(past: float) -> None:
    assert_refused(
        rsa_key().token(claims(exp=NOW - past, iat=0)), code="TokenExpired", said="Convex token identity expired"
    )


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["1800000060", "", True, False, [], {}, -1, -1e300, 1e300, 10**30, 10**300, None])
def test_a_time_that_is_no_number_of_seconds_is_refused(name: str, value: Any) -> None:
    assert_refused(rsa_key().token({**CLAIMS, name: value}), said=f"`{name}`")


def test_infinite_times_are_refused() -> None:
    head, body = json_part({"alg": "RS256", "kid": "rsa"}), json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), "1e999")
    assert_refused(rsa_key().sealed(f"{head}.{base64url(body.encode())}"), said="`exp`")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exp": None}, "`exp` is missing"),
        ({"iat": NOW + 6}, "made in the future"),
        ({"nbf": NOW + 6}, "not hold yet"),
        ({"exp": NOW + 367 * 86_400}, "lives too long"),
        ({"iat": NOW - 366 * 86_400, "exp": NOW + 1}, "lives too long"),
    ],
)
def test_times_must_make_sense_now(changes: dict[str, Any], said: str) -> None:
    assert_refused(rsa_key().token(claims(**changes)), said=said)


def test_the_signature_is_looked_at_before_the_times() -> None:
    """Nobody learns anything about a token he could not have signed."""
    mallory = SigningKey("rsa", "RS256", rsa_key("mallory").private)
    assert_refused(mallory.token(claims(exp=0, iat=0)), said="signature")


@pytest.mark.parametrize("subject", [None, "", 5, ["ann"], True])
def test_a_subject_must_be_a_text(subject: Any) -> None:
    assert_refused(rsa_key().token({**CLAIMS, "sub": subject}), said="`sub`")


# ── row 85: odd forms ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
        {"cty": "JWT"},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": "secevent+jwt"},
        {"typ": 5},
        {"typ": ""},
    ],
    ids=json.dumps,
)
def test_a_header_that_changes_what_a_token_means_is_refused(header: dict[str, Any]) -> None:
    assert_refused(rsa_key().token(CLAIMS, **header))


def spoilt(token: str) -> dict[str, str]:
    head, body, signature = token.split(".")
    return {
        "empty": "",
        "one part": head,
        "two parts": f"{head}.{body}",
        "no claims": f"{head}..{signature}",
        "five parts": f"{head}.{body}.{signature}.{body}.{signature}",
        "JSON form": json.dumps({"protected": head, "payload": body, "signature": signature}),
        "padding": f"{head}.{body}.{signature}==",
        "space": f"{head}.{body}.{signature} ",
        "newline": f"{head}.{body}.{signature}\n",
        "standard base64": f"{head}.{body}.+{signature[1:]}",
        "not ASCII": f"{head}.{body}.é{signature[1:]}",
        "nul": f"{head}.{body}.{signature}\0",
    }


@pytest.mark.parametrize("how", spoilt("a.b.c"))
def test_there_is_one_way_to_spell_a_token(how: str) -> None:
    assert_refused(spoilt(rsa_key().token(CLAIMS))[how])


def test_bits_that_base64_does_not_need_must_be_zero() -> None:
    token = rsa_key().token(CLAIMS)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]  # 256 bytes leave four bits over in the last character
    assert base64.urlsafe_b64decode(other.split(".")[2] + "==") == base64.urlsafe_b64decode(token.split(".")[2] + "==")
    assert_refused(other, said="not base64url")


def raw(header: bytes, payload: bytes) -> str:
    return rsa_key().sealed(f"{base64url(header)}.{base64url(payload)}")


GOOD_HEADER, GOOD_CLAIMS = b'{"alg":"RS256","kid":"rsa"}', json.dumps(CLAIMS).encode()


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (GOOD_HEADER, GOOD_CLAIMS[:-1] + b',"sub":"admin"}'),
        (GOOD_HEADER, GOOD_CLAIMS[:-1] + b',"x":{"a":1,"a":2}}'),
        (GOOD_HEADER[:-1] + b',"alg":"RS256"}', GOOD_CLAIMS),
        (GOOD_HEADER, b"[" + GOOD_CLAIMS + b"]"),
        (GOOD_HEADER, b"null"),
        (GOOD_HEADER, GOOD_CLAIMS + b"{}"),
        (GOOD_HEADER, GOOD_CLAIMS[:-1] + b',"x":NaN}'),
        (GOOD_HEADER, GOOD_CLAIMS[:-1] + b',"x":"\xff"}'),
        (GOOD_HEADER, GOOD_CLAIMS.decode().encode("utf-16")),
        (GOOD_HEADER, b"\xef\xbb\xbf" + GOOD_CLAIMS),
        (GOOD_HEADER, b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"," + GOOD_CLAIMS[1:]),
        (b"[]", GOOD_CLAIMS),
        (b"{", GOOD_CLAIMS),
        (GOOD_HEADER, rsa_key().token(CLAIMS).encode()),
    ],
    ids=[
        "twice",
        "twice inside",
        "twice in the header",
        "array",
        "null",
        "more after",
        "NaN",
        "no UTF-8",
        "UTF-16",
        "byte order mark",
        "nested",
        "header array",
        "header cut",
        "a token in a token",
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(header: bytes, payload: bytes) -> None:
    assert_refused(raw(header, payload))


def test_the_same_token_written_well_holds() -> None:
    assert check(raw(GOOD_HEADER, GOOD_CLAIMS))


def test_a_token_has_a_longest_length() -> None:
    most = 16_384
    spare = most - len(rsa_key().token(claims(x="")))
    assert check(rsa_key().token(claims(x="y" * (spare * 3 // 4 - 3))))
    assert_refused(rsa_key().token(claims(x="y" * most)), said="longer than 16384 characters")
    assert_refused("a" * 1_000_000, said="longer")


# ── whatever comes ────────────────────────────────────────────────────────────────────────────────────────────────────


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "jti", "email", "name", "address", "x", "$y"]), JSON))
def test_signed_nonsense_is_refused_or_read_but_never_a_bug(changes: dict[str, Any]) -> None:
    try:
        verified = check(ec_key().token({**CLAIMS, **changes}), EC)
    except Unauthenticated:
        return
    assert verified.identity.attributes["issuer"] == {**CLAIMS, **changes}["iss"]


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}"))
def test_any_text_is_refused_by_one_kind_of_error(text: str) -> None:
    with pytest.raises(Unauthenticated):
        check(text)


# ── key sets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        [],
        "key",
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "!!", "e": "AQAB"},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": base64url(bytes(32)), "y": base64url(bytes(32))},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": base64url(bytes(32))},
        {"kty": ["RSA"]},
    ],
    ids=json.dumps,
)
def test_a_key_of_no_use_does_not_spoil_the_others(jwk: Any) -> None:
    assert [key.kid for key in keys(jwk, rsa_key()).keys] == ["rsa"]


def test_a_key_set_has_a_largest_size() -> None:
    most = [rsa_key().jwk(kid=str(number)) for number in range(100)]
    assert len(keys(*most).keys) == 100
    with pytest.raises(InvalidValue, match="more than 100 keys"):
        keys(*most, rsa_key())


def test_only_the_public_half_of_a_key_is_read() -> None:
    (key,) = keys(rsa_key().jwk(d="AAAA", p="x", q="y")).keys
    assert key.signed(b"message", rsa_key().sign(b"message"))


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b'{"keys":{}}', b'{"keys":', b"\xff", b"[" * 10_000])
def test_what_is_no_key_set_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(InvalidValue, match="The key set"):
        KeySet.from_json(data)


@pytest.fixture(params=[RSA, EC, ED], ids=["RS256", "ES256", "EdDSA"])
def provider(request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.param
    return found


@pytest.mark.parametrize("make", [rsa_key, ec_key, ed_key])
def test_each_provider_takes_its_one_algorithm(make: Callable[[], SigningKey], provider: Provider) -> None:
    key = make()
    if key.algorithm in provider.algorithms:
        assert check(key.token(CLAIMS), provider)
    else:
        assert_refused(key.token(CLAIMS), provider=provider)
