"""Which client speaks."""

from __future__ import annotations

import pytest

from reactor.sync.client_info import ClientInfo


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("npm-1.48.0", ClientInfo("npm", (1, 48, 0))),
        ("npm-cli-1.48.0", ClientInfo("npm-cli", (1, 48, 0))),
        ("python-0.8.1", ClientInfo("python", (0, 8, 1))),
        ("rust-0.10.2", ClientInfo("rust", (0, 10, 2))),
        ("npm-1.0.0-alpha.3", ClientInfo()),
        (None, ClientInfo()),
        ("", ClientInfo()),
        ("python", ClientInfo()),
        ("-1.2.3", ClientInfo()),
        ("x" * 99 + "-1.2.3", ClientInfo()),
        ("npm-" + "9" * 5000 + ".0.0", ClientInfo()),
    ],
)
def test_a_header_names_the_client_or_nobody(header: str | None, client: ClientInfo) -> None:
    assert ClientInfo.of_header(header) == client


def test_only_npm_clients_put_their_version_into_the_address() -> None:
    assert ClientInfo.of_path("1.48.0") == ClientInfo("npm", (1, 48, 0))
    assert ClientInfo.of_path("1.48.0-alpha.1") == ClientInfo("npm", (1, 48, 0))
    assert ClientInfo.of_path("anything") == ClientInfo()
