"""What functions/auth_config.py may say, and what is told about what it may not."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reactor import AuthConfig, CustomJwt, Oidc
from reactor.auth.provider import Provider
from reactor.definitions.auth_config import providers_of
from reactor.definitions.manifest import Manifest
from reactor.deploy.plan import DeployPlan
from reactor.errors import BundleBroken, DefinitionError
from reactor.execution.loader import load_bundle
from tests.fake_issuer import ec_key, rsa_key
from tests.support import Project

CLERK = Oidc(domain="https://pixorly.clerk.accounts.dev", application_id="convex")


def data_uri(*jwks: dict[str, Any]) -> str:
    return "data:application/json;base64," + base64.b64encode(json.dumps({"keys": jwks}).encode()).decode()


OWN = CustomJwt(issuer="https://own.example", jwks=data_uri(ec_key().jwk()), algorithm="ES256")


def module(**names: Any) -> ModuleType:
    made = ModuleType("functions.auth_config")
    vars(made).update(names)
    return made


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Oidc(domain=None, application_id="x"), "`domain` is None. If it comes from the environment"),  # type: ignore[arg-type]
        (lambda: Oidc(domain="", application_id="x"), "is the variable set?"),
        (lambda: Oidc(domain="https://x", application_id=""), "`application_id` is ''"),
        (lambda: Oidc(domain=5, application_id="x"), "must be a text without spaces, not 5"),  # type: ignore[arg-type]
        (lambda: Oidc(domain="https://x y", application_id="x"), "without spaces"),
        (lambda: Oidc(domain="https://x\n", application_id="x"), "without spaces"),
        (lambda: Oidc(domain="ftp://x", application_id="x"), "must be an address like"),
        (lambda: Oidc(domain="https://", application_id="x"), "must be an address like"),
        (lambda: Oidc(domain="https://x:port", application_id="x"), "must be an address like"),
        (lambda: Oidc(domain="https://u:p@x", application_id="x"), "must be an address like"),
        (lambda: Oidc(domain="https://x?a=b", application_id="x"), "must be an address like"),
        (lambda: CustomJwt(issuer="https://x", jwks="file:///etc/passwd"), "must be an address like"),
        (lambda: CustomJwt(issuer="https://x", jwks="data:;base64,???"), "is no data: URI"),
        (lambda: CustomJwt(issuer="https://x", jwks="data:nothing"), "is no data: URI"),
        (
            lambda: CustomJwt(issuer="https://x", jwks="https://x", algorithm="HS256"),
            "RS256, ES256, EdDSA, not 'HS256'",
        ),  # type: ignore[arg-type]
        (lambda: AuthConfig(providers="x"), "must be a list"),
        (lambda: AuthConfig(providers=CLERK), "must be a list"),  # type: ignore[arg-type]
        (lambda: AuthConfig(providers=[{"domain": "x"}]), "is no provider. Use Oidc"),  # type: ignore[list-item]
        (lambda: AuthConfig(providers=[CustomJwt(issuer="https://x", jwks="data:,{}")]), "no list `keys`"),
        (
            lambda: AuthConfig(providers=[CustomJwt(issuer="https://x", jwks=data_uri(ec_key().jwk()))]),
            "holds no public key with a `kid` for RS256",
        ),
        (
            lambda: AuthConfig(providers=[CustomJwt(issuer="https://x", jwks=data_uri(rsa_key().jwk(kid=None)))]),
            "holds no public key with a `kid`",
        ),
    ],
)
def test_a_provider_that_could_not_work_is_refused_when_it_is_written(make: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        make()
    assert said in str(refused.value)


def test_data_uris_may_be_percent_encoded_or_base64() -> None:
    plain = "data:application/json," + json.dumps({"keys": [rsa_key().jwk()]}).replace(" ", "%20")
    for jwks in (plain, data_uri(rsa_key().jwk())):
        assert AuthConfig(providers=[CustomJwt(issuer="https://x", jwks=jwks)]).providers


def test_providers_travel_in_the_manifest() -> None:
    providers: tuple[Provider, ...] = (CLERK, OWN, CustomJwt(issuer="x", jwks="https://x/k", application_id="a"))
    assert Manifest.from_bytes(Manifest(auth=providers).to_bytes()).auth == providers


def test_a_push_says_who_is_trusted_from_now_on() -> None:
    plan = DeployPlan.between(Manifest(auth=(CLERK,)), Manifest(auth=(OWN,)))
    assert plan.lines() == [
        "- auth provider OIDC(domain=https://pixorly.clerk.accounts.dev, app_id=convex)",
        "+ auth provider CustomJWT(issuer=https://own.example, app_id=none)",
    ]


def test_the_module_has_one_auth_config_under_any_name() -> None:
    config = AuthConfig(providers=[CLERK])
    assert providers_of(None) == ()
    assert providers_of(module(auth=config, same=config, other=5)) == (CLERK,)
    with pytest.raises(DefinitionError, match=r"has no AuthConfig\. Write `auth = AuthConfig"):
        providers_of(module(providers=[CLERK]))
    with pytest.raises(DefinitionError, match="more than one"):
        providers_of(module(auth=config, more=AuthConfig(providers=[OWN])))


AUTH_CONFIG = """
    import os

    from reactor import AuthConfig, Oidc

    auth = AuthConfig(providers=[Oidc(domain=os.environ["ISSUER_OF_TEST"], application_id="convex")])
"""


def test_the_loader_finds_it_and_values_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path / "project", functions={"auth_config": AUTH_CONFIG})
    monkeypatch.setenv("ISSUER_OF_TEST", CLERK.domain)
    bundle = load_bundle(project.root)
    assert bundle.manifest.auth == (CLERK,)
    bundle.unload()
    monkeypatch.delenv("ISSUER_OF_TEST")
    with pytest.raises(BundleBroken, match="ISSUER_OF_TEST"):
        load_bundle(project.root)
