"""AuthConfig: what `functions/auth_config.py` declares, the providers whose tokens name users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from reactor.auth.provider import CustomJwt, Provider, as_providers, holds_keys
from reactor.errors import DefinitionError, InvalidValue

MODULE = "auth_config"  # below functions/


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """Who may sign tokens. Of two providers that would take a token, the first does."""

    providers: Sequence[Provider]

    def __post_init__(self) -> None:
        providers = as_providers(self.providers)
        for each in filter(holds_keys, providers):
            _check_keys(each)
        object.__setattr__(self, "providers", providers)


def providers_of(module: ModuleType | None) -> tuple[Provider, ...]:
    """What the module declares; nobody when there is none. Raises DefinitionError unless it has exactly one AuthConfig."""
    if module is None:
        return ()
    found = {id(value): value for value in vars(module).values() if isinstance(value, AuthConfig)}
    if len(found) != 1:
        number = "no" if not found else "more than one"
        raise DefinitionError(
            f"functions/{MODULE}.py has {number} AuthConfig. Write `auth = AuthConfig(providers=[…])` once."
        )
    (config,) = found.values()
    return tuple(config.providers)


def _check_keys(provider: CustomJwt) -> None:
    from reactor.auth.key_set import keys_held_by  # brings the cryptography that other projects need not load

    try:
        keys = keys_held_by(provider)
    except InvalidValue as error:
        raise DefinitionError(f"CustomJwt: `jwks` is of no use. {error}.") from None
    assert keys is not None
    if not any(key.kid is not None for key in keys.named(None, provider.algorithm)):
        raise DefinitionError(f"CustomJwt: `jwks` holds no public key with a `kid` for {provider.algorithm}.")
